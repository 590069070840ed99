"""A file as a response's head describes it: its `Resource`. Pure."""

import base64
import re
from collections import namedtuple

from ..digests import DIGEST_BYTES
from ..errors import Changed, Permanent, Temporary
from ..units import parse_http_date, utf8_of

_PAGES = ("text/html", "application/xhtml+xml")
_FILES = frozenset("""7z aac apk appimage avi bin bz2 cab deb dmg doc docx epub exe flac flatpak gif
    gz img iso jar jpeg jpg lz lzma m4a m4v mkv mobi mov mp3 mp4 mpg msi odp ods odt ogg opus ova
    pdf pkg png ppt pptx qcow2 rar rpm tar tgz tif tiff torrent txz vmdk wav webm webp whl wmv xls
    xlsx xpi xz zip zst""".split())

# The first bytes of a page in ASCII, UTF-8 or UTF-16, even if they are blanks alone.
_BLANK = rb"[\s\0\xef\xbb\xbf\xff\xfe]*"
_MARKUP = re.compile(_BLANK + rb"<\0?[A-Za-z!?/]")
_UNDECIDED = re.compile(_BLANK + rb"(?:<\0?)?")
_LONGEST_BLANK = 1024

_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')      # RFC 9110, 8.8.3
_ENTITY_TAG = re.compile("(?:W/)?" + _STRONG_ETAG.pattern)
_ETAG = re.compile(r"[\x21-\x7e\x80-\xff][\x20-\x7e\x80-\xff]{0,8191}")     # as sent
_LENGTH = re.compile("[0-9]{1,18}")
_RANGES = {"bytes": True, "none": False}
# "bytes 0-99/100"; the unit may be missing or another mark follow it.
_CONTENT_RANGE = re.compile(r"(?:bytes[\s:=]*)?([0-9]{1,18})\s*-\s*([0-9]{1,18})\s*/\s*([0-9]{1,18}|\*)",
                            re.IGNORECASE)
_DIGEST = re.compile(r"([A-Za-z0-9-]+)=:?([A-Za-z0-9+/]+=*):?")


class Resource(namedtuple("Resource", "url total etag last_modified dated ranges media_type"
                                      " disposition encoding digest content_md5", defaults=(None,))):
    """Kept to tell whether the server still has the file.

    url            str, after redirects, without userinfo
    total          int bytes, or None if unknown
    etag           str as sent, even without quotes, or None
    last_modified  str as sent, or None
    dated          bool: Last-Modified is strong, i.e. older than the response (RFC 9110, 8.8.2.2)
    ranges         bool: the server serves ranges; None if unknown (RFC 9110, 14.3)
    media_type     str without parameters, lower case; "" if unknown
    disposition    str, the Content-Disposition header, or None
    encoding       str, a Content-Encoding that is decoded while the body arrives, or ""
    digest         str as "sha-256=<hex>", or None
    content_md5    str as "md5=<hex>", or None
    """

    __slots__ = ()

    @property
    def validator(self):
        """The value for If-Range (RFC 9110, 13.1.5), or None."""
        if self.etag and _STRONG_ETAG.fullmatch(self.etag):
            return self.etag
        return self.last_modified if self.last_modified and self.dated else None

    @property
    def conditions(self):
        """The request fields for a file that has changed (RFC 9110, 13.1)."""
        if self.etag and _ENTITY_TAG.fullmatch(self.etag):
            return {"If-None-Match": utf8_of(self.etag)}
        return {} if self.modified is None else {"If-Modified-Since": self.last_modified}

    @property
    def resumable(self):
        """True if the rest can be fetched later, and checked."""
        return bool(self.ranges and self.total and not self.encoding and (self.etag or self.validator))

    @property
    def modified(self):
        """Last-Modified in epoch seconds, or None."""
        return parse_http_date(self.last_modified)


def from_response(status, headers, url):
    """Return the Resource of a 200 or 206. Raise Temporary or Changed if the head contradicts itself."""
    total = content_length(headers)
    if status == 206:
        total = content_range(headers)[2]
    etag, modified = headers.get("ETag", ""), headers.get("Last-Modified")
    return Resource(
        url=str(url), total=total, etag=etag if _ETAG.fullmatch(etag) else None, last_modified=modified,
        dated=_is_dated(modified, headers.get("Date")),
        ranges=status == 206 or _RANGES.get(headers.get("Accept-Ranges", "").lower()),
        media_type=_media_type(headers),
        disposition=headers.get("Content-Disposition"),
        encoding=",".join(headers.tokens("Content-Encoding")),
        digest=strongest_digest(headers, whole=status == 200),
        content_md5=content_md5(headers) if status == 200 else None)


def _is_dated(modified, date):
    changed = parse_http_date(modified)
    return changed is not None and (not date or (parse_http_date(date) or 0) - changed >= 1)


def check_is_file(answer, name, before):
    """Raise Permanent if an answer is a web page, by its type and first bytes, and not the file.

    `name` is the file's, `before` the Resource of an earlier answer or None.
    """
    found = answer.resource
    if found.media_type not in _PAGES or found.disposition:
        return
    expected = before is not None and before.media_type or _type_of(name)
    if expected and expected not in _PAGES and _begins_like_markup(answer.stream):
        raise Permanent(f"the server sent a web page ({found.media_type}) where {expected} was expected; "
                        "the link may have expired or need a login")


def _begins_like_markup(body):
    start = b""
    with body.channel.hurried():
        while len(start) < _LONGEST_BLANK and _UNDECIDED.fullmatch(start):
            more = body.peek(len(start) + 1)
            if len(more) == len(start):
                return True
            start = more[:_LONGEST_BLANK]
    return _MARKUP.match(start) is not None or _UNDECIDED.fullmatch(start) is not None


def _type_of(name):
    """Return "a .zip file" for such an extension, or ""."""
    _, dot, extension = name.lower().rpartition(".")
    return f"a .{extension} file" if dot and extension in _FILES else ""


def content_length(headers):
    """Return the declared bytes of the body, or None. Raise Temporary if they make no sense."""
    lines = headers.get_all("Content-Length")
    if not lines or headers.tokens("Transfer-Encoding"):
        return None
    values = {value.strip() for value in ",".join(lines).split(",")}
    text = values.pop()
    if values or _LENGTH.fullmatch(text) is None:
        raise Temporary("the server sent a Content-Length that makes no sense")
    return int(text)


def content_range(headers):
    """Return (start, exclusive end, total or None) of a 206 (RFC 9110, 14.4), or raise Changed."""
    match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
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
    return headers.get("Content-Type", "").partition(";")[0].strip().lower()


def strongest_digest(headers, whole):
    """Return the strongest digest of the file, as "sha-256=<hex>", or None (RFC 9530, RFC 3230).

    Repr-Digest and Digest are always of the whole file, Content-Digest if the response is `whole`.
    """
    told = {}
    for field in ("Repr-Digest", "Digest", "Content-Digest")[:3 if whole else 2]:
        for name, value in _members(headers.get(field, "")):
            name = {"sha": "sha-1"}.get(name.lower(), name.lower())
            digest = _decoded(value, DIGEST_BYTES.get(name, 0))
            if digest:
                told.setdefault(name, digest.hex())
    strongest = max(told, key=list(DIGEST_BYTES).index, default=None)
    return strongest and f"{strongest}={told[strongest]}"


def content_md5(headers):
    """Return the Content-MD5 as "md5=<hex>", or None; it is often wrong (RFC 7231, B)."""
    digest = _decoded(headers.get("Content-MD5", ""), DIGEST_BYTES["md5"])
    return "md5=" + digest.hex() if digest else None


def _members(value):
    """Return the (name, base64) pairs of a list, without malformed ones."""
    members = [member.partition(";")[0].split()[-1:] for member in value.split(",") if "=" in member]
    matches = [_DIGEST.fullmatch(member[0]) for member in members if member]
    return [match.groups() for match in matches if match]


def _decoded(value, size):
    """Decode base64 of `size` bytes; return b"" if it is anything else."""
    if len(value) != (size + 2) // 3 * 4:
        return b""
    try:
        digest = base64.b64decode(value, validate=True)
    except ValueError:
        return b""
    return digest if len(digest) == size else b""
