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
SHARDS = 8      # all at once: two thirds of the seconds below are waits
# Seconds that files take on a quiet machine, the processor's and waits; the others take about SHORT.
SECONDS = {
    "automation/test_watch.py": 82, "engine/test_announced.py": 40, "test_service_manager.py": 34,
    "test_lost_bytes.py": 33, "web/test_stream.py": 24, "engine/test_fetch.py": 23,
    "api/test_aria2_methods.py": 22, "web/test_look.py": 21, "engine/test_continuity.py": 20,
    "net/test_http.py": 20, "web/test_acts.py": 20, "commands/test_on_terminal.py": 19,
    "tasks/test_refresh.py": 18, "test_crash.py": 18, "automation/test_schedule.py": 16,
    "api/test_routes.py": 15, "tasks/test_removal.py": 15, "test_waiting.py": 15, "commands/test_job.py": 9,
    "test_daemon.py": 14, "engine/test_ratelimit.py": 13, "api/test_sse.py": 12,
    "commands/test_listing.py": 8, "test_failing_disk.py": 12, "test_hostile_text.py": 12,
    "api/test_connection_limit.py": 11, "test_boxes.py": 11, "test_full_disk.py": 11,
    "web/test_adding.py": 11, "automation/test_hooks.py": 9, "api/test_server.py": 8,
    "commands/test_unit.py": 6, "commands/test_watch.py": 8, "tasks/test_archive.py": 8,
    "web/test_list.py": 8, "engine/test_introduction.py": 7, "net/test_head.py": 7,
    "tasks/test_verification.py": 7, "test_exhaustion.py": 7, "test_signals.py": 7,
    "commands/test_several_daemons.py": 6, "engine/test_sources.py": 6, "net/test_ftp_control.py": 6,
    "settings/test_token.py": 6, "tasks/test_export.py": 6, "test_serve.py": 6, "test_zipapp.py": 6,
    "api/test_access.py": 5, "automation/test_webhooks.py": 5, "commands/test_arguments.py": 5,
    "commands/test_get.py": 5, "commands/test_recursive.py": 4,
    "test_adversity.py": 5, "test_contract.py": 5, "web/test_details.py": 5}
SHORT = 1
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
    with ThreadPoolExecutor(SHARDS) as pool:
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
