"""The costs of programs beside each other: rounds in which each does the same work in turn."""

import os
import platform
import statistics
import time
from collections import namedtuple

ROUNDS = 5      # after one that only warms up

# The ratios of dlserv to the best of the others, None where they are none: time, CPU.
Ratio = namedtuple("Ratio", "what time cpu others")


def compare(what, contestants, unit=1.0):
    """Let each do its work in turn, print the costs beside dlserv's, and return the Ratio."""
    costs = {name: [] for name in contestants}
    for _ in range(ROUNDS + 1):
        for name, work in contestants.items():
            costs[name].append(work())
    costs = {name: each[1:] for name, each in costs.items()}
    ours = costs.pop("dlserv")
    print("  %s\n%s" % (what, _line("dlserv", ours, unit)))
    for name, theirs in costs.items():
        print("%s   dlserv takes %.2f x its time, %.2f x its CPU"
              % (_line(name, theirs, unit), _ratio(ours, theirs, 0), _ratio(ours, theirs, 1)), flush=True)
    return Ratio(what, _beside_the_best(ours, costs, 0), _beside_the_best(ours, costs, 1), list(costs))


def _line(name, costs, unit):
    return "    %-8s wall %6.2f s  CPU %6.2f s" % (
        name, median(cost.wall for cost in costs) / unit, median(cost.cpu for cost in costs) / unit)


def _ratio(ours, theirs, which):
    """Return the median over the rounds of one figure's ratio: 0 is the time, 1 the CPU."""
    return median(a[which] / max(b[which], 0.01) for a, b in zip(ours, theirs))


def _beside_the_best(ours, others, which):
    return max((_ratio(ours, theirs, which) for theirs in others.values()), default=None)


def median(values):
    return statistics.median(list(values))


def table(ratios):
    """Return the lines of the table that README quotes."""
    machine = "%s of %s, %s %s, Python %s" % (
        platform.machine(), _model(), platform.system(), platform.release().split("-")[0], platform.python_version())
    rows = [("what", "time", "CPU", "beside the best of")] + [
        (ratio.what, _shown(ratio.time), _shown(ratio.cpu), ", ".join(ratio.others)) for ratio in ratios]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return ["%s, %s:" % (time.strftime("%Y-%m-%d"), machine), ""] + lines


def _shown(ratio):
    return "-" if ratio is None else "%.2f" % ratio


def _model():
    """Return how many processors of which kind there are."""
    kind = "processors"
    try:
        with open("/proc/cpuinfo") as file:
            kind = next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return "%d %s" % (os.cpu_count(), kind)
