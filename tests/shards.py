"""Run the tests in a few processes side by side: most of their time is spent waiting.

    python tests/shards.py            every test
    python tests/shards.py tests/api  these alone, or whatever else pytest is to be told
"""

import glob
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
AT_ONCE, SHARDS = 5, 10
# Seconds that files have taken on a busy machine; the others take about SHORT.
SECONDS = {
    "web/test_look.py": 116, "test_boxes.py": 110, "test_lost_bytes.py": 96, "test_hostile_text.py": 90,
    "test_daemon.py": 75, "commands/test_get.py": 70, "api/test_access.py": 65, "api/test_server.py": 61,
    "test_crash.py": 60, "automation/test_watch.py": 58, "web/test_list.py": 51, "web/test_stream.py": 50,
    "commands/test_on_terminal.py": 50, "api/test_aria2_options.py": 48, "api/test_large.py": 47,
    "engine/test_continuity.py": 45, "test_contract.py": 38, "test_cli.py": 38, "test_failing_disk.py": 38,
    "automation/test_hooks.py": 36, "test_full_disk.py": 36, "test_safe_files.py": 32, "web/test_adding.py": 31,
    "net/test_head.py": 30, "api/test_aria2_methods.py": 28, "state/test_recovery.py": 27,
    "api/test_aria2_peer.py": 26, "web/test_acts.py": 26, "tasks/test_export.py": 25, "net/test_http.py": 24,
    "tasks/test_removal.py": 24, "automation/test_schedule.py": 23, "api/test_aria2_websocket.py": 21,
    "test_waiting.py": 20, "engine/test_fetch.py": 20, "api/test_aria2_jsonrpc.py": 20, "api/test_names.py": 18,
    "api/test_routes.py": 18, "api/test_connection_limit.py": 16, "web/test_details.py": 16,
    "test_fixed_settings.py": 15, "settings/test_token.py": 15, "commands/test_watch.py": 13, "test_signals.py": 11}
SHORT = 3
MOST_AGAIN = 5  # failed tests that are run again alone; more are no accident
# Hundreds of daemons are started, each of which would compile itself again otherwise.
ENVIRON = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def shards():
    """Return lists of paths that take about the same time, the slowest first."""
    found = sorted(glob.glob(os.path.join(ROOT, "tests", "**", "test_*.py"), recursive=True))
    paths = [os.path.relpath(each, ROOT).replace(os.sep, "/") for each in found]
    page = [path for path in paths if path.startswith("tests/web/")]    # each shard of these starts a browser
    units = [page[0::2], page[1::2]] + [[path] for path in paths if path not in page]
    filled = [[] for _ in range(SHARDS)]
    for unit in sorted(units, key=seconds, reverse=True):
        min(filled, key=seconds).extend(unit)
    return sorted(filled, key=seconds, reverse=True)


def seconds(paths):
    """Return the seconds that these files are expected to take."""
    return sum(SECONDS.get(path[len("tests/"):], SHORT) for path in paths)


def run(paths):
    """(exit code, what pytest printed)."""
    done = subprocess.run([sys.executable, "-m", "pytest"] + paths, cwd=ROOT, env=ENVIRON,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def main(arguments):
    if arguments:
        return subprocess.call([sys.executable, "-m", "pytest"] + arguments, cwd=ROOT, env=ENVIRON)
    worst, failed = 0, []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for paths, (code, printed) in zip(shards(), pool.map(run, shards())):
            print("== %s\n%s" % (" ".join(paths), printed), flush=True)
            failed += failures(printed) if code == 1 else []
            worst = max(worst, code)
    return again(failed) if worst == 1 and 0 < len(failed) <= MOST_AGAIN else worst


def failures(printed):
    """Return the ids of the tests, or files, that pytest's summary lists as failed."""
    return [line.split(" ", 1)[1].split(" - ")[0] for line in printed.splitlines()
            if line.startswith(("FAILED tests/", "ERROR tests/"))]


def again(failed):
    """Run the few that failed once more, with the machine to themselves; return the exit code.

    A test that fails only beside others has met its deadline on a busy machine. It is named,
    so that it can be mended.
    """
    code, printed = run(failed)
    print("== FAILED BESIDE OTHERS, run again alone:\n%s\n%s" % ("\n".join(failed), printed), flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
