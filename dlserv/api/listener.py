"""Where the server listens: TCP on one address or on both families, or a unix socket; TLS.

`server.host` is an address, a name, "::" for IPv6 and IPv4 alike, or "unix:/path".
"""

import errno
import os
import socket
import stat

from ..errors import InvalidValue, MissingModule
from ..idn import to_ascii

BACKLOG = 1024      # a flood that overruns it costs every newcomer a second
UNIX = "unix:"


def listen(host, port):
    """A listening socket. Raises OSError when the address cannot be had."""
    if host.startswith(UNIX):
        return _listen_unix(host[len(UNIX):])
    family, address = _resolve(host, port)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name != "nt":     # there it would let two servers share a port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and hasattr(socket, "IPV6_V6ONLY"):
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
        sock.bind(address)
        sock.listen(BACKLOG)
        return sock
    except BaseException:
        sock.close()
        raise


def _resolve(host, port):
    try:    # as bytes: a str would be encoded by the idna codec, which small boxes lack
        found = socket.getaddrinfo(to_ascii(host).encode("ascii"), port, type=socket.SOCK_STREAM,
                                   flags=socket.AI_PASSIVE)
    except ValueError:
        raise OSError(errno.EADDRNOTAVAIL, "it is not the name of a host") from None
    return found[0][0], found[0][4]


def _listen_unix(path):
    """A unix socket that its owner and group may use; one that a dead daemon left is replaced."""
    if not hasattr(socket, "AF_UNIX"):
        raise OSError(errno.EAFNOSUPPORT, "there are no unix sockets on this system")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        sock.bind(path)
        os.chmod(path, 0o660)
        sock.listen(BACKLOG)
        return sock
    except BaseException:
        sock.close()
        raise


def _remove_stale(path):
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(errno.EEXIST, "there is a file of that name that is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def is_local(sock):
    """Whether only this machine reaches a listening socket."""
    if sock.family == getattr(socket, "AF_UNIX", None):
        return True
    address = sock.getsockname()[0]
    return address == "::1" or address.startswith(("127.", "::ffff:127."))


def forget(sock):
    """Close a listening socket; a unix socket's name goes first, while it cannot be another's."""
    if sock.family == getattr(socket, "AF_UNIX", None):
        try:
            os.unlink(sock.getsockname())
        except OSError:
            pass    # somebody else has tidied up
    sock.close()


def url_of(sock, secure, prefix):
    """How clients reach a listening socket."""
    if sock.family == getattr(socket, "AF_UNIX", None):
        return UNIX + sock.getsockname()
    host, port = sock.getsockname()[:2]
    return "%s://%s:%d%s" % ("https" if secure else "http", "[%s]" % host if ":" in host else host,
                             port, prefix)


def tls_context(certificate, key):
    """The context for these files, or None if there is no certificate. Raises InvalidValue."""
    if not certificate:
        return None
    try:
        import ssl
    except ImportError:
        raise MissingModule("server.tls_cert", "python3-openssl") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        raise InvalidValue("server.tls_cert", "%s cannot be used: %s" % (certificate, error)) from None
    return context
