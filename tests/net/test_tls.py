"""HTTPS: what is accepted, what is refused and in which words. The certificates are nobody's."""

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from harness import noise, until
from dlserv.net.channel import Signal
from dlserv.net.connect import connect
from dlserv.net.tls import Tls
from dlserv.errors import Exhausted, Permanent, Stopped, Temporary
from servers.origin import Gate, Origin, drop, raw
from servers.proxies import HttpProxy

HERE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "certs")
CA = os.path.join(HERE, "ca.pem")
DATA = noise(3000000)


def context(name="server"):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(os.path.join(HERE, name + ".pem"))
    return made


@pytest.fixture
def secure():
    with Origin(context()) as server:
        yield server


def test_a_file_comes_over_https(secure, attempt, folder):
    secure.put("/a.iso", DATA)
    attempt(secure.url("/a.iso"), settings={"ca_file": CA}).run()
    assert (folder / "a.iso").read_bytes() == DATA


def test_a_name_in_the_certificate_is_as_good_as_an_address(secure, attempt, folder):
    secure.put("/a.iso", DATA)
    attempt(secure.url("/a.iso", host="localhost"), settings={"ca_file": CA}).run()


def test_a_final_dot_is_not_in_the_certificate(secure, attempt, folder):
    secure.put("/a.iso", DATA)
    with HttpProxy() as proxy:
        attempt(secure.url("/a.iso", host="localhost."), settings={"ca_file": CA}, proxy=proxy.url()).run()
        assert proxy.seen[0].startswith("CONNECT localhost.:")
    assert (folder / "a.iso").read_bytes() == DATA
    with Origin(context("elsewhere")) as other, HttpProxy() as proxy:
        assert "verify failed" in attempt(other.url("/a", host="localhost."), settings={"ca_file": CA},
                                          proxy=proxy.url()).fails(Permanent)


@pytest.mark.parametrize("name, reason", [
    ("self-signed", "certificate verify failed: self"),
    ("elsewhere", "certificate verify failed: IP address mismatch"),
    ("expired", "certificate verify failed: certificate has expired")])
def test_a_bad_certificate_is_final_and_told(attempt, name, reason):
    with Origin(context(name)) as server:
        server.put("/a", DATA)
        assert attempt(server.url("/a"), settings={"ca_file": CA}).fails(Permanent).startswith(reason)
        assert attempt(server.url("/a"), verify_tls=False).run()


@pytest.fixture(params=["file", "folder"])
def system_authorities(request, monkeypatch, tmp_path):
    """The test's authority as the only one of the system, in the one form or the other."""
    if request.param == "file":
        monkeypatch.setenv("SSL_CERT_FILE", CA)
        return
    openssl = shutil.which("openssl") or pytest.skip("there is no openssl to name the certificate")
    name = subprocess.check_output([openssl, "x509", "-hash", "-noout", "-in", CA]).decode().strip()
    shutil.copy(CA, str(tmp_path / (name + ".0")))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))


@contextlib.contextmanager
def no_more_files():
    """Let this process open no more files."""
    resource = pytest.importorskip("resource")
    before, free = resource.getrlimit(resource.RLIMIT_NOFILE), os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def two_channels():
    """Two Channels to a TLS server that closes nothing before the end: each file closed lets another open."""
    stop, channels, servers = Signal(), [], []

    def shake_hands(sock):
        with contextlib.suppress(OSError):
            sock.do_handshake()

    with contextlib.ExitStack() as opened, socket.create_server(("127.0.0.1", 0)) as listener:
        opened.callback(stop.close)
        port = listener.getsockname()[1]
        for _ in range(2):
            channels.append(connect("127.0.0.1", port, stop, 10, lambda *where: where[2]))
            accepted = opened.enter_context(context().wrap_socket(
                listener.accept()[0], server_side=True, do_handshake_on_connect=False))
            servers.append(threading.Thread(target=shake_hands, args=(accepted,)))
        for server in servers:
            server.start()
            opened.callback(server.join)
        for channel in channels:
            opened.callback(channel.close)
        yield channels


def test_authorities_that_cannot_be_opened_now_are_not_left_out(system_authorities):
    tls = Tls()
    with two_channels() as (early, late):
        with no_more_files(), pytest.raises(Exhausted, match="no more open files"):
            tls.start(early, "127.0.0.1", True)
        tls.start(late, "127.0.0.1", True)


def test_a_ca_file_that_is_none_is_told(secure, attempt, tmp_path):
    (tmp_path / "no.pem").write_text("nothing")
    assert "download.ca_file" in attempt(secure.url("/a"), settings={"ca_file": str(tmp_path / "no.pem")}).fails(Permanent)


def test_a_server_without_tls_is_told(attempt):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def greet():
            with listener.accept()[0] as client:
                client.sendall(b"220 this is not TLS\r\n")
                client.recv(1)
        thread = threading.Thread(target=greet)
        thread.start()
        assert "TLS" in attempt("https://127.0.0.1:%d/a" % listener.getsockname()[1]).fails(Temporary)
        thread.join()


def test_a_body_that_ends_without_a_close_is_short(secure, attempt):
    secure.put("/a", DATA, script=[drop(after=100000), raw(b"HTTP/1.1 200 OK\r\n\r\nabc")])
    attempt(secure.url("/a"), settings={"ca_file": CA}).fails(Temporary)
    assert "without a closing message" in attempt(secure.url("/a"), settings={"ca_file": CA}).fails(Temporary)


def test_a_resume_over_https_is_proven_too(secure, attempt, folder):
    secure.put("/a", DATA, script=[drop(after=1000000)])
    first = attempt(secure.url("/a"), settings={"ca_file": CA})
    first.fails(Temporary)
    done = attempt(secure.url("/a"), settings={"ca_file": CA}, kept=first.progress).run()
    assert (folder / "a").read_bytes() == DATA and done.notes == []


@pytest.fixture
def silent():
    """The URL of a server that accepts and says nothing, and its listening socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield "https://127.0.0.1:%d/a" % listener.getsockname()[1], listener


def test_a_stop_takes_effect_in_a_stuck_handshake(attempt, silent):
    url, listener = silent
    stuck = attempt(url, timeout=30)
    caught = []
    thread = threading.Thread(target=lambda: caught.append(stuck.fails(Stopped)))
    thread.start()
    with listener.accept()[0] as connection:
        assert connection.recv(1) == b"\x16"       # its hello has come
        stuck.download.stop()
        thread.join(0.25)
        assert caught == ["stopped"]


def test_a_silent_handshake_ends_after_the_timeout(attempt, silent):
    assert "did not complete its response" in attempt(silent[0], timeout=0.2).fails(Temporary)


def test_slow_records_are_written_as_they_come(secure, attempt):
    gate = Gate(after=50000)
    secure.put("/a", DATA, script=[gate])
    slow = attempt(secure.url("/a"), settings={"ca_file": CA})
    thread = threading.Thread(target=slow.run)
    thread.start()
    until(lambda: slow.download.count == 50000)
    gate.open()
    thread.join()
    assert slow.finished.identity.size == len(DATA)


def test_a_session_from_before_a_change_of_settings_is_not_kept(secure):
    """The new context would refuse it, for every connection to this host from then on."""
    tls, stop = Tls(CA), Signal()

    def shake_hands():
        channel = connect("127.0.0.1", secure.server_address[1], stop, 5, lambda host, port, found: found)
        tls.start(channel, "127.0.0.1", True)
        return channel

    old = shake_hands()
    tls.configure(CA, os.path.join(HERE, "server.pem"))
    shake_hands().close()
    secure.put("/a", b"x")
    old.sendall(b"GET /a HTTP/1.1\r\n\r\n")
    old.recv(1)     # TLS 1.3 tells the session with the first bytes
    assert old.sock.session is not None
    tls.remember(old, "127.0.0.1", True)
    old.close()
    shake_hands().close()
    stop.close()
