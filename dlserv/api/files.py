"""A finished file as a reply: whole, a range of it, or not at all because the client has it.

A downloaded file must never run as part of this site: it is an attachment, in a sandbox, of a
type that browsers only play or show.
"""

import os
import re
from urllib.parse import quote

from ..units import format_http_date, parse_http_date
from .replies import FilePart, Reply, error_reply

_RANGE = re.compile(r"bytes=\s*([0-9]{1,40})?-([0-9]{1,40})?\s*", re.IGNORECASE)
_HARMLESS = re.compile(r"(?:audio|video)/[a-z0-9.+-]+|image/(?!svg)[a-z0-9.+-]+|text/plain|application/pdf")


def file_reply(request, task, file):
    """Return the Reply with the open file of a finished task, which it closes."""
    status = os.fstat(file.fileno())
    tag = '"%s"' % (task.whole.checksum or "%x-%x" % (status.st_size, status.st_mtime_ns)).replace("=", "-")
    headers = [("ETag", tag), ("Last-Modified", format_http_date(status.st_mtime)),
               ("Accept-Ranges", "bytes"), ("Cache-Control", "private, no-cache")]
    if _is_past(request.headers, tag, status.st_mtime):
        file.close()
        return error_reply(412, "the file is not the one that If-Match or If-Unmodified-Since asks for")
    if _is_known(request.headers, tag, status.st_mtime):
        file.close()
        return Reply(304, headers)
    headers += [("Content-Type", _media_type(task)), ("Content-Disposition", _disposition(task.filename)),
                ("Content-Security-Policy", "default-src 'none'; sandbox")]
    size, wanted = status.st_size, _wanted(request, tag, status)
    if wanted is None:
        return Reply(200, headers, FilePart(file, 0, size))
    start, end = wanted
    if start >= end:
        file.close()
        return error_reply(416, f"the file has {size} bytes; this range is beyond its end",
                           [("Content-Range", f"bytes */{size}")])
    headers.append(("Content-Range", f"bytes {start}-{end - 1}/{size}"))
    return Reply(206, headers, FilePart(file, start, end - start))


def _is_past(headers, tag, modified):
    """Return whether If-Match or If-Unmodified-Since fail (RFC 9110, 13.1.1 and 13.1.4)."""
    condition = headers.get("if-match")
    if condition is not None:
        return condition.strip() != "*" and tag not in [each.strip() for each in condition.split(",")]
    since = parse_http_date(headers.get("if-unmodified-since", ""))
    return since is not None and int(modified) > since


def _is_known(headers, tag, modified):
    """Return whether If-None-Match or If-Modified-Since name this file (13.1.2 and 13.1.3)."""
    condition = headers.get("if-none-match")
    if condition is not None:
        return names_tag(condition, tag)
    since = parse_http_date(headers.get("if-modified-since", ""))
    return since is not None and int(modified) <= since


def names_tag(condition, tag):
    """Return whether an If-None-Match, or None, has this entity tag (RFC 9110, 13.1.2)."""
    tags = [each.strip().replace("W/", "", 1) for each in (condition or "").split(",")]
    return tag in tags or tags == ["*"]


def _wanted(request, tag, status):
    """Return (start, end) of the one range that is asked for, end exclusive, or None for the whole file.

    An If-Range must name this file (RFC 9110, 13.1.5), and a range is defined for GET only (14.2).
    """
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    condition = request.headers.get("if-range", tag)
    if match is None or request.method == "HEAD" or condition not in (tag, format_http_date(status.st_mtime)):
        return None
    size = status.st_size
    first, last = (part and int(part) for part in match.groups())
    if first is None:
        return None if last is None else (max(0, size - last), size if last else 0)
    if last is None:
        return first, size
    return None if last < first else (first, min(size, last + 1))


def _media_type(task):
    """Return the server's media type, or the name's, if a browser only shows or plays it."""
    found = (task.whole.resource.media_type or "").lower()
    if _HARMLESS.fullmatch(found) is None:
        import mimetypes
        found = mimetypes.guess_type(task.filename)[0] or ""
    return found if _HARMLESS.fullmatch(found) else "application/octet-stream"


def _disposition(path):
    name = path.rpartition("/")[2]
    plain = re.sub(r'[^ !#-\[\]-~]', "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
