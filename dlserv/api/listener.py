"""The listening socket: TCP on one address or on both families, or a unix socket; and TLS.

`server.host` is an address, a name, "::" for IPv6 and IPv4 alike, or "unix:/path".
"""

import errno
import os
import socket
import stat

from ..errors import InvalidValue, MissingModule
from ..exhaustion import check_missing
from ..fs import check_file, refuse_password
from ..idn import to_ascii
from ..sockets import resolve

BACKLOG = 1024      # a flood that overruns it costs every new client a second
UNIX = "unix:"


def listen(host, port):
    """Return a listening socket. Raise OSError if the address cannot be used."""
    if host.startswith(UNIX):
        return _listen_unix(host[len(UNIX):])
    try:
        family, _, _, _, address = resolve(to_ascii(host), port, socket.AI_PASSIVE)[0]
    except ValueError:
        raise OSError(errno.EADDRNOTAVAIL, "it is not a host name") from None
    try:
        return socket.create_server(address, family=family, backlog=BACKLOG,
                                    dualstack_ipv6=host == "::" and socket.has_dualstack_ipv6())
    except OSError as error:        # whose text repeats the address
        raise OSError(error.errno, os.strerror(error.errno)) from error


def _listen_unix(path):
    if not hasattr(socket, "AF_UNIX"):
        raise OSError(errno.EAFNOSUPPORT, "this system has no unix sockets")
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
            raise OSError(errno.EEXIST, "a file of that name exists and is not a socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def is_unix(sock):
    return sock.family == getattr(socket, "AF_UNIX", None)


def forget(sock):
    """Close a listening socket; a unix socket is unlinked before, while the name is certainly ours."""
    if is_unix(sock) and sock.fileno() >= 0:
        try:
            os.unlink(sock.getsockname())
        except OSError:
            pass    # the name is gone already
    sock.close()


def tls_context(certificate, key):
    """Return an SSLContext with these files, None without a certificate. Raise InvalidValue."""
    if not certificate:
        return None
    try:
        import ssl
    except ImportError as error:
        check_missing(error)
        raise MissingModule("server.tls_cert", "python3-openssl") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for setting, path in ("server.tls_cert", certificate), ("server.tls_key", key or certificate):
        try:
            check_file(path)
        except OSError as error:
            raise InvalidValue(setting, f"{path} cannot be used: {error.strerror}") from None
    try:
        context.load_cert_chain(certificate, key, password=refuse_password)
    except (OSError, ValueError) as error:
        raise InvalidValue("server.tls_cert", f"{certificate} cannot be used: {error}") from None
    return context
