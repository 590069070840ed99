"""make bench: dlserv beside curl, wget, aria2c and axel, those that are found here.

Every figure is of this run on this machine, so only ratios mean anything: each round
lets every program do the same work in turn, and a ratio is the median over the rounds.

    python3 tests/bench [name of a scenario …]
"""

import argparse
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.dirname(os.path.dirname(HERE)))

import ratios  # noqa: E402
import scenarios  # noqa: E402
from peers import PROGRAMS, found  # noqa: E402


def main(arguments):
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.split("\n", 1)[0])
    parser.add_argument("scenario", nargs="*", metavar="scenario", help=", ".join(scenarios.ALL))
    wanted = parser.parse_args(arguments).scenario or list(scenarios.ALL)
    unknown = [name for name in wanted if name not in scenarios.ALL]
    if unknown:
        parser.error("no scenario is called %s; there are %s"
                     % (unknown[0], ", ".join(scenarios.ALL)))
    missing = [name for name in PROGRAMS if not found(name)]
    print("%d processors, Python %s%s" % (os.cpu_count(), sys.version.split()[0],
                                          "; not here: " + ", ".join(missing) if missing else ""))
    found_ratios = []
    with tempfile.TemporaryDirectory(prefix="dlserv-bench-") as folder:
        for name in wanted:
            print("\n" + scenarios.ALL[name].__doc__.splitlines()[0], flush=True)
            found_ratios += scenarios.ALL[name](folder) or []
    if found_ratios:
        print("\n" + "\n".join(ratios.table(found_ratios)))


if __name__ == "__main__":
    main(sys.argv[1:])
