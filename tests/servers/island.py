"""A network of its own for a piece of a test: no cable at first, no DNS, nobody else.

    run("...", tmp_path)

runs the code in another process, in namespaces that only root may make; elsewhere the test
is skipped. The code finds `up()` and `down()`, which plug the loopback interface in and
out, and `Dns`, which answers any name with 127.0.0.1 or an error.
"""

import os
import shutil
import socket
import struct
import subprocess
import sys
import textwrap
import threading

import pytest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SERVFAIL, REFUSED = 2, 5

PRELUDE = """
import sys
sys.path[:0] = [%r, %r]
import subprocess
from dlserv import Daemon
from dlserv.tasks.waits import Waits
from harness import noise, until
from servers.island import Dns, REFUSED, SERVFAIL, down, up
from servers.origin import Origin
subprocess.run(["mount", "--bind", %r, "/etc/resolv.conf"], check=True)
Waits.BEAT = 0.1
"""


def run(code, folder):
    """Run the code on an island; fails if it does."""
    if not all(map(shutil.which, ("unshare", "mount", "ip"))) or not _may():
        pytest.skip("there may be no namespaces here")
    resolv = os.path.join(str(folder), "resolv.conf")
    with open(resolv, "w", encoding="ascii") as file:
        file.write("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    code = PRELUDE % (TESTS, os.path.dirname(TESTS), resolv) + textwrap.dedent(code)
    done = subprocess.run(["unshare", "-n", "-m", sys.executable, "-c", code], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60)
    assert done.returncode == 0, done.stdout.decode()


def _may():
    return subprocess.run(["unshare", "-n", "-m", "true"], stderr=subprocess.DEVNULL).returncode == 0


def up():
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "address", "replace", "127.0.0.1/8", "dev", "lo"], check=True)


def down():
    """Leave no way to anywhere; a link that is down would only swallow what is sent."""
    subprocess.run(["ip", "address", "flush", "dev", "lo"], check=True)


class Dns:
    """A name server: any name is 127.0.0.1, unless `error` is set to an RCODE. A context manager."""

    def __init__(self, error=0):
        self.error, self.asked = error, 0
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind(("127.0.0.1", 53))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self._sock.close()

    def _serve(self):
        while True:
            try:
                query, client = self._sock.recvfrom(2048)
                self.asked += 1
                self._sock.sendto(self._answer(query), client)
            except OSError:
                return

    def _answer(self, query):
        """The reply to a query of one question (RFC 1035, 4.1)."""
        question = query[12:query.index(b"\0", 12) + 5]
        is_a = question[-4:-2] == b"\0\1" and not self.error
        head = query[:2] + struct.pack(">HHHHH", 0x8180 | self.error, 1, int(is_a), 0, 0)
        record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + bytes([127, 0, 0, 1])
        return head + question + (record if is_a else b"")
