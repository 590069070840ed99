"""Metalink files (RFC 5854, and version 3): which files there are, and the servers and hashes of each.

Bounded, and without a DTD, which could define entities that grow or that fetch something.
"""

import re
from collections import namedtuple

from ..digests import DIGEST_BYTES, digest_name
from ..errors import InvalidValue, MissingModule
from ..exhaustion import check_missing
from ..urls import SCHEMES

LARGEST = 10 * 2 ** 20      # bytes
MOST_FILES = 20000
DEEPEST = 16                # elements within one another
LAST = 999999               # the priority of a URL that has none


class File(namedtuple("File", "name urls checksum")):
    """`name` may have folders, `urls` are sorted, the best first, `checksum` is "sha-256=…" or ""."""

    __slots__ = ()


def read(text, name, key):
    """Return the Files. Raise InvalidValue, of `key`, and MissingModule."""
    try:
        return _read(text)
    except ValueError as error:
        raise InvalidValue(key, f"{name} {error}") from None


def _read(text):
    if len(text) > LARGEST:
        raise ValueError("is larger than %d bytes" % LARGEST)
    if re.search("<!(?:DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise ValueError("has a document type definition, which is not read")
    reader = _Reader()
    _parse(text, reader)
    if reader.root != "metalink":
        raise ValueError("is neither a list of URLs nor a Metalink")
    if not 0 < len(reader.files) <= MOST_FILES:
        raise ValueError("has %d files; 1 to %d can be read" % (len(reader.files), MOST_FILES))
    return reader.files


def _parse(text, reader):
    try:
        from xml.parsers import expat
    except ImportError as error:
        check_missing(error)
        raise MissingModule("Metalink", "python3-xml") from None
    parser = expat.ParserCreate("utf-8", " ")
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler, parser.buffer_text = reader.text, True
    try:
        parser.Parse(text.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        raise ValueError("is not well-formed: %s" % error) from None


class _Reader:
    """Takes the elements in, but none of other namespaces or of pieces."""

    def __init__(self):
        self.root, self.files = None, []
        self._path, self._attributes, self._text = [], {}, []
        self._name, self._urls, self._hashes = "", [], {}

    def start(self, name, attributes):
        if len(self._path) == DEEPEST:
            raise ValueError("is nested deeper than %d elements" % DEEPEST)
        name = name.rpartition(" ")[2]
        self.root = self.root or name
        self._path.append(name)
        self._attributes, self._text = attributes, []
        if name == "file":
            self._name, self._urls, self._hashes = attributes.get("name", ""), [], {}

    def text(self, data):
        self._text.append(data)

    def end(self, name):
        name, text = self._path.pop(), "".join(self._text).strip()
        self._text = []
        inside = [each for each in self._path if each not in ("files", "resources", "verification")]
        if inside == ["metalink"] and name == "file":
            best_first = sorted(self._urls, key=lambda each: each[0])
            self.files.append(File(self._name, [url for _, url in best_first], self._strongest()))
        elif inside == ["metalink", "file"] and name == "url":
            self._take_url(text)
        elif inside == ["metalink", "file"] and name == "hash":
            self._hashes[digest_name(self._attributes.get("type", ""))] = text

    def _take_url(self, url):
        """Take a URL with its rank: the priority, 1 first, or version 3's preference, 100 first."""
        known, preference = (self._attributes.get(name, "") for name in ("priority", "preference"))
        rank = int(known) if re.fullmatch("[0-9]{1,6}", known) else \
            101 - int(preference) if re.fullmatch("[0-9]{1,3}", preference) else LAST
        if url.partition("://")[0].lower() in SCHEMES:
            self._urls.append((rank, url))

    def _strongest(self):
        best = max(set(self._hashes) & set(DIGEST_BYTES), key=DIGEST_BYTES.get, default=None)
        return "%s=%s" % (best, self._hashes[best]) if best else ""
