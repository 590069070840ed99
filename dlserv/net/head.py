"""Parse the heads of a response (RFC 9112, 2 to 5), and write those of requests.

A Reader goes in, a Head comes out, and the Reader is left at the body. Lines may end in LF
alone; a field may be folded, have blanks before its colon or a bare CR in its value. A line
that is not a field is skipped, as in curl and wget, unless it could hide the length of the
body or begins like a field that states it: then the response is refused.
"""

import re
from collections import namedtuple

from ..errors import Permanent, Temporary

LONGEST_HEADS = 2 ** 18     # bytes of all heads of a response, as in browsers
LONGEST_FIELD = 2 ** 14     # bytes of a value; longer fields are dropped
MOST_JUNK = 1000            # lines that are not fields

# The response is refused if one of these is too long.
DECISIVE = (b"content-length", b"transfer-encoding", b"content-range", b"content-encoding", b"location")

_STATUS = re.compile(rb"HTTP/([01])\.([0-9])[ \t]+([1-9][0-9]{2})(?:[ \t]+(.*))?", re.DOTALL)
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:([^\r\0]*)\r*")
# A head as nearly all servers send it, with nothing folded or to repair.
_USUAL = re.compile(rb"HTTP/1\.[01] [1-9][0-9]{2}(?: [^\r\n\0]*)?\r\n"
                    rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*\r\n)*\r\n")
_USUAL_FIELD = re.compile(r"\n([^:\r]+):[ \t]*([^\r]*)")
_BREAKING = re.compile("[\r\n\0]")
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_FRAMING = rb"[^A-Za-z\r]*(?:content-(?:length|range|encoding)|transfer-encoding)"
_FRAMING_LINE = re.compile(_FRAMING, re.IGNORECASE)
_HIDING_LINE = re.compile(rb"\A[\r\0]|\r" + _FRAMING, re.IGNORECASE)


class Fields:
    """The fields of a head by case-insensitive name, decoded as Latin-1."""

    def __init__(self, pairs=()):
        self._values = {}
        for name, value in pairs:
            self._values.setdefault(name.lower(), []).append(value)

    def get(self, name, default=None):
        return self._values.get(name.lower(), (default,))[0]

    def get_all(self, name):
        return self._values.get(name.lower(), ())

    def tokens(self, name):
        """Return the members of these fields in lower case, without the coding "identity"."""
        values = self._values.get(name.lower())
        if values is None:
            return []
        members = map(str.strip, ",".join(values).lower().split(","))
        return [member for member in members if member not in ("", "identity")]


class Head(namedtuple("Head", "version status reason fields")):
    """A response without its body; `version` is (1, n), `reason` the server's phrase."""

    __slots__ = ()

    @property
    def keeps_open(self):
        """True if the connection takes another request (RFC 9112, 9.3)."""
        wishes = self.fields.tokens("Connection")
        return "close" not in wishes and (self.version >= (1, 1) or "keep-alive" in wishes)


def read_head(reader, peer="server"):
    """Return the Head of the final response (RFC 9110, 15.2) of a "server" or "proxy".

    Raise Temporary if it is incomplete or malformed, Permanent if it is too long.
    """
    left = LONGEST_HEADS
    while True:
        block = reader.read_block(left)
        if block and not block.strip(b"\r\n"):      # one stray empty line is forgiven
            block += reader.read_block(left - len(block))
        left -= len(block)
        if left <= 0:
            raise Permanent(f"the {peer} sent heads of more than {LONGEST_HEADS // 1024} KiB")
        head = _usual(block) or _Parser(peer).parse(block)
        if head.status >= 200 or head.status == 101:
            return head


def _usual(block):
    if len(block) > LONGEST_FIELD or _USUAL.fullmatch(block) is None:
        return None
    text = block.decode("latin-1")
    reason = text[13:text.index("\r")].strip(" \t")
    return Head((1, int(text[7])), int(text[9:12]), reason,
                Fields([(name, value.rstrip(" \t")) for name, value in _USUAL_FIELD.findall(text)]))


class _Parser:
    """Parses a head in any form."""

    def __init__(self, peer):
        self._peer, self._pairs = peer, []      # (name, [value, lines that continue it …])
        self._may_fold, self._junk = False, 0

    def parse(self, block):
        if not block:
            raise Temporary(f"the {self._peer} closed the connection without an answer", word="network")
        lines = block.lstrip(b"\r\n").split(b"\n")
        match = _STATUS.fullmatch(lines[0].strip(b"\r \t"))
        if match is None and (lines[1:] or not lines[0]):
            raise self._not_http(lines[0])
        if len(lines) < 3 or lines[-1] or lines[-2].strip(b"\r"):
            raise Temporary(f"the {self._peer} closed the connection in the middle of its answer",
                            word="network")
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
            self._pairs.append((match.group(1), [match.group(2).strip(b" \t")]))
            self._may_fold = True
        elif _FRAMING_LINE.match(line):
            raise self._not_http(line)
        elif self._may_fold and line[:1] in (b" ", b"\t"):      # obs-fold (RFC 9112, 5.2)
            self._pairs[-1][1].append(line.strip(b"\r \t"))
        else:
            self._skip(line)

    def _mended(self, line):
        """Replace bare CRs and NULs by blanks (RFC 9112, 2.2; RFC 9110, 5.5)."""
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
        pairs = ((name, b" ".join(parts).strip(b" \t")) for name, parts in self._pairs)
        return Fields([(_text(name), _text(value)) for name, value in pairs
                       if len(value) <= LONGEST_FIELD or self._drop(name)])

    def _drop(self, name):
        """Return False to drop a field that is too long. Raise Permanent if it is decisive."""
        if name.lower() in DECISIVE:
            raise Permanent(f"the {self._peer}'s {_text(name)} field is longer than {LONGEST_FIELD} bytes")
        return False

    def _not_http(self, line):
        return Temporary(f"the {self._peer}'s answer is not HTTP: {_text(line[:300])}")


def _text(data):
    return data.decode("latin-1")


def encode_head(method, target, headers):
    """Return the head of a request as bytes. Raise Permanent for a line end or NUL in a header."""
    if _BREAKING.search("".join(headers) + "".join(headers.values())):
        name = next(name for name, value in headers.items() if _BREAKING.search(name + value))
        raise Permanent(f"the request's {name} header has a line end in it; change the task's options")
    lines = [f"{method} {target} HTTP/1.1"] + [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


def unescaped(quoted):
    """Return what a quoted string holds (RFC 9110, 5.6.4)."""
    return "".join(_QUOTED_PAIR.split(quoted))
