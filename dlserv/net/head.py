"""The heads of a response: status lines and fields (RFC 9112, 2 to 5).

A Reader goes in, a Head comes out, and what is left in the Reader is the body. Interim
heads are skipped (RFC 9110, 15.2). Lines may end in LF alone; a field may be folded, have
blanks before its colon or a bare CR in its value: all of that is mended as RFC 9112 allows
a client to do. A line that is no field is skipped, as curl and wget do. Where such a line
could hide how long the body is, or begins like a field that says so, the answer is
refused: no head is used as far as it was understood. Bounds are in bytes: of all heads of
one answer together, and of each field before anyone parses it.
"""

import re
from collections import namedtuple

from ..errors import Permanent, Temporary

LONGEST_HEADS = 2 ** 18     # bytes of all heads of an answer, as in browsers
LONGEST_FIELD = 2 ** 14     # bytes of a value; no field that is parsed has more to say
MOST_JUNK = 1000            # lines that are no field

# They decide which bytes the file gets: too long to be understood, the answer is refused.
DECISIVE = (b"content-length", b"transfer-encoding", b"content-range", b"content-encoding", b"location")

_STATUS = re.compile(rb"HTTP/([01])\.([0-9])[ \t]+([1-9][0-9]{2})(?:[ \t]+(.*))?", re.DOTALL)
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:([^\r\0]*)\r*")
_FRAMING = rb"[^A-Za-z\r]*(?:content-(?:length|range|encoding)|transfer-encoding)"
_FRAMING_LINE = re.compile(_FRAMING, re.IGNORECASE)
_HIDING_LINE = re.compile(rb"\A[\r\0]|\r" + _FRAMING, re.IGNORECASE)


class Fields:
    """The fields of a head by name, in any case; values are text as Latin-1 reads it."""

    def __init__(self, pairs=()):
        self._values = {}
        for name, value in pairs:
            self._values.setdefault(name.lower(), []).append(value)

    def get(self, name, default=None):
        """Return the value of the first field of this name."""
        return self._values.get(name.lower(), (default,))[0]

    def get_all(self, name, default=None):
        """Return the values of all fields of this name as a list."""
        return self._values.get(name.lower(), default)

    def tokens(self, name):
        """Return the members, in lower case, of a list that may stand in several fields."""
        members = ",".join(self.get_all(name, ())).lower().split(",")
        return [member.strip() for member in members if member.strip()]

    @property
    def transfer_codings(self):
        """What was done to the body for the way here, in order; "identity" is nothing."""
        return [coding for coding in self.tokens("Transfer-Encoding") if coding != "identity"]


class Head(namedtuple("Head", "version status reason fields")):
    """A response without its body; `version` is (1, n), `reason` the server's own phrase."""

    __slots__ = ()

    @property
    def keeps_open(self):
        """Whether the server takes another request on this connection (RFC 9112, 9.3)."""
        wishes = self.fields.tokens("Connection")
        return "close" not in wishes and (self.version >= (1, 1) or "keep-alive" in wishes)


def read_head(reader, peer="server"):
    """Return the Head of the final response of a "server" or "proxy".

    Raises Temporary if it is no whole head, Permanent if it is too long to be looked at.
    """
    left = LONGEST_HEADS
    while True:
        block = reader.read_block(left)
        if block and not block.strip(b"\r\n"):      # one stray empty line is forgiven
            block += reader.read_block(left - len(block))
        left -= len(block)
        if left <= 0:
            raise Permanent(f"the {peer} sent heads of more than {LONGEST_HEADS // 1024} KiB")
        head = _Parser(peer).parse(block)
        if head.status >= 200 or head.status == 101:
            return head


class _Parser:
    """Parses one head; `peer` is named in its errors."""

    def __init__(self, peer):
        self._peer, self._pairs = peer, []
        self._folded = {}       # {which pair: lines that go on with its value}
        self._may_fold, self._junk = False, 0

    def parse(self, block):
        """Return the Head in these lines, which an empty one ends."""
        if not block:
            raise Temporary(f"the {self._peer} closed the connection without an answer", word="network")
        lines = block.lstrip(b"\r\n").split(b"\n")
        match = _STATUS.fullmatch(lines[0].strip(b"\r \t"))
        if match is None and (lines[1:] or not lines[0]):
            raise self._not_http(lines[0])
        if len(lines) < 3 or lines[-1] or lines[-2].strip(b"\r"):
            raise Temporary(f"the {self._peer} closed the connection in the middle of its answer", word="network")
        for line in lines[1:-2]:
            self._add(line)
        major, minor, status, reason = match.groups()
        return Head((int(major), int(minor)), int(status), _text(reason or b""), self._fields())

    def _add(self, line):
        match = _FIELD.fullmatch(line)
        if match is None and (b"\r" in line or b"\0" in line):
            line = self._mended(line)
            match = _FIELD.fullmatch(line)
        if match is not None:
            self._pairs.append((match.group(1), match.group(2).strip(b" \t")))
            self._may_fold = True
        elif _FRAMING_LINE.match(line):
            raise self._not_http(line)
        elif self._may_fold and line[:1] in (b" ", b"\t"):      # obs-fold (RFC 9112, 5.2)
            self._folded.setdefault(len(self._pairs) - 1, []).append(line)
        else:
            self._skip(line)

    def _mended(self, line):
        """Return the line with its bare CRs and NULs as blanks (RFC 9112, 2.2; RFC 9110, 5.5)."""
        line = line.rstrip(b"\r")
        if _HIDING_LINE.search(line):
            raise self._not_http(line)
        return line.replace(b"\r", b" ").replace(b"\0", b" ")

    def _skip(self, line):
        self._may_fold = False
        self._junk += 1
        if self._junk > MOST_JUNK:
            raise self._not_http(line)

    def _fields(self):
        for number, lines in self._folded.items():
            name, value = self._pairs[number]
            self._pairs[number] = name, b" ".join([value] + [line.strip(b"\r \t") for line in lines])
        return Fields((_text(name), _text(value.strip(b" \t"))) for name, value in self._pairs
                      if self._is_short(name, value))

    def _is_short(self, name, value):
        if len(value) <= LONGEST_FIELD:
            return True
        if name.lower() in DECISIVE:
            raise Permanent(f"the {self._peer}'s {_text(name)} field is longer than {LONGEST_FIELD} bytes")
        return False

    def _not_http(self, line):
        return Temporary(f"the {self._peer}'s answer is not HTTP: {_text(line[:300])}")


def _text(data):
    return data.decode("latin-1")
