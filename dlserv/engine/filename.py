"""What to call a file: a name from the response's head or the URL, made safe.

Pure functions on strings. Nothing here looks at a disk: whether a name is free is the
part file's business.
"""

import base64
import re
from urllib.parse import unquote, unquote_to_bytes

from ..units import clean, utf8_of

LONGEST = 255           # bytes of a name, on every file system that matters
PART = ".part"

# A Content-Disposition, in characters; no name has more to say.
LONGEST_HEADER = 8192

_PARAMETER = re.compile(r""";\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*("(?:[^"\\]|\\.)*"?|[^;]*)""")
_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,64})\?([BbQq])\?([^?]*)\?=")
_Q_ESCAPE = re.compile(b"=([0-9A-Fa-f]{2})")
_UNSAFE = re.compile('[\x00-\x1f\x7f-\x9f<>:"/\\\\|?*'
                     '\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?=\.|$)", re.IGNORECASE)
_EXTENSION = re.compile(r"((?:\.tar)?\.[^.\s]{1,16})$", re.IGNORECASE)

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
    """A safe name: the option, else Content-Disposition, the URL's, the host's."""
    for name in (option, disposition and from_disposition(disposition), url_name):
        if name and name.strip(". "):
            return sanitise(name)
    return sanitise(host.replace(":", "_")) + _BY_MEDIA_TYPE.get(media_type, ".html")


# -- Content-Disposition (RFC 6266) -------------------------------------------------

def from_disposition(header):
    """Return the name in a Content-Disposition header, or None.

    `filename*` comes before `filename*0…` (RFC 2231, 3), and that before `filename`.
    `header` is text as Latin-1 reads its bytes.
    """
    parameters = {}
    for name, value in _PARAMETER.findall(";" + header[:LONGEST_HEADER]):
        parameters.setdefault(name.lower(), value.strip())
    return (_base(_extended(_unquoted(parameters.get("filename*", ""))) or "")
            or _base(_continued(parameters) or "")
            or _base(_plain(parameters.get("filename", ""))) or None)


def _extended(value):
    """Return what charset'language'percent-encoded says (RFC 8187); None if it is not that."""
    charset, _, rest = value.partition("'")
    _, mark, encoded = rest.partition("'")
    return _decoded(unquote_to_bytes(encoded), charset) if mark else None


def _decoded(data, charset):
    try:
        return data.decode(charset or "utf-8")
    except (LookupError, UnicodeError):
        return None


def _continued(parameters):
    """Return the name that stands in pieces, `filename*0` and on; those with a final "*" are encoded.

    The first that is missing ends it. None where there is no piece, or its charset does not fit.
    """
    pieces, charset, is_extended = [], "", False
    while True:
        key = "filename*%d" % len(pieces)
        encoded, plain = parameters.get(key + "*"), parameters.get(key)
        if encoded is None and plain is None:
            break
        text = _unquoted(plain if encoded is None else encoded)
        if encoded is not None and not pieces:
            is_extended = True
            charset, _, text = text.split("'", 2) if text.count("'") > 1 else ("", "", text)
        pieces.append(text.encode("latin-1", "replace") if encoded is None else unquote_to_bytes(text))
    if not pieces:
        return None
    data = b"".join(pieces)
    return _decoded(data, charset) if is_extended else _plain(data.decode("latin-1"))


def _plain(value):
    """Return a `filename`, in whichever of the encodings seen in the wild it comes."""
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
    """Return the text with its encoded words decoded (RFC 2047); as it is if one of them cannot be.

    Only blanks between two of them are dropped, and none is added. A character may be split
    between two of one charset.
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


def _base(name):
    """The last segment: some servers send the path their file has."""
    return re.split(r"[/\\]", name)[-1]


# -- safe names ---------------------------------------------------------------------

def sanitise(name):
    """The name without anything that a file system, a shell or an eye could trip over."""
    name = _UNSAFE.sub("_", clean(name, "_")).strip().lstrip(".").rstrip(". ")
    if _RESERVED.match(name):
        name = "_" + name
    return cut(name, LONGEST) or "download"


def split(name):
    """(stem, extension): "x.tar.gz" is ("x", ".tar.gz"), ".x" and "x" have none."""
    match = _EXTENSION.search(name, 1)
    return (name[:match.start()], match.group()) if match else (name, "")


def cut(name, most):
    """Return the name in at most `most` bytes of UTF-8, cut at a character, before the extension."""
    return name if len(name.encode("utf-8")) <= most else _cut_before(*split(name), most=most)


def _cut_before(stem, tail, most):
    """Return the stem, cut, with the whole tail; or both cut where the tail leaves no room for a stem."""
    room = most - len(tail.encode("utf-8"))
    if room < 1:
        stem, tail, room = stem + tail, "", most
    return stem.encode("utf-8")[:room].decode("utf-8", "ignore").rstrip(". ") + tail


def numbered(name, number, longest=LONGEST):
    """Return "x (1).tar.gz" for 1, the name itself for 0, in at most `longest` bytes."""
    if not number:
        return cut(name, longest)
    stem, extension = split(name)
    mark = " (%d)" % number
    if len((mark + extension).encode("utf-8")) >= longest:
        extension = ""
    tail = mark + extension
    return cut(stem, longest - len(tail.encode("utf-8"))) + tail


def part_name(name, longest=LONGEST):
    """Return the name of the file until it is whole: cut at its front, for the number is at its end."""
    return name.encode("utf-8")[len(PART) - longest:].decode("utf-8", "ignore") + PART
