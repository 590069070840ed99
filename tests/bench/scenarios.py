"""What is measured. Each scenario prints its own lines; its docstring's first line is its title."""

import os
import shutil
import statistics
import time

from line import THERE, is_possible, line
from peers import ROOT, Aria2, Dlserv, fetchers, found
from server import serving

MIB, GIB = 2 ** 20, 2 ** 30
LINE_ROUNDS = 3


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


def make_many(folder, name, size, count):
    """The same under `count` names, "name-0" and so on."""
    root = make_file(folder, name, size)
    for number in range(count):
        link = os.path.join(root, "%s-%d" % (name, number))
        if not os.path.islink(link):
            os.symlink(name, link)
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
    _one_connection(folder)


def _one_connection(folder, certificate=None, **options):
    root, target = make_file(folder, "gib", GIB), os.path.join(folder, "out")
    with serving(root, os.path.join(folder, "nginx"), certificate) as url, Dlserv(folder) as daemon:
        contestants = dict(fetchers(url + "/gib", target, insecure=bool(certificate)),
                           dlserv=lambda: daemon.fetch(url + "/gib", connections=1, **options))
        compare(3, contestants)
        add_the_hash(daemon)
        compare(3, contestants)


def add_the_hash(daemon):
    print("  with a SHA-256 that only dlserv makes (download.hash: true)")
    daemon.call("POST", "/config", {"download": {"hash": True}})


def on_a_line(folder):
    """64 MiB over a line of 100 Mbit/s, 256 MiB over 500 and 1,000, with the defaults"""
    _on_a_line(folder, None)


def tls_on_a_line(folder):
    """The same over TLS"""
    _on_a_line(folder, make_certificate(folder), verify_tls=False)


def _on_a_line(folder, certificate, **options):
    if not is_possible():
        print("  left out: this needs Linux, root, ip, tc and nginx")
        return
    target = os.path.join(folder, "out")
    for speed, name, size in ((100, "64m", 2 ** 26), (500, "256m", 2 ** 28), (1000, "256m", 2 ** 28)):
        root = make_file(folder, name, size)
        with line(speed) as prefix, Dlserv(folder) as daemon, serving(
                root, os.path.join(folder, "nginx"), certificate, address=THERE, prefix=prefix) as url:
            print("  %d Mbit/s, per GiB" % speed)
            compare(LINE_ROUNDS, dict(fetchers(url + "/" + name, target, insecure=bool(certificate)),
                                      dlserv=lambda: daemon.fetch(url + "/" + name, **options)), size / GIB)


def loaded(folder):
    """Memory over that at rest: five tasks of four connections at 20 MB/s each, and after them"""
    for certificate in (None, make_certificate(folder)):
        root = make_many(folder, "gib", GIB, 5)
        with serving(root, os.path.join(folder, "nginx"), certificate) as url, Dlserv(folder) as daemon:
            daemon.call("POST", "/config", {"download": {"max_per_host": 20}})
            at_rest, most = daemon.rss, 0
            for number in range(5):
                daemon.add("%s/slow/gib-%d" % (url, number), connections=4, verify_tls=False)
            until = time.monotonic() + 8
            while time.monotonic() < until:
                most = max(most, daemon.rss)
                time.sleep(0.05)
            for task in daemon.call("GET", "/task/list")["detail"]:
                daemon.call("DELETE", "/task/tid/%s?del_file=true" % task["tid"])
            time.sleep(12)
            print("  %-5s at rest %.1f MiB, %.1f more under load, %.1f more afterwards" % (
                "TLS" if certificate else "plain", at_rest / MIB, (most - at_rest) / MIB,
                (daemon.rss - at_rest) / MIB))


def tls(folder):
    """1 GiB over TLS, one connection"""
    _one_connection(folder, make_certificate(folder), verify_tls=False)


def slow(folder):
    """1 GiB from a server that gives 20 MB/s to each connection"""
    root, target = make_file(folder, "gib", GIB), os.path.join(folder, "out")
    with serving(root, os.path.join(folder, "nginx")) as url, Dlserv(folder) as daemon:
        daemon.call("POST", "/config", {"download": {"max_per_host": 16}})

        def compare_with(count):
            print("  %d connections" % count)
            compare(2, dict(fetchers(url + "/slow/gib", target, connections=count),
                            dlserv=lambda: daemon.fetch(url + "/slow/gib", connections=count)))

        compare_with(8)
        compare_with(16)


def small(folder):
    """1,000 files of 10 KiB, added one by one (by dlserv durably)"""
    root = make_many(folder, "10k", 10240, 1000)
    with serving(root, os.path.join(folder, "nginx")) as url:
        for name, make in daemons(folder):
            with make() as daemon:
                cpu, began = daemon.cpu, time.monotonic()
                for number in range(1000):
                    daemon.add("%s/10k-%d" % (url, number))
                added = time.monotonic() - began
                daemon.wait()
                wall = time.monotonic() - began
                print("  %-8s %.0f tasks/s (added at %.0f/s), CPU %.2f ms a task"
                      % (name, 1000 / wall, 1000 / added, daemon.cpu - cpu))


def limited(folder):
    """200 files at 100 KiB/s each, at once, 8 s long"""
    root = make_many(folder, "800k", 800 * 1024, 200)
    with serving(root, os.path.join(folder, "nginx")) as url:
        for name, make in daemons(folder, 200):
            with make() as daemon:
                cpu, began = daemon.cpu, time.monotonic()
                limit = {"ratelimit": "100K"} if name == "dlserv" else {"max-download-limit": "100K"}
                for number in range(200):
                    daemon.add("%s/800k-%d" % (url, number), **limit)
                daemon.wait(0.1)
                print("  %-8s wall %6.2f s  CPU %6.2f s  %s" % (
                    name, time.monotonic() - began, daemon.cpu - cpu, check(daemon.folder, root, "800k")))


def daemons(folder, concurrent=5):
    """(name, a function that starts it) of each daemon that takes tasks."""
    if found("aria2c"):
        yield "aria2c", lambda: Aria2(folder, "-j%d" % concurrent)
    most = '{"download": {"max_concurrent": %d, "max_per_host": %d}}' % (concurrent, max(8, concurrent))
    path = os.path.join(folder, "bench.json")
    with open(path, "w") as file:
        file.write(most)
    yield "dlserv", lambda: Dlserv(folder, "-c", path)


def check(folder, root, name):
    """A word on whether every file in the folder is what was served."""
    with open(os.path.join(root, name), "rb") as file:
        wanted = file.read()
    wrong = count = 0
    for each in os.listdir(folder):
        if each.startswith(name):
            with open(os.path.join(folder, each), "rb") as file:
                count, wrong = count + 1, wrong + (file.read() != wanted)
    return "%d files, %d of them wrong" % (count, wrong)


def make_certificate(folder):
    """The path of a self-signed certificate with its key."""
    path = os.path.join(folder, "certificate.pem")
    if not os.path.exists(path):
        tests = os.path.join(ROOT, "tests", "certs", "server.pem")
        shutil.copy(tests, path)
    return path


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


# What AriaNg asks for each second about every active download.
_ARIANG = """gid totalLength completedLength uploadSpeed downloadSpeed connections numSeeders seeder status
    errorCode verifiedLength verifyIntegrityPending files bittorrent infoHash""".split()


def polls(folder):
    """CPU of a poll of 20 active downloads: REST's list, and AriaNg's tellActive"""
    root = make_many(folder, "100m", 100 * MIB, 20)
    with serving(root, os.path.join(folder, "nginx")) as url, Dlserv(folder) as daemon:
        daemon.call("POST", "/config", {"download": {"max_concurrent": 20, "max_per_host": 100}})
        for number in range(20):
            daemon.add("%s/100m-%d" % (url, number), ratelimit="1K", connections=1)
        time.sleep(2)
        call = {"jsonrpc": "2.0", "id": "x", "method": "aria2.tellActive", "params": ["token:", _ARIANG]}
        before = daemon.cpu
        time.sleep(2)
        rest = (daemon.cpu - before) / 2        # CPU a second of the downloads themselves
        for name, arguments in [("REST's list", ("GET", "/task/list")),
                                ("tellActive", ("POST", "/jsonrpc", call))] * 2:
            cpu, began = daemon.cpu, time.monotonic()
            for _ in range(2000):
                daemon.call(*arguments)
            cost = daemon.cpu - cpu - rest * (time.monotonic() - began)
            print("  %-12s %.2f ms of CPU a poll, %.0f %% of a core at 200 polls a second"
                  % (name, cost / 2, cost * 10))


ALL = {"line": on_a_line, "tls-line": tls_on_a_line, "plain": plain, "tls": tls, "loaded": loaded, "slow": slow, "small": small, "limited": limited, "idle": idle, "polls": polls}
