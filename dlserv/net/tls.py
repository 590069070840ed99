"""TLS to servers and proxies: contexts, client certificates, session resumption."""

import selectors
import sys
import threading

from ..errors import MissingModule, Permanent
from ..exhaustion import check_missing, exhaustion_in
from ..fs import check_file, refuse_password
from .socket_errors import awaited

MOST_SESSIONS = 256
IGNORE_UNEXPECTED_EOF = 0x80    # of OpenSSL 3; Python 3.8 sets it, and truncated bodies pass for whole

# By setting: how it is loaded, and why that fails.
_PEM_FILES = {"ca_file": ("load_verify_locations", {}, "it has no certificate in PEM"),
              "client_cert": ("load_cert_chain", {"password": refuse_password},
                              "it has no certificate with its key, in PEM")}


class Tls:
    """The TLS contexts and sessions of one daemon.

    `ca_file` has authorities in addition to the system's, `client_cert` a certificate and its
    key, both in PEM.
    """

    def __init__(self, ca_file=None, client_cert=None):
        self._files = ca_file, client_cert
        self._contexts, self._sessions = {}, {}
        self._lock = threading.Lock()

    def configure(self, ca_file, client_cert):
        with self._lock:
            if (ca_file, client_cert) != self._files:
                self._files = ca_file, client_cert
                self._contexts.clear()
                self._sessions.clear()

    def start(self, channel, host, verify):
        """Shake hands on the channel. Raise MissingModule, Exhausted, Permanent, Temporary or Stopped.

        TLS gets the host name without a final dot (RFC 6066, 3).
        """
        context = self._context(verify)
        channel.start_tls(context, host.rstrip("."), self._sessions.get((host, verify)))

    def remember(self, channel, host, verify):
        session = channel.sock.session if channel.secure else None
        if session is not None:
            with self._lock:
                if channel.sock.context is not self._contexts.get(verify):
                    return      # the session belongs to a context that `configure` has dropped
                self._sessions.pop((host, verify), None)
                self._sessions[host, verify] = session
                if len(self._sessions) > MOST_SESSIONS:
                    del self._sessions[next(iter(self._sessions))]

    def _context(self, verify):
        ssl = require_ssl()
        with self._lock:
            if verify not in self._contexts:
                self._contexts[verify] = self._make(ssl, verify)
            return self._contexts[verify]

    def _make(self, ssl, verify):
        context = _trusting_context(ssl) if verify else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_alpn_protocols(["http/1.1"])
        if ssl.OPENSSL_VERSION_INFO >= (3,):
            context.options &= ~IGNORE_UNEXPECTED_EOF
        ca_file, client_cert = self._files
        if not verify:
            context.check_hostname = False      # before verify_mode
            context.verify_mode = ssl.CERT_NONE
            ca_file = None
        for key, path in (("ca_file", ca_file), ("client_cert", client_cert)):
            try:
                if path:
                    load_pem(key, path, context)
            except (OSError, ValueError) as error:
                raise Permanent(f"the certificates in download.{key}, {path}, cannot be read: {error}",
                                word="tls") from error
        return context


def require_ssl():
    """Return the ssl module. Raise MissingModule if there is none, as on OpenWrt, or Exhausted."""
    try:
        import ssl
        return ssl
    except ImportError as error:
        check_missing(error)
        raise MissingModule("https", "python3-openssl") from None


def _trusting_context(ssl):
    """Return a context with the system's authorities. Raise Exhausted.

    OpenSSL left to itself says nothing if their file cannot be opened, and the context would be
    kept without them.
    """
    paths = ssl.get_default_verify_paths()
    try:
        if paths.cafile and sys.platform != "win32":
            return ssl.create_default_context(cafile=paths.cafile, capath=paths.capath)
    except OSError as error:        # the file is malformed or not for us: the folder alone counts
        exhausted = exhaustion_in(error)
        if exhausted is not None:
            raise exhausted from error
    return ssl.create_default_context()


def load_pem(key, path, context=None):
    """Load the file of the setting `key` into the context, or only check it. Raise OSError or ValueError."""
    check_file(path)
    method, arguments, reason = _PEM_FILES[key]
    try:
        ssl = require_ssl()
    except MissingModule:
        return
    try:
        getattr(context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), method)(path, **arguments)
    except ssl.SSLError as error:
        raise ValueError(reason) from error


class NestedTls:
    """A socket with TLS over another, which may have TLS itself and whose `first` bytes have been read."""

    session = None

    def __init__(self, sock, context, host, first):
        import ssl
        self._sock, self._unsent = sock, b""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._incoming.write(first)
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host.decode("ascii"))
        self.fileno, self.close = sock.fileno, sock.close

    def pending(self):
        return 1        # or more; it is not known

    def do_handshake(self):
        self._pump(self._tls.do_handshake)
        self._flush()

    def recv_into(self, view):
        return self._pump(lambda: self._tls.read(len(view), view))

    def send(self, data):
        self._flush()
        count = self._pump(lambda: self._tls.write(data))
        try:
            self._flush()
        except OSError as error:
            if not awaited(error, writing=True):        # else the rest is sent before the next data
                raise
        return count

    def _pump(self, action):
        while True:
            try:
                return action()
            except OSError as error:
                if awaited(error, writing=False) != selectors.EVENT_READ:
                    raise
                self._flush()
                data = self._sock.recv(65536)
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()

    def _flush(self):
        while self._unsent or self._outgoing.pending:
            self._unsent = self._unsent or self._outgoing.read()
            self._unsent = self._unsent[self._sock.send(self._unsent):]
