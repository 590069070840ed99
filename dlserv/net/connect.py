"""From a host name to a connected Channel: resolve, then connect.

Addresses are tried in turn, each one STAGGER seconds after the one before it while that is
still trying (RFC 8305), so a broken IPv6 costs a quarter of a second and not a timeout. A
resolver that hangs cannot be interrupted; its thread is abandoned and ends by itself.
"""

import errno
import os
import selectors
import socket
import threading
import time

from ..errors import Temporary
from .channel import Channel, Signal, connection_error, wait_any

STAGGER = 0.25      # seconds from the start of one address to the start of the next


def connect(host, port, stop, timeout, permit):
    """Return a Channel to host:port. Raises Temporary, Stopped, or what `permit` raises.

    `permit(host, port, addresses)` returns the addresses that the policy allows.
    """
    addresses = permit(host, port, resolve(host, port, stop, timeout))
    return Channel(_race(addresses, stop, timeout), stop, timeout)


def resolve(host, port, stop, timeout):
    """Return socket addresses in getaddrinfo's form, IPv6 and IPv4 alternating. Raises Temporary or Stopped."""
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
    """Return what `work` returns or the exception it raises; None after `timeout` seconds."""
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
    """Return the first socket that connects, non-blocking; close the others."""
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
    """Start to connect; return (socket, 0), or (None, errno) if that fails at once."""
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
