"""What to call a file: a name from the response's head or the URL, made safe.

Pure functions on strings. Nothing here looks at a disk: whether a name is free is the
part file's business.
"""

import re
from urllib.parse import unquote, unquote_to_bytes

from ..units import clean, utf8_of

LONGEST = 255           # bytes of a name, on every file system that matters
PART = ".part"

_PARAMETER = re.compile(r""";\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*("(?:[^"\\]|\\.)*"?|[^;]*)""")
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
    """The name in a Content-Disposition header, or None: `filename*` before `filename`.

    `header` is as http.client gives it: bytes read as Latin-1.
    """
    parameters = {}
    for name, value in _PARAMETER.findall(";" + header):
        parameters.setdefault(name.lower(), value.strip())
    extended = _extended(parameters.get("filename*", ""))
    return _base(extended or _plain(parameters.get("filename", ""))) or None


def _extended(value):
    """charset'language'percent-encoded (RFC 8187); None if it is not that."""
    charset, _, rest = _unquoted(value).partition("'")
    _, mark, encoded = rest.partition("'")
    try:
        return unquote_to_bytes(encoded).decode(charset or "utf-8") if mark else None
    except (LookupError, UnicodeError):
        return None


def _plain(value):
    """A `filename`, in whichever of the encodings seen in the wild it comes."""
    text = utf8_of(_unquoted(value))
    if "=?" in text:
        return _rfc2047(text)
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


def _rfc2047(text):
    from email.errors import HeaderParseError
    from email.header import decode_header, make_header
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return text


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
    """The name in at most `most` bytes of UTF-8, cut at a character, before the extension."""
    if len(name.encode("utf-8")) <= most:
        return name
    stem, extension = split(name)
    room = most - len(extension.encode("utf-8"))
    return stem.encode("utf-8")[:room].decode("utf-8", "ignore").rstrip(". ") + extension


def numbered(name, number):
    """"x (1).tar.gz" for 1; the name itself for 0."""
    if not number:
        return name
    stem, extension = split(name)
    tail = " (%d)%s" % (number, extension)
    return cut(stem, LONGEST - len(tail.encode("utf-8"))) + tail


def part_name(name):
    """What the file is called until it is whole: cut at its front, for the number is at its end."""
    return name.encode("utf-8")[len(PART) - LONGEST:].decode("utf-8", "ignore") + PART
