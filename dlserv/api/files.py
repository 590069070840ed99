"""A finished file as a reply: whole, a range of it, or not at all because the client has it.

Conditions and ranges follow RFC 9110, sections 13 and 14. A file from the net is never
run as part of this site: it is offered for saving, of a type that browsers only play or
show, and sandboxed besides.
"""

import os
import re
from urllib.parse import quote

from ..units import format_http_date, parse_http_date
from .replies import FilePart, Reply, error_reply

_RANGE = re.compile(r"bytes=\s*([0-9]{1,40})?-([0-9]{1,40})?\s*", re.IGNORECASE)
_HARMLESS = re.compile(r"(?:audio|video)/[a-z0-9.+-]+|image/(?!svg)[a-z0-9.+-]+|text/plain|application/pdf")


def file_reply(request, task, file):
    """The Reply with the open file of the finished task, which the reply owns."""
    status = os.fstat(file.fileno())
    tag = '"%s"' % (task.file.checksum or "%x-%x" % (status.st_size, status.st_mtime_ns)).replace("=", "-")
    headers = [("ETag", tag), ("Last-Modified", format_http_date(status.st_mtime)),
               ("Accept-Ranges", "bytes"), ("Cache-Control", "private, no-cache")]
    if _is_past(request.headers, tag, status.st_mtime):
        file.close()
        return error_reply(412, "the file is not the one that was asked for")
    if _is_known(request.headers, tag, status.st_mtime):
        file.close()
        return Reply(304, headers)
    headers += [("Content-Type", _media_type(task)), ("Content-Disposition", _disposition(task.filename)),
                ("Content-Security-Policy", "default-src 'none'; sandbox")]
    if request.method == "HEAD":        # ranges are GET's alone (RFC 9110, 14.2)
        return Reply(200, headers, FilePart(file, 0, status.st_size))
    return _ranged(request.headers, file, status, tag, headers)


def _is_past(headers, tag, modified):
    """Whether If-Match or If-Unmodified-Since ask for another file (RFC 9110, 13.1.1 and 13.1.4)."""
    told = headers.get("if-match")
    if told is not None:
        return told.strip() != "*" and tag not in [each.strip() for each in told.split(",")]
    since = parse_http_date(headers.get("if-unmodified-since", ""))
    return since is not None and int(modified) > since


def _is_known(headers, tag, modified):
    told = headers.get("if-none-match")
    if told is not None:
        return names_tag(told, tag)
    since = parse_http_date(headers.get("if-modified-since", ""))
    return since is not None and int(modified) <= since


def names_tag(told, tag):
    """Whether an If-None-Match names this entity tag; compared weakly (RFC 9110, 13.1.2)."""
    return (told or "").strip() == "*" or tag in (each.strip().replace("W/", "", 1)
                                                  for each in (told or "").split(","))


def _ranged(headers, file, status, tag, fields):
    size = status.st_size
    wanted = headers.get("range")
    if wanted is None or not _range_counts(headers.get("if-range"), tag, status.st_mtime):
        return Reply(200, fields, FilePart(file, 0, size))
    match = _RANGE.fullmatch(wanted)
    start, end = _bounds(match, size) if match else (None, None)
    if start is None:
        return Reply(200, fields, FilePart(file, 0, size))      # several ranges, or none that makes sense
    if start >= end:
        file.close()
        return error_reply(416, "the file has %d bytes; this range is beyond them" % size,
                           [("Content-Range", "bytes */%d" % size)])
    fields.append(("Content-Range", "bytes %d-%d/%d" % (start, end - 1, size)))
    return Reply(206, fields, FilePart(file, start, end - start))


def _range_counts(condition, tag, modified):
    """Whether If-Range, if there is one, names the file as it is (RFC 9110, 13.1.5)."""
    if condition is None:
        return True
    if condition.startswith('"'):
        return condition == tag
    return condition == format_http_date(modified)


def _bounds(match, size):
    """[start, end) of what was asked for; (None, None) if that makes no sense (RFC 9110, 14.1.2)."""
    first, last = (part and int(part) for part in match.groups())
    if first is None:
        return (None, None) if last is None else (max(0, size - last), size if last else 0)
    if last is not None and last < first:
        return None, None
    return first, size if last is None else min(size, last + 1)


def _media_type(task):
    """What the server said or the name says, if a browser only shows or plays that."""
    told = (task.file.resource.media_type or "").lower()
    if _HARMLESS.fullmatch(told) is None:
        import mimetypes
        told = mimetypes.guess_type(task.filename)[0] or ""
    return told if _HARMLESS.fullmatch(told) else "application/octet-stream"


def _disposition(path):
    """A name to save under (RFC 6266), in ASCII for old clients and in full."""
    name = path.rpartition("/")[2]
    plain = re.sub(r'[^ !#-\[\]-~]', "_", name)
    return "attachment; filename=\"%s\"; filename*=UTF-8''%s" % (plain, quote(name, safe=""))
