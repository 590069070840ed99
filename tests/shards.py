"""Run the tests in a few processes side by side: most of their time is spent waiting.

    python tests/shards.py            every test
    python tests/shards.py tests/api  these alone, or whatever else pytest is to be told

Each process takes the slowest files that none has taken, and again until all are done.
"""

import collections
import contextlib
import glob
import itertools
import multiprocessing
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback

import pytest

import forks

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROCESSES = 7
# Seconds that files take beside the others, the processor's and waits; those left out take about SHORT
# and are run TOGETHER.
SECONDS = {
    "test_exhaustion.py": 38, "commands/test_on_terminal.py": 21, "web/test_look.py": 21, "test_boxes.py": 18,
    "test_hostile_text.py": 14, "test_daemon.py": 14, "test_lost_bytes.py": 14, "test_crash.py": 13,
    "state/test_recovery.py": 12, "api/test_sse.py": 12, "web/test_stream.py": 12, "automation/test_hooks.py": 11,
    "test_service_manager.py": 10, "net/test_head.py": 10, "engine/test_continuity.py": 9,
    "test_failing_disk.py": 8, "commands/test_unit.py": 8, "tasks/test_archive.py": 8, "web/test_adding.py": 8,
    "api/test_large.py": 7, "api/test_server.py": 7, "test_starved.py": 7, "engine/test_fetch.py": 7,
    "tasks/test_refresh.py": 7, "commands/test_several_daemons.py": 7, "tasks/test_removal.py": 7,
    "web/test_acts.py": 7, "test_adversity.py": 7, "api/test_aria2_websocket.py": 6, "test_serve.py": 6,
    "api/test_coding.py": 6, "test_zipapp.py": 6, "test_contract.py": 6, "commands/test_job.py": 6,
    "test_more_than_one.py": 5, "commands/test_watch.py": 5, "api/test_connection_limit.py": 5,
    "test_threads.py": 5, "engine/test_ratelimit.py": 5, "engine/test_announced.py": 5, "test_waiting.py": 5,
    "test_full_disk.py": 5, "web/test_details.py": 5, "api/test_routes.py": 5, "api/test_access.py": 5,
    "web/test_ten_thousand.py": 5, "automation/test_schedule.py": 5, "tasks/test_verification.py": 5}
SHORT, TOGETHER = 2, 4
# What has no disk as its subject has its files in memory where there is room, for a flush costs more than most tests.
# On the disk stay state/, the files of engine/ and tasks/ that are about flushes, names and what is found again, and
# most of the tests beside the rooms, which end daemons by force, fill disks or fail them.
IN_MEMORY = tuple("tests/" + name for name in (
    "api/", "automation/", "client/", "commands/", "engine/", "net/", "settings/", "tasks/", "web/", "test_contract.py",
    "test_daemon.py", "test_more_than_one.py", "test_service_manager.py", "test_waiting.py"))
ON_DISK = tuple("tests/%s.py" % name for name in (
    "engine/test_continuity", "engine/test_folder", "engine/test_growth", "engine/test_partfile", "engine/test_publish",
    "engine/test_unfinished", "tasks/test_checkpointer", "tasks/test_deletions", "tasks/test_download_dir",
    "tasks/test_registry", "tasks/test_removal"))
MEMORY, ROOM = "/dev/shm", 2 ** 32
LONGEST = 400   # seconds after which a process has hung
MOST_AGAIN = 5  # failed tests that are run again alone; more are no accident


def main(arguments):
    os.chdir(ROOT)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)     # or hundreds of daemons would each compile themselves again
    sys.dont_write_bytecode = False
    if arguments:
        return pytest.main(arguments)
    forks.share()
    found = glob.glob(os.path.join("tests", "**", "test_*.py"), recursive=True)
    code, printed = run(units(sorted(path.replace(os.sep, "/") for path in found)))
    failed = failures(printed)
    print("== %s" % totals(printed), flush=True)
    return again(failed) if code == pytest.ExitCode.TESTS_FAILED and 0 < len(failed) <= MOST_AGAIN else code


def units(paths):
    """Return lists of the files that a process runs together, the slowest first."""
    page = [path for path in paths if path.startswith("tests/web/")]
    made = [unit for unit in (page[0::2], page[1::2]) if unit]      # each starts a browser
    made += [[path] for path in paths if path not in page and seconds([path]) > SHORT]
    short = [path for path in paths if [path] not in made and path not in page]
    for place in (list(filter(is_in_memory, short)), list(itertools.filterfalse(is_in_memory, short))):
        made += [place[first:first + TOGETHER] for first in range(0, len(place), TOGETHER)]
    return sorted(made, key=seconds, reverse=True)


def seconds(paths):
    """Return the seconds that these files are expected to take."""
    return sum(SECONDS.get(path[len("tests/"):], SHORT) for path in paths)


def is_in_memory(path):
    return path.startswith(IN_MEMORY) and not path.startswith(ON_DISK)


def has_memory():
    """Return whether files of tests may be in memory."""
    return os.path.isdir(MEMORY) and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM


def run(every):
    """Run these units; return (the worst exit code, all that was printed)."""
    context = multiprocessing.get_context("fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn")
    with contextlib.ExitStack() as folders:
        disk = temporary(folders)
        memory = temporary(folders, MEMORY) if has_memory() else disk
        outputs = [os.path.join(disk, "output-%d" % number) for number in range(min(PROCESSES, len(every)))]
        processes = [context.Process(target=work, args=(every, memory, disk, output)) for output in outputs]
        for process in processes:
            process.start()
        deadline = time.monotonic() + LONGEST
        return max(ended(process, deadline) for process in processes), "".join(map(show, outputs))


def show(path):
    """Print the file; return its text."""
    with open(path, encoding="utf-8", errors="replace") as file:
        printed = file.read()
    print(printed, flush=True)
    return printed


def temporary(folders, place=None):
    """Return a new folder in this place, which is removed when the ExitStack is left."""
    folder = tempfile.mkdtemp(prefix="dlserv-tests-", dir=place)
    folders.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


def ended(process, deadline):
    """Wait for the process; return its exit code, as a shell has it of one that a signal ended."""
    process.join(max(0, deadline - time.monotonic()))
    if process.exitcode is None:
        os.kill(process.pid, signal.SIGABRT)        # pytest prints each thread's stack
        process.join()
    return process.exitcode if process.exitcode >= 0 else 128 - process.exitcode


def work(every, memory, disk, output):
    """Run, in a process of its own, each unit that no other has taken; exit with the worst code."""
    printed = os.open(output, os.O_WRONLY | os.O_CREAT)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    codes = {pytest.ExitCode.OK}
    try:
        for number, unit in enumerate(every):
            with contextlib.suppress(FileExistsError):
                os.mkdir(os.path.join(disk, "unit-%d" % number))    # that takes it
                folder = memory if is_in_memory(unit[0]) else disk
                codes.add(pytest.main(["--basetemp", os.path.join(folder, "files-%d" % number)] + unit))
    except Exception:
        traceback.print_exc()
        codes.add(pytest.ExitCode.INTERNAL_ERROR)
    sys.exit(max(codes - {pytest.ExitCode.NO_TESTS_COLLECTED}))


def totals(printed):
    """Return "8000 passed, 10 skipped": the sums of what pytest's last lines say."""
    counts = collections.Counter()
    for line in re.findall(r"^(?:\d+ \w+, )*\d+ \w+ in [\d.]+s", printed, re.MULTILINE):
        for number, what in re.findall(r"(\d+) ([a-z]+)", line):
            counts[what.replace("errors", "error")] += int(number)
    return ", ".join("%d %s" % (number, what) for what, number in counts.items())


def failures(printed):
    """Return the ids of the tests, or files, that pytest's summary lists as failed."""
    return [line.split(" ", 1)[1].split(" - ")[0] for line in printed.splitlines()
            if line.startswith(("FAILED tests/", "ERROR tests/"))]


def again(failed):
    """Run the few that failed once more, with the machine to themselves; return the exit code.

    A test that fails only beside others has met its deadline on a busy machine. It is named,
    so that it can be mended.
    """
    print("== FAILED BESIDE OTHERS, run again alone:\n%s" % "\n".join(failed), flush=True)
    return run([[each] for each in failed])[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
