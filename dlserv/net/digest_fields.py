"""Digest fields of a response (RFC 9530, RFC 3230, RFC 1864). Pure."""

import base64
import binascii
import re

from ..digests import DIGEST_BYTES

_MEMBER = re.compile(r"\s*([A-Za-z0-9-]+)=:?([A-Za-z0-9+/]+=*):?\s*(?:,|$)")


def from_headers(headers, whole):
    """The strongest digest of the file that a response's head tells, as "sha-256=<hex>", or None.

    Repr-Digest and Digest are of the file even if the answer is a part of it; Content-Digest
    and Content-MD5 only if it is the `whole` (RFC 9530, RFC 3230, RFC 1864).
    """
    members = _MEMBER.findall(headers.get("Repr-Digest") or "") + _MEMBER.findall(headers.get("Digest") or "")
    if whole:
        members += _MEMBER.findall(headers.get("Content-Digest") or "")
        members += [("md5", (headers.get("Content-MD5") or "").strip())]
    told = {}
    for name, value in members:
        name = {"sha": "sha-1"}.get(name.lower(), name.lower())
        digest = _decoded(value)
        if len(digest) == DIGEST_BYTES.get(name):
            told.setdefault(name, digest.hex())
    return next(("%s=%s" % (name, told[name]) for name in reversed(list(DIGEST_BYTES)) if name in told), None)


def _decoded(value):
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return b""
