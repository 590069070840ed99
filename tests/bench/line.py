"""A line of a given speed: a network namespace with a server in it, behind a token bucket.

On loopback a sender hands over megabytes at a time; a line delivers packets of 1,500
bytes, and whoever wakes up for each few of them pays for it. Needs Linux, root, ip and tc.
"""

import contextlib
import os
import shutil
import subprocess

HERE, THERE = "198.18.0.1", "198.18.0.2"    # of the range for benchmarks (RFC 2544)


def is_possible():
    """Return whether a namespace can be made here."""
    return hasattr(os, "geteuid") and os.geteuid() == 0 and all(map(shutil.which, ("ip", "tc", "nginx")))


@contextlib.contextmanager
def line(megabits):
    """Yield the command prefix that runs a program at the far end of a line of this speed."""
    name = "dlserv-%d" % os.getpid()
    near, far = "dlb%da" % (os.getpid() % 10 ** 6), "dlb%db" % (os.getpid() % 10 ** 6)
    _ip("netns", "add", name)
    try:
        _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
        for prefix, device, address in (([], near, HERE), (["-n", name], far, THERE)):
            _ip(*prefix, "addr", "add", address + "/30", "dev", device)
            _ip(*prefix, "link", "set", device, "up", "gso_max_segs", "1")
        _ip("-n", name, "link", "set", "lo", "up")
        subprocess.run(["ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", far, "root", "tbf",
                        "rate", "%dmbit" % megabits, "burst", "64k", "latency", "50ms"], check=True)
        yield ["ip", "netns", "exec", name]
    finally:
        subprocess.run(["ip", "link", "del", near], stderr=subprocess.DEVNULL)
        _ip("netns", "del", name)


def _ip(*arguments):
    subprocess.run(["ip"] + list(arguments), check=True)
