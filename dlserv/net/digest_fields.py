"""Digest fields of a response (RFC 9530, RFC 3230, RFC 1864). Pure."""

import base64
import re

from ..digests import DIGEST_BYTES

_MEMBER = re.compile(r"([A-Za-z0-9-]+)=:?([A-Za-z0-9+/]+=*):?")


def from_headers(headers, whole):
    """Return the strongest digest of the file in a head, as "sha-256=<hex>", or None.

    Repr-Digest and Digest are always of the whole file, Content-Digest if the response is `whole`.
    """
    told = {}
    for field in ("Repr-Digest", "Digest", "Content-Digest")[:3 if whole else 2]:
        for name, value in _members(headers.get(field)):
            name = {"sha": "sha-1"}.get(name.lower(), name.lower())
            digest = _decoded(value, DIGEST_BYTES.get(name, 0))
            if digest:
                told.setdefault(name, digest.hex())
    strongest = max(told, key=list(DIGEST_BYTES).index, default=None)
    return strongest and f"{strongest}={told[strongest]}"


def content_md5(headers):
    """Return the Content-MD5 as "md5=<hex>", or None; often wrong (RFC 7231, B)."""
    digest = _decoded(headers.get("Content-MD5", ""), DIGEST_BYTES["md5"])
    return "md5=" + digest.hex() if digest else None


def _members(value):
    """Return the (name, base64) pairs of a list, without malformed ones."""
    if value is None:
        return []
    members = [member.partition(";")[0].split()[-1:] for member in value.split(",") if "=" in member]
    matches = [_MEMBER.fullmatch(member[0]) for member in members if member]
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
