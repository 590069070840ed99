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
AT_ONCE = 4
LOOK = ["tests/web/test_look.py", "tests/web/test_stream.py"]
SLOW_ONES = (LOOK, ["tests/web"] + ["--ignore=" + each for each in LOOK], ["tests/engine/test_fetch.py"], ["tests/test_crash.py"],
             ["tests/test_daemon.py", "tests/test_boxes.py"])
OTHERS = 6      # shards of what is not named above
MOST_AGAIN = 5  # failed tests that are run again alone; more are no accident
# Hundreds of daemons are started, each of which would compile itself anew without.
ENVIRON = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def shards():
    """Lists of paths, the slowest first."""
    named = {path for shard in SLOW_ONES for path in shard}
    found = sorted(glob.glob(os.path.join(ROOT, "tests", "**", "test_*.py"), recursive=True))
    rest = [path for path in (os.path.relpath(each, ROOT).replace(os.sep, "/") for each in found)
            if path not in named and os.path.dirname(path) not in named]
    return list(SLOW_ONES) + [rest[start::OTHERS] for start in range(OTHERS)]


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
