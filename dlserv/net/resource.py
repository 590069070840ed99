"""A file as its server described it, as plain data; remote_file.py reads it from a response's head.

It is kept in the task's record, so that a later attempt can tell whether the server still
has the file that the bytes on disk came from.
"""

import re
from collections import namedtuple

from ..units import parse_http_date, utf8_of

_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')      # RFC 9110, 8.8.3
_ENTITY_TAG = re.compile("(?:W/)?" + _STRONG_ETAG.pattern)


class Resource(namedtuple("Resource", "url total etag last_modified dated ranges media_type"
                                      " disposition encoding digest content_md5", defaults=(None,))):
    """A file as its server described it.

    url            str, after redirects, without userinfo
    total          int bytes, or None if unknown
    etag           str as sent, weak ones with their W/, even one without quotes; or None
    last_modified  str as sent, or None
    dated          bool: Last-Modified is strong, i.e. older than the response (RFC 9110, 8.8.2.2)
    ranges         bool: the server is known to serve ranges, or known not to; None if
                   unknown, because the header is optional (RFC 9110, 14.3)
    media_type     str without parameters, lower case; "" if unknown
    disposition    str, the Content-Disposition header, or None
    encoding       str, a Content-Encoding that is decoded while the body arrives, or ""
    digest         str, the server's digest of the file, as "sha-256=<hex>", or None
    content_md5    str, the server's Content-MD5, as "md5=<hex>", or None; often wrong
    """

    __slots__ = ()

    @property
    def validator(self):
        """The value for If-Range (RFC 9110, 13.1.5): a strong ETag, else a strong date, else None."""
        if self.etag and _STRONG_ETAG.fullmatch(self.etag):
            return self.etag
        return self.last_modified if self.last_modified and self.dated else None

    @property
    def conditions(self):
        """The request fields that ask for the file only if it has changed (RFC 9110, 13.1.2 and 13.1.3)."""
        if self.etag and _ENTITY_TAG.fullmatch(self.etag):
            return {"If-None-Match": utf8_of(self.etag)}
        return {} if self.modified is None else {"If-Modified-Since": self.last_modified}

    @property
    def resumable(self):
        """True if the rest of the file can be fetched later and checked to be of the same file."""
        return bool(self.ranges and self.total and not self.encoding and (self.etag or self.validator))

    @property
    def modified(self):
        """Last-Modified in epoch seconds, or None."""
        return parse_http_date(self.last_modified)
