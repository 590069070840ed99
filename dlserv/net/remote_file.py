"""Read a file's description, its `Resource`, from a response's head. Pure."""

import re

from ..errors import Changed, Permanent, Temporary
from ..units import parse_http_date
from .digest_fields import content_md5, from_headers
from .resource import Resource

_PAGES = ("text/html", "application/xhtml+xml")
_FILES = frozenset("""7z aac apk appimage avi bin bz2 cab deb dmg doc docx epub exe flac flatpak gif
    gz img iso jar jpeg jpg lz lzma m4a m4v mkv mobi mov mp3 mp4 mpg msi odp ods odt ogg opus ova
    pdf pkg png ppt pptx qcow2 rar rpm tar tgz tif tiff torrent txz vmdk wav webm webp whl wmv xls
    xlsx xpi xz zip zst""".split())

# The first bytes of a page, in ASCII, UTF-8 or UTF-16, with or without a BOM.
_BLANK = rb"[\s\0\xef\xbb\xbf\xff\xfe]*"
_MARKUP = re.compile(_BLANK + rb"<\0?[A-Za-z!?/]")
_UNDECIDED = re.compile(_BLANK + rb"(?:<\0?)?")
_LONGEST_BLANK = 1024

_ETAG = re.compile(r"[\x21-\x7e\x80-\xff][\x20-\x7e\x80-\xff]{0,8191}")
_LENGTH = re.compile("[0-9]{1,18}")
_RANGES = {"bytes": True, "none": False}
# "bytes 0-99/100"; some servers omit the unit or follow it with another mark.
_CONTENT_RANGE = re.compile(r"(?:bytes[\s:=]*)?([0-9]{1,18})\s*-\s*([0-9]{1,18})\s*/\s*([0-9]{1,18}|\*)",
                            re.IGNORECASE)


def from_response(status, headers, url):
    """Return the Resource of a 200 or 206; `headers` is a head.Fields.

    Raise Temporary or Changed if the head contradicts itself.
    """
    total = content_length(headers)
    if status == 206:
        total = content_range(headers)[2]
    codings = [coding for coding in headers.tokens("Content-Encoding") if coding != "identity"]
    modified, date = headers.get("Last-Modified"), headers.get("Date")
    return Resource(
        url=str(url), total=total, etag=_etag(headers.get("ETag")), last_modified=modified,
        dated=_is_dated(modified, date),
        ranges=status == 206 or _RANGES.get((headers.get("Accept-Ranges") or "").strip().lower()),
        media_type=_media_type(headers),
        disposition=headers.get("Content-Disposition"),
        encoding=",".join(codings),
        digest=from_headers(headers, whole=status == 200),
        content_md5=content_md5(headers) if status == 200 else None)


def check_is_file(answer, name, before):
    """Raise Permanent if an answer that begins a file is a web page instead of the file.

    `name` is the file's name, `before` the Resource of an earlier answer or None. The media
    type alone does not decide: the body must begin like a page too.
    """
    found = answer.resource
    if found.media_type not in _PAGES or found.disposition:
        return
    expected = before is not None and before.media_type or _type_of(name)
    if expected and expected not in _PAGES and _begins_like_markup(answer.stream):
        raise Permanent(f"the server sent a web page ({found.media_type}) where {expected} was expected; "
                        "the link may have expired or need a login")


def _begins_like_markup(body):
    """Return whether the body begins with markup, after blanks and a BOM; blanks alone count as markup."""
    start = b""
    with body.channel.hurried():
        while len(start) < _LONGEST_BLANK and _UNDECIDED.fullmatch(start):
            more = body.peek(len(start) + 1)
            if len(more) == len(start):
                return True
            start = more[:_LONGEST_BLANK]
    return _MARKUP.match(start) is not None or _UNDECIDED.fullmatch(start) is not None


def _type_of(name):
    """Return the type of file that the name's extension promises, as "a .zip file", or ""."""
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    return f"a .{extension} file" if extension in _FILES else ""


def content_length(headers):
    """Return the declared bytes of the body, or None; a chunked body has no declared length.

    Raise Temporary if the field is malformed or contradicts itself.
    """
    if headers.transfer_codings:
        return None
    lines = headers.get_all("Content-Length", ())
    if not lines:
        return None
    values = {value.strip() for value in ",".join(lines).split(",")}
    text = values.pop()
    if values or _LENGTH.fullmatch(text) is None:
        raise Temporary("the server sent a Content-Length that makes no sense")
    return int(text)


def content_range(headers):
    """Return (start, end, total) of a 206, `end` exclusive, `total` None if "*" (RFC 9110, 14.4).

    Raise Changed if there is no usable Content-Range, since the position of the bytes is unknown then.
    """
    match = _CONTENT_RANGE.fullmatch((headers.get("Content-Range") or "").strip())
    if match is None:
        raise Changed("the server answered 206 without a usable Content-Range")
    first, last, total = match.groups()
    start, end = int(first), int(last) + 1
    total = None if total == "*" else int(total)
    if start >= end or (total is not None and end > total):
        raise Changed("the server's Content-Range contradicts itself")
    return start, end, total


def tells_range(headers):
    """Return whether a response says that it is a part of the file."""
    return bool(headers.get("Content-Range")) or _media_type(headers) == "multipart/byteranges"


def _media_type(headers):
    return (headers.get("Content-Type") or "").partition(";")[0].strip().lower()


def _etag(value):
    """Return the ETag as sent, well-formed or not, or None if it is too long or has control characters."""
    value = (value or "").strip()
    return value if _ETAG.fullmatch(value) else None


def _is_dated(modified, date):
    changed = parse_http_date(modified) if modified else None
    if changed is None:
        return False
    return not date or (parse_http_date(date) or 0) - changed >= 1
