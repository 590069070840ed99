"""The control connection of FTP: send a command, read the reply (RFC 959, 4.2).

A reply is read in time linear in its length, however the server splits it.
"""

import re
from collections import namedtuple

from ..errors import Permanent, Temporary

LONGEST_REPLY = 2 ** 16         # bytes
LONGEST_DIALOGUE = 2 ** 20      # bytes of all replies

_LINE_END = re.compile(rb"\n")
_CODE = re.compile(rb"[1-5][0-9][0-9](?:[ -]|\r?\Z)")
_CODE_OF_A_LINE = re.compile(r"\n[1-5][0-9][0-9][ -]")
# Bounded repeats keep a search linear.
_PASSIVE = re.compile(r"(?<![0-9])(?:[0-9]{1,3},){4}([0-9]{1,3}),([0-9]{1,3})(?![0-9])")
_EXTENDED = re.compile(r"\(([!-~])\1\1([0-9]{1,5})\1\)")


class NoReply(Temporary):
    """The server does not reply or has closed the connection."""


class Reply(namedtuple("Reply", "code text")):
    """`code` is an int, `text` all lines without their codes, joined to one."""

    __slots__ = ()

    def __str__(self):
        return f"{self.code} {self.text}".rstrip()


class Control:
    """Commands and replies over a Channel. Raise Stopped, Temporary, Permanent."""

    def __init__(self, channel):
        self.channel = channel
        self._buffer, self._received = bytearray(), 0

    def ask(self, line):
        """Send a command as Latin-1 and return the Reply."""
        if re.search("[\r\n\0]", line):
            raise Permanent("the URL's path cannot be sent: it holds a line end or a NUL", word="ftp")
        self.channel.sendall(line.encode("latin-1") + b"\r\n")
        return self.reply()

    def reply(self):
        with self.channel.hurried():
            end = self._find(_LINE_END, 0)
            code = bytes(self._buffer[:3])
            if not _CODE.match(self._buffer[:min(end, 4)]):
                raise Temporary("the server does not speak FTP", word="ftp")
            if self._buffer[3:4] == b"-":
                last_line = self._find(re.compile(rb"\n%s(?=[ \r\n])" % code), end)
                end = self._find(_LINE_END, last_line + 1)
        lines = bytes(self._buffer[4:end]).decode("utf-8", "replace")
        del self._buffer[:end + 1]
        return Reply(int(code), " ".join(_CODE_OF_A_LINE.sub("\n", lines).split()))

    def forget(self):
        """Discard bytes that were sent before TLS and cannot be trusted."""
        self._buffer.clear()

    def _find(self, pattern, start):
        """Wait for a match of at most five bytes from `start` on; return its position."""
        while True:
            match = pattern.search(self._buffer, start)
            if match is not None:
                return match.start()
            start = max(start, len(self._buffer) - 4)
            self._receive()

    def _receive(self):
        if len(self._buffer) >= LONGEST_REPLY or self._received >= LONGEST_DIALOGUE:
            raise Permanent("the server's reply does not end", word="ftp")
        try:
            data = self.channel.recv(8192)
        except Temporary as error:
            raise NoReply(str(error)) from error
        if not data:
            raise NoReply("the server closed the connection", word="network")
        self._received += len(data)
        self._buffer += data


def passive_port(reply):
    """Return the port in a reply to PASV, or None (RFC 1123, 4.1.2.6)."""
    match = _PASSIVE.search(reply.text) if reply.code == 227 else None
    high, low = map(int, match.groups()) if match else (0, 0)
    return _port(256 * high + low) if low < 256 else None


def extended_port(reply):
    """Return the port in a reply to EPSV, or None (RFC 2428, 3)."""
    match = _EXTENDED.search(reply.text) if reply.code == 229 else None
    return _port(int(match.group(2))) if match else None


def _port(number):
    return number if 0 < number < 65536 else None
