"""Choose a safe file name from the response's head or the URL. Pure."""

import base64
import re
from urllib.parse import unquote, unquote_to_bytes

from ..units import clean, utf8_of

LONGEST = 255           # bytes of a name, on nearly all file systems
PART = ".part"
LONGEST_HEADER = 8192   # characters of a Content-Disposition that are read

_PARAMETER = re.compile(r""";\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*("(?:[^"\\]|\\.)*"?|[^;]*)""")
_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,64})\?([BbQq])\?([^?]*)\?=")
_Q_ESCAPE = re.compile(b"=([0-9A-Fa-f]{2})")
_UNSAFE = re.compile('[\x00-\x1f\x7f-\x9f<>:"/\\\\|?*'
                     '\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?=\.|$)", re.IGNORECASE)
_LONGEST_EXTENSION = 16         # characters behind its dot
_EXTENSION = re.compile(r"((?:\.tar)?\.[^.\s]{1,%d})$" % _LONGEST_EXTENSION, re.IGNORECASE)

_BY_MEDIA_TYPE = {
    "application/gzip": ".gz", "application/javascript": ".js", "application/json": ".json",
    "application/pdf": ".pdf", "application/x-bzip2": ".bz2", "application/x-tar": ".tar",
    "application/x-xz": ".xz", "application/xml": ".xml", "application/zip": ".zip",
    "audio/flac": ".flac", "audio/mpeg": ".mp3", "audio/ogg": ".ogg", "image/gif": ".gif",
    "image/jpeg": ".jpg", "image/png": ".png", "image/svg+xml": ".svg", "image/webp": ".webp",
    "text/css": ".css", "text/csv": ".csv", "text/html": ".html", "text/javascript": ".js",
    "text/plain": ".txt", "text/xml": ".xml", "video/mp4": ".mp4", "video/webm": ".webm",
    "application/octet-stream": ".bin",
}


def choose(option, disposition, url_name, host, media_type):
    """Return a safe name: the option's, else Content-Disposition's, the URL's or the host's."""
    for name in (option, disposition and from_disposition(disposition), url_name):
        if name and name.strip(". "):
            return sanitise(name)
    return sanitise(host.replace(":", "_")) + _BY_MEDIA_TYPE.get(media_type, ".html")


# -- Content-Disposition (RFC 6266) -------------------------------------------------

def from_disposition(header):
    """Return the name in a Content-Disposition header, decoded as Latin-1, or None.

    `filename*` has precedence over `filename*0…` (RFC 2231, 3), and that over `filename`.
    """
    parameters = {}
    for name, value in _PARAMETER.findall(";" + header[:LONGEST_HEADER]):
        parameters.setdefault(name.lower(), value.strip())
    names = (_extended(_unquoted(parameters.get("filename*", ""))), _continued(parameters),
             _plain(parameters.get("filename", "")))
    bases = (re.split(r"[/\\]", name or "")[-1] for name in names)      # some servers send a path
    return next(filter(None, bases), None)


def _extended(value):
    """Decode charset'language'percent-encoded (RFC 8187)."""
    parts = value.split("'", 2)
    return _decoded(unquote_to_bytes(parts[2]), parts[0]) if len(parts) == 3 else None


def _decoded(data, charset):
    try:
        return data.decode(charset or "utf-8")
    except (LookupError, UnicodeError):
        return None


def _continued(parameters):
    """Join the pieces `filename*0`, `filename*1`, … up to the first missing number.

    Those with a final "*" are percent-encoded.
    """
    pieces, charset = [], None
    while True:
        key = "filename*%d" % len(pieces)
        encoded, plain = parameters.get(key + "*"), parameters.get(key)
        if encoded is None and plain is None:
            break
        text = _unquoted(plain if encoded is None else encoded)
        if encoded is not None and not pieces:
            charset, _, text = text.split("'", 2) if text.count("'") > 1 else ("", "", text)
        pieces.append(text.encode("latin-1", "replace") if encoded is None else unquote_to_bytes(text))
    if not pieces:
        return None
    data = b"".join(pieces)
    return _plain(data.decode("latin-1")) if charset is None else _decoded(data, charset)


def _plain(value):
    """Decode a `filename`: UTF-8, encoded words or percent-encoding, all seen in practice."""
    text = utf8_of(_unquoted(value))
    if "=?" in text:
        return _encoded_words(text)
    if re.search("%[0-9A-Fa-f]{2}", text):
        try:
            return unquote(text, errors="strict")
        except UnicodeError:
            pass
    return text


def _unquoted(value):
    if value[:1] != '"':
        return value
    return re.sub(r'\\(["\\])', r"\1", value[1:-1] if value[-1:] == '"' else value[1:])


def _encoded_words(text):
    """Decode the encoded words in the text (RFC 2047); return it unchanged if one is invalid.

    Blanks between two encoded words are dropped. A character may be split between two words
    of the same charset.
    """
    pieces, end = [], 0     # [(bytes, charset), …]
    for match in _ENCODED_WORD.finditer(text):
        between, charset = text[end:match.start()], match.group(1).partition("*")[0].lower()    # RFC 2231, 5
        if not end or between.strip():
            pieces.append((between.encode("utf-8"), None))
        data = pieces.pop()[0] if pieces[-1][1] == charset else b""
        pieces.append((data + _word_bytes(*match.groups()[1:]), charset))
        end = match.end()
    decoded = [_decoded(*piece) for piece in pieces]
    return text if None in decoded else "".join(decoded) + text[end:]


def _word_bytes(encoding, encoded):
    """Return the bytes of an encoded word, b"\\xff" if it is broken."""
    try:
        if encoding in "Bb":
            return base64.b64decode(encoded + "=" * (-len(encoded) % 4))
        return _Q_ESCAPE.sub(lambda match: bytes([int(match.group(1), 16)]),
                             encoded.replace("_", " ").encode("utf-8"))
    except ValueError:
        return b"\xff"


# -- safe names ---------------------------------------------------------------------

def sanitise(name):
    """Return a name that is valid on every system: no dots or blanks at the ends, no device names,
    "_" for characters that are misread somewhere.
    """
    name = _UNSAFE.sub("_", clean(name, "_")).strip().lstrip(".").rstrip(". ")
    if _RESERVED.match(name):
        name = "_" + name
    return cut(name, LONGEST) or "download"


def split(name):
    """Return (stem, extension): ("x", ".tar.gz") for "x.tar.gz"; ".x" and "x" have no extension."""
    match = _EXTENSION.search(name, max(1, len(name) - len(".tar.") - _LONGEST_EXTENSION))
    return (name[:match.start()], match.group()) if match else (name, "")


def cut(name, most):
    """Cut the name before its extension to at most `most` bytes of UTF-8, at a character boundary."""
    return name if len(name.encode("utf-8")) <= most else _cut_before(*split(name), most=most)


def _cut_before(stem, tail, most):
    """Cut the stem; cut both as one if the tail leaves no room for it."""
    room = most - len(tail.encode("utf-8"))
    if room < 1:
        stem, tail, room = stem + tail, "", most
    return stem.encode("utf-8")[:room].decode("utf-8", "ignore").rstrip(". ") + tail


def numbered(name, number, longest=LONGEST):
    """Return "x (1).tar.gz" for number 1, the name itself for 0, in at most `longest` bytes."""
    if not number:
        return cut(name, longest)
    stem, extension = split(name)
    mark = f" ({number})"
    if len((mark + extension).encode("utf-8")) >= longest:
        extension = ""
    tail = mark + extension
    return cut(stem, longest - len(tail.encode("utf-8"))) + tail


def part_name(name, longest=LONGEST):
    """Return the part file's name, cut at the front to keep the number at the end."""
    return name.encode("utf-8")[len(PART) - longest:].decode("utf-8", "ignore") + PART
