"""Run the tests in a few processes side by side: most of their time is spent waiting.

    python tests/shards.py            every test
    python tests/shards.py tests/api  these alone, or whatever else pytest is to be told
"""

import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MEMORY_SHARDS, DISK_SHARDS = 7, 4       # all at once, and so that all take about the same time
# Seconds that files take beside the others, the processor's and waits; those left out take about SHORT.
SECONDS = {
    "test_lost_bytes.py": 42, "engine/test_announced.py": 41, "test_service_manager.py": 34,
    "test_exhaustion.py": 34, "api/test_connection_limit.py": 26, "engine/test_continuity.py": 25,
    "engine/test_fetch.py": 22, "tasks/test_removal.py": 21, "web/test_stream.py": 20, "test_boxes.py": 20,
    "test_failing_disk.py": 19, "net/test_inflated.py": 18, "test_daemon.py": 18,
    "commands/test_on_terminal.py": 17, "test_hostile_text.py": 16, "test_crash.py": 15, "web/test_acts.py": 15,
    "api/test_sse.py": 15, "test_contract.py": 14, "api/test_large.py": 14, "test_waiting.py": 14,
    "web/test_look.py": 13, "api/test_coding.py": 13, "engine/test_ratelimit.py": 12, "test_full_disk.py": 11,
    "state/test_recovery.py": 11, "api/test_aria2_options.py": 11, "automation/test_hooks.py": 11,
    "api/test_server.py": 10, "tasks/test_archive.py": 10, "tasks/test_refresh.py": 10, "test_zipapp.py": 9,
    "engine/test_sources.py": 9, "test_more_than_one.py": 8, "commands/test_unit.py": 8, "api/test_routes.py": 8,
    "net/test_head.py": 8, "commands/test_several_daemons.py": 8, "commands/test_job.py": 8,
    "automation/test_watch.py": 8, "automation/test_schedule.py": 7, "engine/test_inquiry.py": 7,
    "commands/test_watch.py": 7, "net/test_ftp_control.py": 7, "api/test_aria2_websocket.py": 7,
    "api/test_access.py": 7, "test_signals.py": 6, "web/test_details.py": 6, "api/test_aria2_peer.py": 6,
    "web/test_adding.py": 6, "web/test_ten_thousand.py": 6, "test_adversity.py": 6, "commands/test_systemd.py": 6,
    "net/test_channel.py": 5, "commands/test_actions.py": 5, "commands/test_recursive.py": 5,
    "net/test_ftp_body.py": 5, "net/test_bodies.py": 5, "api/test_aria2_gids.py": 5,
    "api/test_generated_client.py": 5, "net/test_ftp.py": 5, "client/test_several.py": 5,
    "commands/test_main.py": 4, "commands/test_arguments.py": 4, "api/test_names.py": 4, "api/test_http1.py": 4,
    "commands/test_listing.py": 4, "web/test_list.py": 4, "commands/test_get.py": 4, "test_configuration.py": 4,
    "test_threads.py": 4, "settings/test_token.py": 4, "net/test_links.py": 4, "test_layers.py": 3,
    "test_serve.py": 3, "test_forks.py": 3, "state/test_wal.py": 3, "net/test_tls.py": 3, "api/test_files.py": 3,
    "test_safe_files.py": 3, "state/test_store.py": 3, "api/test_aria2_door.py": 3, "api/test_aria2_clients.py": 3,
    "net/test_host_limits.py": 3, "automation/test_webhooks.py": 3, "automation/test_process.py": 3,
    "engine/test_connection.py": 3, "api/test_wire.py": 3, "commands/test_completion.py": 3,
    "net/test_ftp_listing.py": 3, "api/test_aria2_results.py": 3, "net/test_http.py": 3, "state/test_inbox.py": 2,
    "tasks/test_checkpointer.py": 2, "automation/test_automation.py": 2, "engine/test_checksum.py": 2,
    "api/test_openapi.py": 2, "net/test_cookies.py": 2, "settings/test_metalink.py": 2, "client/test_rest.py": 2,
    "net/test_remote_file.py": 2, "tasks/test_verification.py": 2, "api/test_aria2_control.py": 2,
    "test_memory.py": 2, "tasks/test_runner.py": 2}
SHORT = 0.5
# Rooms whose subject is no disk: their files are in memory where there is room, for a flush costs more than most tests.
# On the disk stay state/, the files of engine/ and tasks/ that are about flushes, names and what is found again, and
# the tests beside the rooms, most of which end daemons by force, fill disks or fail them.
IN_MEMORY = tuple("tests/%s/" % room for room in (
    "api", "automation", "client", "commands", "engine", "net", "settings", "tasks", "web"))
ON_DISK = tuple("tests/%s.py" % name for name in (
    "engine/test_continuity", "engine/test_folder", "engine/test_growth", "engine/test_partfile", "engine/test_publish",
    "engine/test_unfinished", "tasks/test_checkpointer", "tasks/test_deletions", "tasks/test_download_dir",
    "tasks/test_registry", "tasks/test_removal"))
MEMORY, ROOM = "/dev/shm", 2 ** 32
LONGEST = 400   # seconds after which a process has hung
MOST_AGAIN = 5  # failed tests that are run again alone; more are no accident
# Hundreds of daemons are started, each of which would compile itself again otherwise.
ENVIRON = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def shards():
    """Return lists of paths that take about the same time, the slowest first."""
    found = sorted(glob.glob(os.path.join(ROOT, "tests", "**", "test_*.py"), recursive=True))
    paths = [os.path.relpath(each, ROOT).replace(os.sep, "/") for each in found]
    page = [path for path in paths if path.startswith("tests/web/")]    # each shard of these starts a browser
    units = [page[0::2], page[1::2]] + [[path] for path in paths if path not in page]
    here = [unit for unit in units if is_in_memory(unit[0])]
    there = [unit for unit in units if unit not in here]
    return sorted(_filled(here, MEMORY_SHARDS) + _filled(there, DISK_SHARDS), key=seconds, reverse=True)


def is_in_memory(path):
    return path.startswith(IN_MEMORY) and not path.startswith(ON_DISK)


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
    """(exit code, as a shell has it of a process that a signal ended; what pytest printed)."""
    place = MEMORY if all(map(is_in_memory, paths)) and has_memory() else None
    folder = tempfile.mkdtemp(prefix="dlserv-tests-", dir=place)
    try:        # a folder of its own, or each process would search those of earlier runs and remove what is old
        options = ["--basetemp", os.path.join(folder, "pytest")]
        process = subprocess.Popen([sys.executable, "-m", "pytest"] + options + paths, cwd=ROOT, env=ENVIRON,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        hung = threading.Timer(LONGEST, process.send_signal, [signal.SIGABRT])     # pytest prints each thread's stack
        hung.start()
        printed, _ = process.communicate()
        hung.cancel()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    code = process.returncode
    return code if code >= 0 else 128 - code, printed.decode("utf-8", "replace")


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
