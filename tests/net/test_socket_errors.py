"""What an error of a socket means: a wait, or one of our exceptions and its word."""

import errno
import os
import selectors
import ssl

import pytest

from dlserv.errors import Offline, Permanent, Temporary, WrongClock
from dlserv.net.socket_errors import awaited, connection_error
from harness import noise
from net.test_tls import CA, context
from servers.origin import Origin

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


@pytest.mark.parametrize("error, reading, writing", [
    (BlockingIOError(), READ, WRITE), (InterruptedError(), READ, WRITE), (ssl.SSLWantReadError(), READ, READ),
    (ssl.SSLWantWriteError(), WRITE, WRITE), (ssl.SSLError(), 0, 0), (ConnectionResetError(), 0, 0)])
def test_an_error_that_asks_for_a_wait_says_for_what(error, reading, writing):
    assert (awaited(error, writing=False), awaited(error, writing=True)) == (reading, writing)


def coded(code):
    return OSError(code, os.strerror(code))


def unverified(code):
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = code, "bad"
    return error


@pytest.mark.parametrize("error, kind, word, sentence", [
    (coded(errno.ECONNREFUSED), Temporary, "refused", "the connection was refused"),
    (coded(errno.ECONNRESET), Temporary, "network", "the connection was reset"),
    (coded(errno.EPIPE), Temporary, "network", "the connection was reset"),
    (coded(errno.ENETUNREACH), Offline, "network", "the connection failed: Network is unreachable"),
    (coded(errno.EIO), Temporary, "network", "the connection failed: "),
    (ssl.SSLEOFError(), Temporary, "tls", "the TLS connection was closed without a closing message"),
    (ssl.SSLError(1, "WRONG_VERSION_NUMBER"), Temporary, "tls", "the TLS connection failed: "),
    (unverified(10), Permanent, "tls", "certificate verify failed: bad"),
    (unverified(20), Permanent, "tls", "certificate verify failed: bad; are the CA certificates installed"),
    (unverified(9), WrongClock, "clock", "the certificate is not valid yet: this machine's clock says ")])
def test_an_error_becomes_ours_with_its_word(error, kind, word, sentence):
    ours = connection_error(error)
    assert type(ours) is kind and ours.word == word and str(ours).startswith(sentence)


def test_a_port_that_is_closed_is_temporary(attempt):
    assert attempt("http://127.0.0.1:1/a").fails(Temporary) == "the connection was refused"


def test_an_unknown_issuer_hints_at_the_package(attempt):
    with Origin(context()) as server:
        server.put("/a", noise(10))
        assert "ca-certificates" in attempt(server.url("/a")).fails(Permanent)
        attempt(server.url("/a"), settings={"ca_file": CA}).run()
