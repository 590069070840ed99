"""The memory that a daemon takes at rest, and that it returns to the system."""

import hashlib
import os
import ssl
import subprocess
import sys

import pytest

from forks import DLSERV
from harness import ROOT, noise, until
from servers.origin import Origin, paced

MIB = 2 ** 20
CERTIFICATE = os.path.join(ROOT, "tests", "certs", "server.pem")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells it")


def resident(process):
    """Bytes of memory that the daemon's process has."""
    with open("/proc/%d/status" % process.popen.pid) as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS"))


def libraries(process):
    with open("/proc/%d/maps" % process.popen.pid) as file:
        return {name for name in ("libssl", "libcrypto", "_ssl", "_hashlib") if name in file.read()}


@pytest.fixture
def secure():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with Origin(context=context) as server:
        yield server


def test_openssl_is_loaded_with_the_first_task_that_needs_it(process, origin, secure):
    daemon = process(command=DLSERV)
    origin.put("/a", noise(100000))
    daemon.api.reach(daemon.api.add(origin.url("/a")), "finished")
    assert libraries(daemon) == set()
    secure.put("/b", noise(100000))
    daemon.api.reach(daemon.api.add(secure.url("/b"), verify_tls=False), "finished")
    assert libraries(daemon)


def test_a_checksum_is_verified_where_openssl_came_late(process, origin):
    data = noise(100000)
    daemon = process(command=DLSERV)
    for name in ("md5", "sha-1", "sha-256", "sha-512"):
        checksum = "%s=%s" % (name, hashlib.new(name.replace("-", ""), data).hexdigest())
        origin.put("/" + name, data)
        tid = daemon.api.add(origin.url("/" + name), checksum=checksum)
        daemon.api.reach(tid, "finished")
        assert daemon.api.get("/task/tid/%s/info" % tid)["detail"]["checksum"] == checksum


def test_what_a_download_took_is_given_back(process, origin):
    daemon = process(command=DLSERV)
    daemon.api.get("/task/list")
    at_rest = resident(daemon)
    tids, data = [], noise(24 * MIB)
    for number in range(4):
        origin.put("/%d.iso" % number, data, script=[paced(16 * MIB, piece=2 ** 16)] * 8)
        tids.append(daemon.api.add(origin.url("/%d.iso" % number), connections=4))
    for tid in tids:
        daemon.api.reach(tid, "finished")
    until(lambda: resident(daemon) - at_rest < 4 * MIB)


def test_what_waits_for_its_first_use_is_not_loaded_at_rest(tmp_path):
    code = ("import sys, urllib.request\nsys.path.insert(0, %r)\nfrom dlserv import Daemon, Server\n"
            "settings = {'general': {'download_dir': %r, 'db_path': %r}, 'server': {'port': 0}}\n"
            "with Daemon(settings) as daemon, Server(daemon) as server:\n"
            "    assert urllib.request.urlopen(server.url + '/health').status == 200\n"
            "    print(*sys.modules)" % (ROOT, str(tmp_path / "downloads"), str(tmp_path / "db")))
    loaded = set(subprocess.check_output([sys.executable, "-c", code]).decode().split())
    assert {"dlserv.daemon", "dlserv.api.handler"} <= loaded
    assert not {"dlserv.engine.download", "dlserv.net.http", "dlserv.api.aria2.methods", "dlserv.api.openapi",
                "dlserv.automation.hooks", "dlserv.automation.webhooks", "dlserv.state.salvage"} & loaded
