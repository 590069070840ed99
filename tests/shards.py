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
    "test_threads.py": 4, "settings/test_token.py": 4, "net/test_links.py": 4}
SHORT, TOGETHER = 1, 6
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
