"""The web page and its parts as replies, from the package or the zip file."""

import os

from ..contract import sha1
from .coding import pack, takes_gzip
from .replies import Reply

MODULES = ("app", "adding", "daemon", "details", "dialogs", "dom", "list", "tasks")
MEDIA_TYPES = dict({
    "index.html": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "manifest.webmanifest": "application/manifest+json",
}, **{name + ".js": "text/javascript; charset=utf-8" for name in MODULES})
# The page loads these parts and talks to this server only.
POLICY = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:",
    "media-src 'self'", "connect-src 'self'", "manifest-src 'self'", "base-uri 'none'",
    "form-action 'self'", "frame-ancestors 'none'"))


class Assets:
    """The parts, each read and compressed at the first request for it."""

    def __init__(self):
        self._read = {}     # name: (entity tag, bytes, the same packed or None)

    def reply(self, request):
        from .files import names_tag
        name = request.path.lstrip("/") or "index.html"
        if name not in self._read:
            plain = __loader__.get_data(os.path.join(os.path.dirname(os.path.dirname(__file__)), "web", name))
            self._read[name] = sha1(plain).hexdigest(), plain, pack(plain)
        tag, body, packed = self._read[name]
        fields = [("Content-Type", MEDIA_TYPES[name])]
        if packed is not None and takes_gzip(request.headers.get("accept-encoding")):
            tag, body = tag + "-gz", packed
            fields.append(("Content-Encoding", "gzip"))
        tag = f'"{tag}"'
        headers = [("ETag", tag), ("Cache-Control", "no-cache"), ("Vary", "Accept-Encoding"),
                   ("Content-Security-Policy", POLICY)]
        if names_tag(request.headers.get("if-none-match"), tag):
            return Reply(304, headers)
        return Reply(200, headers + fields, body)
