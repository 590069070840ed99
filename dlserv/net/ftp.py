"""FTP and FTPS: the same `open` as over HTTP, on ftplib.

Passive (EPSV, else PASV, always to the server's own address), binary, REST for ranges,
SIZE for the length, MDTM as the validator. ftps:// is explicit TLS (RFC 4217), or
implicit on port 990, for control and data alike.
"""

import ftplib
import re
import time
from calendar import timegm
from email.utils import formatdate
from urllib.parse import unquote

from ..errors import Permanent, Temporary
from .auth import Credentials, choose
from .bodies import Plain
from .http import Answer
from .reader import Reader
from .remote_file import Resource
from .proxy import Route

IMPLICIT_TLS = 990
LONGEST_REPLIES = 2 ** 20       # bytes, of all replies together


class Client:
    """Asks for one task's FTP URLs; see http.Client."""

    def __init__(self, options, network, stop, extra=False):
        self._options, self._network, self._stop, self._extra = options, network, stop, extra

    def open(self, url, start=0, end=None, if_range=None, origin=None, jar=None):
        """The Answer for `url` from byte `start` on, to `end` (exclusive) if it is given.

        Where the file is not the one of the `if_range` date, or cannot be entered in the
        middle, the answer is the whole file with status 200.
        """
        slot = self._network.hosts.acquire(url.host, self._stop, self._extra)
        try:
            session = _Session(url, Route.to(url, self._options, self._network), slot, self._stop)
        except BaseException:
            slot.release()
            raise
        try:
            session.login(choose(url, origin, self._options, self._network.netrc)
                          or Credentials("anonymous", "anonymous@"))
            return session.retrieve(start, end, if_range)
        except BaseException:
            session.close()
            raise


class _Session:
    """One control connection, and the data connection of its one transfer."""

    def __init__(self, url, route, slot, stop):
        self.slot, self.channel = slot, None
        self._url, self._route, self._stop = url, route, stop
        self._control = route.carry(url.host, url.port, stop)
        try:
            if url.scheme == "ftps" and url.port == IMPLICIT_TLS:
                route.secure(self._control)
            self._ftp = _Ftp(self._control, url.host)
            self._call(self._ftp.getresp)
            if url.scheme == "ftps" and url.port != IMPLICIT_TLS:
                self._command("AUTH TLS")
                route.secure(self._control)
                self._ftp.read_from(self._control)
        except BaseException:
            self._control.close()
            raise

    def login(self, credentials):
        user, password = (text.encode("utf-8").decode("latin-1")
                          for text in (credentials.user, credentials.password or ""))
        self._call(lambda: self._ftp.login(user, password))
        if self._url.scheme == "ftps":
            self._command("PBSZ 0")
            self._command("PROT P")
        self._command("TYPE I")

    def retrieve(self, start, end, if_range):
        """The Answer, its data connection open."""
        path = _path(self._url)
        resource = self._describe(path)
        if start and (not resource.ranges or (if_range and if_range != resource.last_modified)):
            start, end = 0, None
        self.channel = self._open_data()
        if start:
            self._command("REST %d" % start)
        self._command("RETR " + path)
        if self._url.scheme == "ftps":
            self._route.remember(self._control)     # servers want the same session on both
            self._route.secure(self.channel)
        last = resource.total if end is None else end
        stream = _Stream(self, None if last is None else max(0, last - start))
        return Answer(206 if start or end is not None else 200, resource, stream, start, self._url, None)

    def _describe(self, path):
        size, modified = self._optional("SIZE " + path), self._optional("MDTM " + path)
        total = int(size) if size and re.fullmatch("[0-9]{1,18}", size) else None
        try:
            date = formatdate(timegm(time.strptime((modified or "")[:14], "%Y%m%d%H%M%S")), usegmt=True)
        except ValueError:      # old servers call the year 2000 19100
            date = None
        return Resource(url=str(self._url), total=total, etag=None, last_modified=date,
                        dated=date is not None, ranges=self._optional("REST 0") is not None,
                        media_type="", disposition=None, encoding="", digest=None)

    def _open_data(self):
        try:
            reply = self._call(lambda: self._ftp.sendcmd("EPSV"))
            port = ftplib.parse229(reply, ("", self._url.port))[1]
        except (Permanent, ftplib.Error, ValueError):
            port = self._call(lambda: ftplib.parse227(self._ftp.sendcmd("PASV")))[1]
        return self._route.carry(self._url.host, port, self._stop, beside=self._control)

    def _command(self, line):
        return self._call(lambda: self._ftp.sendcmd(line))

    def _optional(self, line):
        """The text of the reply, or None where the server does not know the command."""
        try:
            return self._command(line)[4:].strip()
        except Permanent:
            return None

    def _call(self, action):
        """ftplib's errors become ours."""
        try:
            return action()
        except ftplib.error_perm as error:
            raise Permanent("the server answered %s" % error) from error
        except ftplib.Error as error:
            raise Temporary("the server answered %s" % error) from error
        except EOFError as error:
            raise Temporary("the server closed the connection") from error
        except ValueError as error:
            raise Permanent("the URL's path cannot be sent: %s" % error) from error

    # -- what http.Plain asks of an exchange -------------------------------------------

    def leftover(self):
        return b""

    def confirm(self):
        """Raises Temporary unless the server says that the transfer was complete."""
        self._call(self._ftp.voidresp)

    def close(self, reusable=False):
        if self.slot is None:
            return
        for channel in (self.channel, self._control):
            if channel is not None:
                channel.close()
        self.slot.release()
        self.slot = None


class _Stream(Plain):
    """The data connection's bytes; where no SIZE was told, the server's word ends them."""

    def _counted(self, count):
        count = super()._counted(count)
        if not count and self.expected is None:
            self._exchange.confirm()
        return count

    def adopt(self, stop):
        super().adopt(stop)
        self._exchange._control.adopt(stop)


class _Ftp(ftplib.FTP):
    """ftplib's commands and replies over a channel that is there already."""

    def __init__(self, channel, host):
        super().__init__()
        self.encoding, self.host = "latin-1", host      # a path's bytes are the URL's own
        self._left = LONGEST_REPLIES
        self.read_from(channel)

    def read_from(self, channel):
        """Speak over this channel from now on."""
        self.sock = self.file = _Replies(channel)

    def getline(self):
        """As ftplib's, which would keep a reply of any length."""
        line = super().getline()
        self._left -= len(line) + 1
        if self._left < 0:
            raise Permanent("the server's replies are without end")
        return line


class _Replies:
    """A channel as ftplib wants to see it, socket and file at once; closing it leaves the channel open."""

    def __init__(self, channel):
        self.sendall, self._reader = channel.sendall, Reader(channel)

    def readline(self, most):
        """Return the next line of a reply as text."""
        return self._reader.read_line(most).decode("utf-8", "surrogateescape")

    def close(self):
        pass


def _path(url):
    """The path as commands take it: relative to where the login leads, unless it begins with //."""
    path = re.sub(";type=[aid]$", "", url.target, flags=re.IGNORECASE)
    return unquote(path[1:], "latin-1")
