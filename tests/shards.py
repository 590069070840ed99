"""Run the tests in a few processes side by side: most of their time is spent waiting.

    python tests/shards.py            every test
    python tests/shards.py tests/api  these alone, or whatever else pytest is to be told
"""

import contextlib
import glob
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MEMORY_SHARDS, DISK_SHARDS = 4, 6       # all at once: three quarters of the seconds below are waits
# Seconds that files take alone on a quiet machine, the processor's and waits; the others take about SHORT.
SECONDS = {
    "automation/test_watch.py": 58, "engine/test_announced.py": 39, "test_lost_bytes.py": 35,
    "test_service_manager.py": 33, "web/test_stream.py": 24, "automation/test_schedule.py": 20,
    "engine/test_continuity.py": 20, "engine/test_fetch.py": 20, "api/test_connection_limit.py": 19,
    "net/test_http.py": 19, "test_exhaustion.py": 19, "web/test_acts.py": 18, "test_daemon.py": 17,
    "web/test_look.py": 17, "commands/test_on_terminal.py": 16, "tasks/test_removal.py": 15,
    "test_failing_disk.py": 15, "api/test_sse.py": 13, "test_crash.py": 13, "engine/test_ratelimit.py": 12,
    "test_hostile_text.py": 12, "web/test_adding.py": 12, "net/test_head.py": 11, "api/test_server.py": 10,
    "automation/test_hooks.py": 9, "test_waiting.py": 9, "web/test_list.py": 9, "api/test_routes.py": 8,
    "test_boxes.py": 8, "test_full_disk.py": 8, "api/test_aria2_methods.py": 7, "commands/test_recursive.py": 7,
    "engine/test_introduction.py": 7, "net/test_ftp_control.py": 7, "commands/test_get.py": 6,
    "commands/test_unit.py": 6, "commands/test_watch.py": 6, "engine/test_sources.py": 6,
    "tasks/test_archive.py": 6, "tasks/test_refresh.py": 6, "test_contract.py": 6, "web/test_details.py": 6,
    "api/test_aria2_clients.py": 5, "api/test_aria2_websocket.py": 5, "api/test_coding.py": 5,
    "client/test_several.py": 5, "net/test_bodies.py": 5, "test_adversity.py": 5, "api/test_aria2_options.py": 4,
    "api/test_large.py": 4, "commands/test_several_daemons.py": 4, "net/test_channel.py": 4, "net/test_ftp.py": 4,
    "net/test_ftp_body.py": 4, "net/test_host_limits.py": 4, "state/test_recovery.py": 4, "test_embed.py": 4,
    "test_layers.py": 4, "test_signals.py": 4, "test_zipapp.py": 4, "api/test_access.py": 3,
    "api/test_aria2_peer.py": 3, "automation/test_process.py": 3, "automation/test_webhooks.py": 3,
    "engine/test_connection.py": 3, "engine/test_download.py": 3, "net/test_ftp_listing.py": 3,
    "settings/test_token.py": 3, "test_cli.py": 3, "test_more_than_one.py": 3, "test_threads.py": 3,
    "web/test_settings.py": 3, "net/test_whole.py": 2, "test_memory.py": 2}
SHORT = 1
# Rooms whose subject is no disk: their files are in memory where there is room, for a flush costs more than most tests.
IN_MEMORY = ("tests/api/", "tests/client/", "tests/commands/", "tests/net/", "tests/settings/", "tests/web/")
MEMORY, ROOM = "/dev/shm", 2 ** 32
MOST_AGAIN = 5  # failed tests that are run again alone; more are no accident
# Hundreds of daemons are started, each of which would compile itself again otherwise.
ENVIRON = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def shards():
    """Return lists of paths that take about the same time, the slowest first."""
    found = sorted(glob.glob(os.path.join(ROOT, "tests", "**", "test_*.py"), recursive=True))
    paths = [os.path.relpath(each, ROOT).replace(os.sep, "/") for each in found]
    page = [path for path in paths if path.startswith("tests/web/")]    # each shard of these starts a browser
    units = [page[0::2], page[1::2]] + [[path] for path in paths if path not in page]
    here = [unit for unit in units if unit[0].startswith(IN_MEMORY)]
    there = [unit for unit in units if unit not in here]
    return sorted(_filled(here, MEMORY_SHARDS) + _filled(there, DISK_SHARDS), key=seconds, reverse=True)


def _filled(units, count):
    """Return so many lists that take about the same time, of all units."""
    filled = [[] for _ in range(count)]
    for unit in sorted(units, key=seconds, reverse=True):
        min(filled, key=seconds).extend(unit)
    return filled


def seconds(paths):
    """Return the seconds that these files are expected to take."""
    return sum(SECONDS.get(path[len("tests/"):], SHORT) for path in paths)


def run(paths):
    """(exit code, what pytest printed)."""
    with contextlib.ExitStack() as folders:
        options = []
        if all(path.startswith(IN_MEMORY) for path in paths) and has_memory():
            folder = tempfile.mkdtemp(prefix="dlserv-tests-", dir=MEMORY)
            folders.callback(shutil.rmtree, folder, ignore_errors=True)
            options = ["--basetemp", os.path.join(folder, "pytest")]
        done = subprocess.run([sys.executable, "-m", "pytest"] + options + paths, cwd=ROOT, env=ENVIRON,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def has_memory():
    """Return whether files of tests may be in memory."""
    return os.path.isdir(MEMORY) and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM


def main(arguments):
    if arguments:
        return subprocess.call([sys.executable, "-m", "pytest"] + arguments, cwd=ROOT, env=ENVIRON)
    worst, failed = 0, []
    with ThreadPoolExecutor(MEMORY_SHARDS + DISK_SHARDS) as pool:
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
