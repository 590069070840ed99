"""From a host name to a connected Channel: resolving, connecting, TLS.

Addresses are tried in turn, the next one starting while the last is still trying
(RFC 8305), so that a broken IPv6 costs a quarter of a second and not a timeout. A
resolver that hangs cannot be interrupted; it is left behind in a thread of its own that
ends by itself.
"""

import errno
import os
import selectors
import socket
import threading
import time

from ..errors import MissingModule, Permanent, Temporary
from ..fs import check_file
from .channel import Channel, Signal, connection_error, ssl, wait_any

IGNORE_UNEXPECTED_EOF = 0x80    # of OpenSSL 3, and on in Python 3.8: a cut body would count as whole
STAGGER = 0.25      # seconds until the next address is tried beside the last


def connect(host, port, stop, timeout, permit):
    """A Channel to host:port. Raises Temporary or Stopped.

    `permit(host, port, addresses)` gives the addresses that may be connected to.
    """
    addresses = permit(host, port, resolve(host, port, stop, timeout))
    return Channel(_race(addresses, stop, timeout), stop, timeout)


def resolve(host, port, stop, timeout):
    """Socket addresses as getaddrinfo gives them, families taking turns."""
    try:
        return _getaddrinfo(host, port, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass
    answer = _in_thread(lambda: _getaddrinfo(host, port, 0), stop, timeout)
    if answer is None:
        raise Temporary("the name %s was not resolved within %g s" % (host, timeout))
    if isinstance(answer, (OSError, UnicodeError)):
        reason = getattr(answer, "strerror", None) or answer
        raise Temporary("the name %s cannot be resolved: %s" % (host, reason))
    if isinstance(answer, Exception):
        raise answer
    return answer


def _getaddrinfo(host, port, flags):
    # As bytes: a str would be encoded by the idna codec, which small boxes lack.
    found = socket.getaddrinfo(host.encode("ascii"), port, 0, socket.SOCK_STREAM, 0, flags)
    first = [each for each in found if each[0] == found[0][0]]
    second = [each for each in found if each[0] != found[0][0]]
    mixed = [each for pair in zip(first, second) for each in pair]
    return mixed + first[len(second):] + second[len(first):]


def _in_thread(work, stop, timeout):
    """What `work` returns or raises, or None if that takes longer than `timeout`. Raises Temporary."""
    answers, ready = [], Signal()

    def run():
        try:
            answers.append(work())
        except Exception as error:
            answers.append(error)
        ready.set()

    try:
        threading.Thread(target=run, name="dlserv-resolve", daemon=True).start()
        wait_any([(ready, selectors.EVENT_READ)], stop, timeout)
        return answers[0] if answers else None
    except RuntimeError:
        raise Temporary("the system has no thread left") from None
    finally:
        ready.close()


def _race(addresses, stop, timeout):
    """The first socket that connects, non-blocking; the others are closed."""
    deadline = time.monotonic() + timeout
    waiting, error, addresses = [], None, list(addresses)
    try:
        while waiting or addresses:
            if addresses:
                sock, code = _begin(addresses.pop(0))
                if code:
                    error = OSError(code, os.strerror(code))
                    continue
                waiting.append(sock)
            left = deadline - time.monotonic()
            if left <= 0:
                break
            for sock, _ in wait_any([(each, selectors.EVENT_WRITE) for each in waiting], stop,
                                    min(STAGGER, left) if addresses else left):
                waiting.remove(sock)
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not code:
                    return sock
                sock.close()
                error = OSError(code, os.strerror(code))
    finally:
        for sock in waiting:
            sock.close()
    if error is None:
        raise Temporary("no connection within %g s" % timeout)
    raise connection_error(error) from error


_IN_PROGRESS = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN)


def _begin(address):
    """(a socket that is connecting, 0), or (None, errno)."""
    family, kind, protocol, _, where = address
    try:
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        return None, error.errno
    sock.setblocking(False)
    code = sock.connect_ex(where)
    if code not in _IN_PROGRESS:
        sock.close()
        return None, code
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock, 0


def load_authorities(path, context=None):
    """Add the certificates in a PEM file to those that the context trusts. Raises OSError or ValueError."""
    if ssl is None:
        return
    try:
        (context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)).load_verify_locations(path)
    except ssl.SSLError as error:
        raise ValueError("it has no certificate in PEM") from error


def load_certificate(path, context=None):
    """Let the context show the certificate, with its key, in a PEM file. Raises OSError or ValueError."""
    if ssl is None:
        return
    try:
        (context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)).load_cert_chain(path, password=_refuse_password)
    except ssl.SSLError as error:
        raise ValueError("it has no certificate with its key, in PEM") from error


def _refuse_password():
    """Keep OpenSSL from asking for a passphrase on the terminal."""
    raise ValueError("the key is encrypted; store it without a passphrase")


class Tls:
    """TLS for all connections of a daemon: contexts made when first needed, sessions reused.

    `ca_file` holds certificates to trust besides the system's, `client_cert` a certificate
    to show with its key, both in PEM.
    """

    MOST_SESSIONS = 256

    def __init__(self, ca_file=None, client_cert=None):
        self._ca_file, self._client_cert = ca_file, client_cert
        self._contexts, self._sessions = {}, {}
        self._lock = threading.Lock()

    def configure(self, ca_file, client_cert):
        """Take these for connections from now on."""
        with self._lock:
            if (ca_file, client_cert) != (self._ca_file, self._client_cert):
                self._ca_file, self._client_cert = ca_file, client_cert
                self._contexts.clear()
                self._sessions.clear()

    def start(self, channel, host, verify):
        """Shake hands on the channel. Raises MissingModule, Permanent, Temporary or Stopped."""
        context = self._context(verify)
        channel.start_tls(context, host, self._sessions.get((host, verify)))

    def remember(self, channel, host, verify):
        """Keep the channel's session for the next one to this host."""
        session = channel.sock.session if channel.secure else None
        if session is not None:
            with self._lock:
                if channel.sock.context is not self._contexts.get(verify):
                    return      # configured anew meanwhile, and of no use any more
                self._sessions.pop((host, verify), None)
                self._sessions[host, verify] = session
                if len(self._sessions) > self.MOST_SESSIONS:
                    del self._sessions[next(iter(self._sessions))]

    def require(self):
        """Raises MissingModule where this Python has no TLS."""
        if ssl is None:
            raise MissingModule("https", "python3-openssl")

    def _context(self, verify):
        self.require()
        with self._lock:
            if verify not in self._contexts:
                self._contexts[verify] = self._make(verify)
            return self._contexts[verify]

    def _make(self, verify):
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        if ssl.OPENSSL_VERSION_INFO >= (3,):
            context.options &= ~IGNORE_UNEXPECTED_EOF
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif self._ca_file:
            self._load(load_authorities, self._ca_file, context, "download.ca_file")
        if self._client_cert:
            self._load(load_certificate, self._client_cert, context, "download.client_cert")
        return context

    def _load(self, load, path, context, key):
        try:
            check_file(path)
            load(path, context)
        except (OSError, ValueError) as error:
            raise Permanent("the certificates in %s, %s, cannot be read: %s" % (key, path, error)) from error
