"""The web page and its parts as replies, from the package or the zip file.

Each part is read and compressed at the first request for it. The Content-Security-Policy
lets the page load these parts only and talk to this server only, whatever a task is named.
"""

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
POLICY = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:",
    "media-src 'self'", "connect-src 'self'", "manifest-src 'self'", "base-uri 'none'",
    "form-action 'self'", "frame-ancestors 'none'"))


class Assets:
    """The parts that a server has read so far."""

    def __init__(self):
        self._read = {}     # name: (entity tag, bytes, the same packed or None)

    def _load(self, name):
        if name not in self._read:
            self._read[name] = _read(name)

    def reply(self, request):
        """Return the Reply to a GET of "/" or "/<name>"."""
        from .files import names_tag
        name = request.path.lstrip("/") or "index.html"
        self._load(name)
        tag, plain, packed = self._read[name]
        zipped = packed is not None and takes_gzip(request.headers.get("accept-encoding"))
        tag = '"%s%s"' % (tag, "-gz" if zipped else "")
        headers = [("ETag", tag), ("Cache-Control", "no-cache"), ("Vary", "Accept-Encoding"),
                   ("Content-Security-Policy", POLICY)]
        if names_tag(request.headers.get("if-none-match"), tag):
            return Reply(304, headers)
        headers.append(("Content-Type", MEDIA_TYPES[name]))
        if zipped:
            headers.append(("Content-Encoding", "gzip"))
        return Reply(200, headers, packed if zipped else plain)


def _read(name):
    package = os.path.dirname(os.path.dirname(__file__))
    plain = __loader__.get_data(os.path.join(package, "web", name))
    return sha1(plain).hexdigest(), plain, pack(plain)
