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
AT_ONCE = 3
SLOW_ONES = (["tests/web"], ["tests/engine"], ["tests/test_crash.py", "tests/test_snapshot.py"],
             ["tests/test_client.py", "tests/test_commands.py"], ["tests/test_daemon.py"], ["tests/api"])


def shards():
    """Lists of paths, the slowest first; the last has everything that the others have not."""
    named = {path for shard in SLOW_ONES for path in shard}
    rest = [os.path.relpath(path, ROOT) for path in sorted(glob.glob(os.path.join(ROOT, "tests", "test_*.py")))]
    return list(SLOW_ONES) + [[path for path in rest if path.replace(os.sep, "/") not in named]]


def run(paths):
    """(exit code, what pytest printed)."""
    done = subprocess.run([sys.executable, "-m", "pytest"] + paths, cwd=ROOT, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def main(arguments):
    if arguments:
        return subprocess.call([sys.executable, "-m", "pytest"] + arguments, cwd=ROOT)
    worst = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for paths, (code, printed) in zip(shards(), pool.map(run, shards())):
            print("== %s\n%s" % (" ".join(paths) if len(paths) < 4 else "the rest", printed), flush=True)
            worst = max(worst, code)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
