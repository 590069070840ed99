"""The client at the other end of a connection: what counts as one client, and whether it is there.

Knows addresses and sockets; reads and writes nothing.
"""

import select
import socket


def network_of(address):
    """Return what counts as one client: an IPv4 address, or the first 64 bits of an IPv6 address.

    Whoever has an IPv6 address has the whole /64 (RFC 6177). A text that is no address
    counts as itself.
    """
    if address.startswith("::ffff:"):
        return address[len("::ffff:"):]
    try:
        packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    except OSError:
        return address
    return socket.inet_ntop(socket.AF_INET6, packed[:8] + bytes(8)) + "/64"


def is_loopback(address):
    """Return whether the address is this machine's own, of either family."""
    return address == "::1" or address.startswith(("127.", "::ffff:127."))


def has_hung_up(sock):
    """Return whether the peer has closed the connection; False if the system cannot tell."""
    if not hasattr(select, "POLLRDHUP"):
        return False
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    return bool(poll.poll(0))


def shut_down(sock, how):
    """Shut a socket down from any thread; TLS on it is left to the thread that uses it."""
    try:
        socket.socket.shutdown(sock, how)
    except OSError:
        pass    # it is closed already
