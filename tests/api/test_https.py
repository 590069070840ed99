"""The interface over TLS."""

import os
import shutil
import socket
import ssl

import pytest

from dlserv import Daemon, Server
from dlserv.errors import InvalidValue
from harness import until

CERTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "certs")
GET = b"GET /task/list HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def certificate(tmp_path):
    shutil.copy(os.path.join(CERTS, "server.pem"), str(tmp_path / "mine.pem"))
    return tmp_path / "mine.pem"


@pytest.fixture
def server(settings, certificate):
    settings["server"]["tls_cert"] = str(certificate)
    with Daemon(settings) as daemon, Server(daemon) as running:
        yield running


def dial(server, context=None):
    context = context or ssl.create_default_context(cafile=os.path.join(CERTS, "ca.pem"))
    sock = socket.create_connection(("127.0.0.1", server.server_address[1]), 5)
    return context.wrap_socket(sock, server_hostname="localhost")


def ask(server, context=None):
    with dial(server, context) as sock:
        sock.sendall(GET)
        return sock.recv(65536)


def answers(server):
    try:
        return ask(server).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False


def test_it_speaks_https(server):
    assert server.url.startswith("https://127.0.0.1:")
    assert ask(server).startswith(b"HTTP/1.1 200 ")


def test_connections_are_kept_and_large_replies_whole(server):
    for number in range(200):
        server.daemon.add("http://127.0.0.1:1/%d" % number, {"paused": True}, ["x" * 900] * 9)
    with dial(server) as sock:
        for _ in range(2):
            sock.sendall(GET.replace(b"list", b"list?exerpt=false"))
            data = b""
            while not data.endswith(b"}\n"):
                more = sock.recv(65536)
                assert more
                data += more
            assert len(data) > 200 * 9 * 900


def test_a_silent_client_holds_up_nobody(server):
    silent = [socket.create_connection(server.server_address[:2], 5) for _ in range(20)]
    assert ask(server).startswith(b"HTTP/1.1 200 ")
    for sock in silent:
        sock.close()
    until(lambda: not len(server.connections))


def test_silent_clients_make_room(settings, certificate):
    settings["server"].update(tls_cert=str(certificate), max_connections=4)
    with Daemon(settings) as daemon, Server(daemon) as server:
        silent = [socket.create_connection(server.server_address[:2], 5) for _ in range(4)]
        until(lambda: len(server.connections) == 4)
        until(lambda: answers(server), 5)       # before their time of 10 s is over
        for sock in silent:
            sock.close()


def test_plain_http_is_no_traceback(server, caplog):
    with socket.create_connection(server.server_address[:2], 5) as sock:
        sock.sendall(GET)
        try:
            sock.recv(100)
        except ConnectionError:
            pass
    until(lambda: not len(server.connections))
    assert "Traceback" not in caplog.text
    assert ask(server).startswith(b"HTTP/1.1 200 ")


def test_a_new_certificate_is_taken_without_a_new_start(server, certificate):
    shutil.copy(os.path.join(CERTS, "self-signed.pem"), str(certificate))
    assert ask(server)
    server.reload_certificate()
    with pytest.raises(ssl.SSLCertVerificationError):
        ask(server)
    careless = ssl.create_default_context()
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    assert ask(server, careless).startswith(b"HTTP/1.1 200 ")
    with open(os.path.join(CERTS, "server.pem"), encoding="ascii") as file:
        key, mark, _ = file.read().partition("-----BEGIN CERT")
    of_another = key + mark + certificate.read_text().partition(mark)[2]
    for data in ("nonsense", of_another):
        certificate.write_text(data)
        with pytest.raises(InvalidValue, match="server.tls_cert"):
            server.reload_certificate()
        assert ask(server, careless).startswith(b"HTTP/1.1 200 "), "the old one still counts"


@pytest.mark.parametrize("data", [None, "nonsense"])
def test_a_certificate_that_cannot_be_used_is_told(settings, tmp_path, data):
    path = tmp_path / "none.pem"
    if data:
        path.write_text(data)
    settings["server"]["tls_cert"] = str(path)
    with Daemon(settings) as daemon:
        with pytest.raises(InvalidValue, match="server.tls_cert"):
            Server(daemon)
