"""What is measured. Each scenario prints its own lines; its docstring's first line is its title."""

import os
import statistics
import time

from peers import ROOT, Cost, Dlserv, fetchers
from server import serving

GIB = 2 ** 30


def make_file(folder, name, size):
    """A file of noise below folder/www; gives the folder that a server serves."""
    root = os.path.join(folder, "www")
    os.makedirs(root, exist_ok=True)
    os.chmod(root, 0o755)
    path = os.path.join(root, name)
    if not os.path.exists(path):
        with open(path, "wb") as file:
            for _ in range(0, size, 2 ** 20):
                file.write(os.urandom(min(size, 2 ** 20)))
    return root


def compare(rounds, contestants, unit=1.0):
    """Let each do its work in turn, and print what it costs beside dlserv's."""
    costs = {name: [] for name in contestants}
    for _ in range(rounds + 1):
        for name, work in contestants.items():
            costs[name].append(work())
    ours = costs["dlserv"][1:]          # the first round only warms up
    for name, theirs in costs.items():
        theirs = theirs[1:]
        line = "  %-8s wall %6.2f s  CPU %6.2f s" % (
            name, _median(cost.wall for cost in theirs) / unit, _median(cost.cpu for cost in theirs) / unit)
        if name != "dlserv":
            line += "   dlserv takes %.2f x its time, %.2f x its CPU" % (
                _median(a.wall / b.wall for a, b in zip(ours, theirs)),
                _median(a.cpu / max(b.cpu, 0.01) for a, b in zip(ours, theirs)))
        print(line)


def _median(values):
    return statistics.median(list(values))


def plain(folder):
    """1 GiB over plain HTTP, one connection"""
    root, target = make_file(folder, "gib", GIB), os.path.join(folder, "out")
    with serving(root, os.path.join(folder, "nginx")) as url, Dlserv(folder) as daemon:
        compare(3, dict(fetchers(url + "/gib", target),
                        dlserv=lambda: daemon.fetch(url + "/gib", connections=1)))


def small(folder):
    """500 files of 10 KiB, added one by one, each add durable"""
    root = make_file(folder, "10k", 10240)
    with serving(root, os.path.join(folder, "nginx")) as url, Dlserv(folder) as daemon:
        cpu, began = daemon.cpu, time.monotonic()
        for number in range(500):
            daemon.add("%s/10k?%d" % (url, number))
        added = time.monotonic() - began
        daemon.wait()
        cost = Cost(time.monotonic() - began, daemon.cpu - cpu)
        print("  dlserv   %.0f tasks/s (added at %.0f/s), CPU %.2f ms a task"
              % (500 / cost.wall, 500 / added, cost.cpu * 2))


def idle(folder):
    """Start-up to the first answer, and memory at rest"""
    for name in ("dlserv.py", "dlserv.pyz"):
        times, sizes = [], []
        for _ in range(5):
            began = time.monotonic()
            with Dlserv(folder, program=os.path.join(ROOT, name)) as daemon:
                daemon.call("GET", "/task/list")
                times.append(time.monotonic() - began)
                time.sleep(0.3)
                sizes.append(daemon.rss)
        print("  %-10s first answer after %.0f ms, %.1f MiB resident"
              % (name, 1000 * _median(times), _median(sizes) / 2 ** 20))


ALL = {"plain": plain, "small": small, "idle": idle}
