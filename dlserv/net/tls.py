"""TLS to servers and proxies: contexts, client certificates, session resumption."""

import sys
import threading

from ..errors import MissingModule, Permanent
from ..exhaustion import check_missing, exhaustion_in
from ..fs import check_file, refuse_password

IGNORE_UNEXPECTED_EOF = 0x80    # OpenSSL 3's flag; Python 3.8 sets it, and truncated bodies pass for whole


class Tls:
    """The TLS contexts and sessions of one daemon; contexts are created at first use.

    `ca_file` holds certificates trusted in addition to the system's, `client_cert` a client
    certificate and its key. Both are PEM files.
    """

    MOST_SESSIONS = 256

    def __init__(self, ca_file=None, client_cert=None):
        self._ca_file, self._client_cert = ca_file, client_cert
        self._contexts, self._sessions = {}, {}
        self._lock = threading.Lock()

    def configure(self, ca_file, client_cert):
        """Use these files for new connections."""
        with self._lock:
            if (ca_file, client_cert) != (self._ca_file, self._client_cert):
                self._ca_file, self._client_cert = ca_file, client_cert
                self._contexts.clear()
                self._sessions.clear()

    def start(self, channel, host, verify):
        """Shake hands on the channel. Raise MissingModule, Exhausted, Permanent, Temporary or Stopped.

        TLS gets the host name without a final dot (RFC 6066, 3).
        """
        context = self._context(verify)
        channel.start_tls(context, host.rstrip("."), self._sessions.get((host, verify)))

    def remember(self, channel, host, verify):
        """Keep the channel's session for the next connection to this host."""
        session = channel.sock.session if channel.secure else None
        if session is not None:
            with self._lock:
                if channel.sock.context is not self._contexts.get(verify):
                    return      # the session belongs to a context that `configure` has dropped
                self._sessions.pop((host, verify), None)
                self._sessions[host, verify] = session
                if len(self._sessions) > self.MOST_SESSIONS:
                    del self._sessions[next(iter(self._sessions))]

    def require(self):
        """Raise MissingModule if this Python has no TLS, Exhausted if it cannot be loaded now."""
        if _import_ssl() is None:
            raise MissingModule("https", "python3-openssl")

    def _context(self, verify):
        self.require()
        with self._lock:
            if verify not in self._contexts:
                self._contexts[verify] = self._make(verify)
            return self._contexts[verify]

    def _make(self, verify):
        ssl = _import_ssl()
        context = _trusting_context(ssl) if verify else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
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
            load(path, context)
        except (OSError, ValueError) as error:
            raise Permanent(f"the certificates in {key}, {path}, cannot be read: {error}",
                            word="tls") from error


def _import_ssl():
    """Return the module, or None if this Python has none; it is loaded where TLS is used first.

    Raise Exhausted if there is no memory for it.
    """
    try:
        import ssl
        return ssl
    except ImportError as error:    # OpenWrt without python3-openssl: everything but https works
        check_missing(error)
        return None


def _trusting_context(ssl):
    """Return a context with the system's authorities, which take some MiB. Raise Exhausted.

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


def load_authorities(path, context=None):
    """Add the certificates in a PEM file to those that the context trusts. Raise OSError or ValueError."""
    _load(path, context, "load_verify_locations", "it has no certificate in PEM")


def load_certificate(path, context=None):
    """Let the context present the certificate, with its key, in a PEM file. Raise OSError or ValueError."""
    _load(path, context, "load_cert_chain", "it has no certificate with its key, in PEM",
          password=refuse_password)


def _load(path, context, method, reason, **more):
    """Call the context's method with the file, or that of a new context to check the file only."""
    check_file(path)
    ssl = _import_ssl()
    if ssl is None:
        return
    try:
        getattr(context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), method)(path, **more)
    except ssl.SSLError as error:
        raise ValueError(reason) from error
