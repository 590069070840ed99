"""The control connection of FTP: send a command, read the reply (RFC 959, 4.2).

A reply is read in time linear in its length, however the server splits it.
"""

import re
from collections import namedtuple

from ..errors import Permanent, Temporary
from .reader import Reader

LONGEST_REPLY = 2 ** 16         # bytes
LONGEST_DIALOGUE = 2 ** 20      # bytes of all replies

_LINE = re.compile(rb".*\n")
_CODE = re.compile(rb"[1-5][0-9][0-9][ \r\n-]")
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
        self.channel, self._received = channel, 0
        self.forget()

    def ask(self, line):
        """Send a command as Latin-1 and return the Reply."""
        if re.search("[\r\n\0]", line):
            raise Permanent("the URL's path cannot be sent: it holds a line end or a NUL", word="ftp")
        self.channel.sendall(line.encode("latin-1") + b"\r\n")
        return self.reply()

    def reply(self):
        with self.channel.hurried():
            lines = self._lines(_LINE, LONGEST_REPLY)
            if not _CODE.match(lines):
                raise Temporary("the server does not speak FTP", word="ftp")
            last = re.compile(rb"^%b([ \r].*)?\n" % lines[:3], re.MULTILINE)
            if not last.match(lines):
                lines += self._lines(last, LONGEST_REPLY - len(lines))
        text = lines[4:].decode("utf-8", "replace")
        return Reply(int(lines[:3]), " ".join(_CODE_OF_A_LINE.sub("\n", text).split()))

    def forget(self):
        """Discard bytes that were sent before TLS and cannot be trusted."""
        self._reader = Reader(self.channel, 8192)

    def _lines(self, last, most):
        """Return the lines up to the next one that `last` matches, at most `most` bytes."""
        try:
            lines = self._reader.read_block(most, last)
        except Temporary as error:
            raise NoReply(str(error)) from error
        self._received += len(lines)
        is_whole = last.match(lines, lines.rfind(b"\n", 0, -1) + 1)
        if self._received > LONGEST_DIALOGUE or len(lines) == most and not is_whole:
            raise Permanent("the server's reply does not end", word="ftp")
        if not is_whole:
            raise NoReply("the server closed the connection", word="network")
        return lines


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
