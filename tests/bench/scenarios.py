"""The scenarios that are measured. A docstring's first line is the title.

Each prints its own lines, and returns the Ratios for the table at the end, if it compares.
"""

import contextlib
import os
import shutil
import time

from line import THERE, is_possible, line
from peers import ROOT, Aria2, Cost, Dlserv, fetchers, found
from ratios import compare, median
from server import serving

MIB, GIB = 2 ** 20, 2 ** 30


def make_file(folder, name, size):
    """Make a file of noise below folder/www; return the folder that a server serves."""
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


def plain(folder):
    """1 GiB over plain HTTP, one connection"""
    return _one_connection(folder, "1 GiB on loopback")


def tls(folder):
    """1 GiB over TLS, one connection"""
    return _one_connection(folder, "1 GiB on loopback, TLS", make_certificate(folder), verify_tls=False)


def _one_connection(folder, what, certificate=None, **options):
    root, target = make_file(folder, "gib", GIB), os.path.join(folder, "out")
    with serving(root, os.path.join(folder, "nginx"), certificate) as url, Dlserv(folder) as daemon:
        contestants = dict(fetchers(url + "/gib", target, insecure=bool(certificate)),
                           dlserv=lambda: daemon.fetch(url + "/gib", connections=1, **options))
        without = compare(what, contestants)
        daemon.call("POST", "/config", {"download": {"hash": True}})
        return [without, compare(what + ", with a SHA-256 that only dlserv makes", contestants)]


def on_a_line(folder):
    """Files over lines of 100, 500 and 1,000 Mbit/s, with the defaults, per GiB"""
    return list(_on_lines(folder, "", None))


def tls_on_a_line(folder):
    """The same over TLS"""
    return list(_on_lines(folder, ", TLS", make_certificate(folder), verify_tls=False))


def _on_lines(folder, over, certificate, **options):
    """Yield a Ratio for each speed. Where no line can be made, the server paces each connection."""
    paced, target = not is_possible(), os.path.join(folder, "out")
    if paced:
        options["connections"] = 1      # each connection has its own pace: two would be twice as fast
    for speed, name, size in ((100, "64m", 2 ** 26), (500, "256m", 2 ** 28), (1000, "256m", 2 ** 28)):
        root = make_file(folder, name, size)
        with _far_end(root, folder, certificate, speed, paced) as url, Dlserv(folder) as daemon:
            def fetch():
                return daemon.fetch(url + name, **options)
            yield compare("%s%d Mbit/s%s" % ("paced, " if paced else "line of ", speed, over), dict(
                fetchers(url + name, target, insecure=bool(certificate)), dlserv=fetch), size / GIB)


@contextlib.contextmanager
def _far_end(root, folder, certificate, speed, paced):
    """Yield the URL, with a slash at its end, of a server behind a line of `speed` Mbit/s."""
    nginx = os.path.join(folder, "nginx")
    if paced:
        with serving(root, nginx, certificate, rate=speed * 10 ** 6 // 8) as url:
            yield url + "/slow/"
        return
    with line(speed) as prefix, serving(root, nginx, certificate, address=THERE, prefix=prefix) as url:
        yield url + "/"


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


def slow(folder):
    """1 GiB from a server that gives 20 MB/s to each connection"""
    root, target = make_file(folder, "gib", GIB), os.path.join(folder, "out")
    with serving(root, os.path.join(folder, "nginx")) as url, Dlserv(folder) as daemon:
        daemon.call("POST", "/config", {"download": {"max_per_host": 16}})

        def compare_with(count):
            return compare("1 GiB at 20 MB/s each, %d connections" % count, dict(
                fetchers(url + "/slow/gib", target, connections=count),
                dlserv=lambda: daemon.fetch(url + "/slow/gib", connections=count)))

        return [compare_with(8), compare_with(16)]


def small(folder):
    """1,000 files of 10 KiB, added one by one (by dlserv durably)"""
    root = make_many(folder, "10k", 10240, 1000)
    with serving(root, os.path.join(folder, "nginx")) as url:
        return [compare("1,000 files of 10 KiB, a file in ms", {
            name: lambda make=make: _all(make, root, url, "10k", 1000) for name, make in daemons(folder)})]


def limited(folder):
    """200 files at 100 KiB/s each, at once, 8 s long"""
    root = make_many(folder, "800k", 800 * 1024, 200)
    limits = {"dlserv": {"ratelimit": "100K"}, "aria2c": {"max-download-limit": "100K"}}
    with serving(root, os.path.join(folder, "nginx")) as url:
        return [compare("200 files at 100 KiB/s", {
            name: lambda name=name, make=make: _all(make, root, url, "800k", 200, **limits[name])
            for name, make in daemons(folder, 200)})]


def _all(make, root, url, name, count, **options):
    """Let a new daemon fetch all the files "name-0" and so on; return the Cost."""
    with make() as daemon:
        cpu, began = daemon.cpu, time.monotonic()
        for number in range(count):
            daemon.add("%s/%s-%d" % (url, name, number), **options)
        daemon.wait()
        cost = Cost(time.monotonic() - began, daemon.cpu - cpu)
        check(daemon.folder, root, name, count)
    return cost


def daemons(folder, concurrent=5):
    """(name, a function that starts it) of each daemon that takes tasks."""
    if found("aria2c"):
        yield "aria2c", lambda: Aria2(folder, "-j%d" % concurrent)
    most = '{"download": {"max_concurrent": %d, "max_per_host": %d}}' % (concurrent, max(8, concurrent))
    path = os.path.join(folder, "bench.json")
    with open(path, "w") as file:
        file.write(most)
    yield "dlserv", lambda: Dlserv(folder, "-c", path)


def check(folder, root, name, count):
    """Fail unless all files are in the folder, as they were served."""
    with open(os.path.join(root, name), "rb") as file:
        wanted = file.read()
    here = [each for each in os.listdir(folder) if each.startswith(name)]
    assert len(here) == count, "%d of %d files are here" % (len(here), count)
    for each in here:
        with open(os.path.join(folder, each), "rb") as file:
            assert file.read() == wanted, each


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
              % (name, 1000 * median(times), median(sizes) / 2 ** 20))


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


ALL = {"line": on_a_line, "tls-line": tls_on_a_line, "plain": plain, "tls": tls, "slow": slow, "small": small,
       "limited": limited, "loaded": loaded, "idle": idle, "polls": polls}
