"""openurl: the address of the daemon's web page."""

import os
import shutil
import socket
import subprocess
import sys
from urllib.parse import urlsplit, urlunsplit

from ..errors import LocalError, Refused


def openurl(client, options, terminals):
    """Print the page's address; with a terminal and a desktop, open it too."""
    if not client.url.startswith(("http://", "https://")):
        raise LocalError(f"the daemon listens on {client.url}, which no browser can open; "
                         "put a reverse proxy in front of it or let it listen on a port")
    try:
        client.get("/health")
    except Refused:
        pass        # it is there, and the page says what ails it
    address = _by_name(client.url).rstrip("/") + "/"
    terminals[0].write(address)
    if terminals[0].is_terminal and not options.print_only:
        _open(address)
    return 0


def _by_name(url):
    """Put this machine's name in the place of an address that means every address."""
    parts = urlsplit(url)
    if parts.hostname not in ("0.0.0.0", "::"):
        return url
    return urlunsplit(parts._replace(netloc=f"{socket.gethostname()}:{parts.port}"))


def _open(address):
    """Hand the address to the desktop, if there is one; do not wait for the browser."""
    if hasattr(os, "startfile"):        # Windows
        os.startfile(address)
        return
    has_desktop = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    opener = shutil.which("open" if sys.platform == "darwin" else "xdg-open" if has_desktop else "")
    if opener:
        subprocess.Popen([opener, address], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL, start_new_session=True)
