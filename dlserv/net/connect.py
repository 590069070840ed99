"""Resolve a host name and connect: a host and port in, a connected Channel out."""

import errno
import os
import selectors
import socket
import time
from itertools import zip_longest

from .. import sockets
from ..errors import Exhausted, Offline, Temporary
from ..threads import Thread
from .channel import Channel, Signal, wait_any
from .socket_errors import NO_NETWORK, connection_error

STAGGER = 0.25      # seconds between two addresses; else broken IPv6 costs a timeout (RFC 8305)
_NO_DNS = (socket.EAI_AGAIN, socket.EAI_FAIL)       # when no DNS server could answer
_IN_PROGRESS = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN)


def connect(host, port, stop, timeout, permit):
    """Return a Channel to host:port. Raise Temporary, Stopped, or what `permit` raises.

    `permit(host, port, addresses)` returns those that the policy allows.
    """
    addresses = permit(host, port, resolve(host, port, stop, timeout))
    return Channel(_race(addresses, stop, timeout), stop, timeout)


def resolve(host, port, stop, timeout):
    """Return addresses in getaddrinfo's form, IPv6 and IPv4 alternating.

    Raise Offline if no DNS server answers, Temporary, Exhausted or Stopped.
    """
    try:
        return _getaddrinfo(host, port, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass
    answer = _in_thread(lambda: _getaddrinfo(host, port, 0), stop, timeout)
    if answer is None:
        raise Offline(f"the name {host} was not resolved within {timeout:g} s", word="dns")
    if isinstance(answer, (OSError, UnicodeError)):
        reason = getattr(answer, "strerror", None) or answer
        family = Offline if getattr(answer, "errno", None) in _NO_DNS + NO_NETWORK else Temporary
        raise family(f"the name {host} cannot be resolved: {reason}", word="dns") from answer
    if isinstance(answer, Exception):
        raise answer
    return answer


def _getaddrinfo(host, port, flags):
    found = sockets.resolve(host, port, flags)
    first = [each for each in found if each[0] == found[0][0]]
    second = [each for each in found if each[0] != found[0][0]]
    return [each for pair in zip_longest(first, second) for each in pair if each]


def _in_thread(work, stop, timeout):
    """Return the result of `work` or its exception, or None after `timeout` seconds.

    A resolver that hangs cannot be interrupted; its thread is abandoned.
    """
    answers, ready = [], Signal()

    def run():
        try:
            answers.append(work())
        except Exception as error:
            answers.append(error)
        ready.set()

    try:
        Thread(run, "dlserv-resolve").start()
        wait_any([(ready, selectors.EVENT_READ)], stop, timeout)
        return answers[0] if answers else None
    except RuntimeError:
        raise Exhausted("threads") from None
    finally:
        ready.close()


def _race(addresses, stop, timeout):
    """Return the first socket that connects, non-blocking; close the others."""
    deadline = time.monotonic() + timeout
    waiting, codes, addresses = [], [], list(addresses)
    try:
        while waiting or addresses:
            if addresses:
                sock, code = _begin(addresses.pop(0))
                if code:
                    codes.append(code)
                    continue
                waiting.append(sock)
            left = deadline - time.monotonic()
            if left <= 0:
                break
            for sock in wait_any([(each, selectors.EVENT_WRITE) for each in waiting], stop,
                                 min(STAGGER, left) if addresses else left):
                waiting.remove(sock)
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not code:
                    return sock
                sock.close()
                codes.append(code)
    finally:
        for sock in waiting:
            sock.close()
    raise _no_connection(codes, timeout if waiting or addresses else None)


def _no_connection(codes, timeout):
    """Return the exception for addresses that failed with these errnos, others after `timeout` if given."""
    # one without a route, such as IPv6 on a machine that has none, counts only if all are so
    codes = [code for code in codes if code not in NO_NETWORK] or ([] if timeout else codes)
    if not codes:
        return Temporary(f"no connection within {timeout:g} s", word="timeout")
    cause = OSError(codes[-1], os.strerror(codes[-1]))
    error = connection_error(cause)
    error.__cause__ = cause
    return error


def _begin(address):
    """Start to connect; return (socket, 0), or (None, errno) if that fails at once."""
    family, kind, protocol, _, where = address
    if _is_unassignable(where[0]):      # else it would fail as if there were no network
        return None, errno.EINVAL
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


def _is_unassignable(address):
    # multicast, broadcast or reserved
    if ":" in address:
        return address.lower().startswith("ff")
    return int(address.partition(".")[0]) >= 224
