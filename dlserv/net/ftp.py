"""FTP and FTPS, with the interface of http.py.

Passive (EPSV, else PASV, to the server's own address), binary, REST for ranges, SIZE for the
length, MDTM as the validator. ftps:// is explicit TLS (RFC 4217), or implicit on port 990, for
control and data alike.
"""

import re
import time
from calendar import timegm
from urllib.parse import unquote

from ..errors import Permanent, Temporary
from ..units import format_http_date
from .auth import Credentials, choose
from .ftp_body import PartBody, WholeBody
from .ftp_control import Control, extended_port, passive_port
from .http import Answer
from .remote_file import Resource
from .proxy import Route

IMPLICIT_TLS = 990
MOST_PRELIMINARY = 100      # replies in a row
_WORDS = {530: "auth", 532: "auth", 550: "not_found"}

# Refusals of a login because the server is full, and those that only sound so.
_CROWDED = re.compile(r"too many|maximum|already (?:logged|connected)", re.IGNORECASE)
_CROWD = re.compile(r"\b(?:clients|users|connections|sessions|logins)\b", re.IGNORECASE)
_OTHER_REASON = re.compile(
    r"\b(?:tls|ssl|secure|encrypt\w*|anonymous|not allowed|not permitted)\b", re.IGNORECASE)


class Session:
    """One control connection, logged in, and the data connection of its one transfer."""

    def __init__(self, client, url, origin, slot):
        self.slot, self.channel = slot, None
        self._client, self._url, self._route = client, url, Route(url, client.options, client.network)
        self._is_logged_in = self._is_complete = False
        self._control = Control(self._route.carry(url.port, client.stop))
        try:
            self._greet()
            self.login(choose(url, origin, client.options, client.network.netrc)
                       or Credentials("anonymous", "anonymous@"))
        except BaseException:
            self._control.channel.close()
            raise

    def _greet(self):
        if self._url.scheme == "ftps" and self._url.port == IMPLICIT_TLS:
            self._route.secure(self._control.channel)
        self._final(self._control.reply())
        if self._url.scheme == "ftps" and self._url.port != IMPLICIT_TLS:
            self._command("AUTH TLS")
            self._control.forget()
            self._route.secure(self._control.channel)

    def login(self, credentials):
        """Log in and switch to binary. Raise HostFull if the server is full."""
        user, password = (text.encode("utf-8").decode("latin-1")
                          for text in (credentials.user, credentials.password or ""))
        reply = self._final(self._control.ask("USER " + user))
        if reply.code == 331:
            reply = self._final(self._control.ask("PASS " + password))
        if reply.code >= 300:
            raise Permanent(f"the server answered {reply}", word="auth")
        self._is_logged_in = self.slot.lingers = True
        if self._url.scheme == "ftps":
            self._command("PBSZ 0")
            self._command("PROT P")
        self._command("TYPE I")

    def retrieve(self, start, end, if_range, condition=None):
        path = path_of(self._url)
        resource = self._describe(path)
        if condition is not None:
            condition.check(resource)
        if start and (not resource.ranges or (if_range and if_range != resource.last_modified)):
            start, end = 0, None
        self.channel = self._open_data()
        if start:
            self._command("REST %d" % start)
        self._begin(path)
        self._secure_data()
        return Answer(206 if start or end is not None else 200, resource,
                      self._body(resource.total, start, end), start, self._url, None)

    def _secure_data(self):
        if self._url.scheme == "ftps":
            self._route.remember(self._control.channel)     # servers require the same session on both
            self._route.secure(self.channel)

    def _body(self, total, start, end):
        if total is None or start >= total:
            return WholeBody(self, None)
        if end is None or end >= total:
            return WholeBody(self, total - start)
        return PartBody(self, end - start)

    def _describe(self, path):
        size, modified = self._optional("SIZE " + path), self._optional("MDTM " + path)
        total = int(size) if size and re.fullmatch("[0-9]{1,18}", size) else None
        try:
            date = format_http_date(timegm(time.strptime((modified or "")[:14], "%Y%m%d%H%M%S")))
        except ValueError:      # old servers call the year 2000 19100
            date = None
        # files that are generated on demand have a size of 0
        return Resource(url=str(self._url), total=total or None, etag=None, last_modified=date,
                        dated=date is not None, ranges=self._optional("REST 0") is not None,
                        media_type="", disposition=None, encoding="", digest=None)

    def _open_data(self):
        unreachable = None
        if not self._client.passive_only:
            port = extended_port(self._reply_to("EPSV"))
            try:
                if port is not None:
                    return self._carry(port)
            except Temporary as error:      # a firewall may support PASV only
                unreachable, self._client.passive_only = error, True
        reply = self._reply_to("PASV")
        port = passive_port(reply)
        if port is not None:
            return self._carry(port)
        raise unreachable or Temporary(f"the server opens no data connection: it answered {reply}",
                                       word="ftp")

    def _carry(self, port):
        return self._route.carry(port, self._client.stop, beside=self._control.channel)

    def _begin(self, path):
        reply = self._control.ask("RETR " + path)
        if reply.code >= 500 and self._reply_to("CWD " + path).code == 250:
            raise Permanent(f"{_shown(path)} is a folder on the server; name a file in it", word="ftp")
        self._check(reply, "RETR " + path)
        self._is_complete = reply.code >= 200

    def _command(self, line):
        """Return the Reply to the command. Raise HostFull, Temporary or Permanent if it is refused."""
        return self._final(self._control.ask(line), line)

    def _optional(self, line):
        """Return the text of the reply, or None if it is a refusal."""
        try:
            return self._command(line).text
        except Permanent:
            return None

    def _reply_to(self, line):
        """Return the Reply to a command that may be refused. Raise HostFull for a 421."""
        reply = self._control.ask(line)
        if reply.code == 421:
            self._check(reply)
        return reply

    def _final(self, reply, asked=""):
        """Return the Reply after any preliminary ones."""
        for _ in range(MOST_PRELIMINARY):
            if reply.code >= 200:
                self._check(reply, asked)
                return reply
            reply = self._control.reply()
        raise Permanent("the server's replies do not end", word="ftp")

    def _check(self, reply, asked=""):
        if reply.code < 400:
            return
        sentence = (_shown(asked) + ": " if asked else "") + f"the server answered {reply}"
        if reply.code == 421 or not self._is_logged_in and _is_crowded(reply.text):
            raise self.slot.crowded(sentence)
        raise (Permanent if reply.code >= 500 else Temporary)(sentence, word=_WORDS.get(reply.code, "ftp"))

    def confirm(self):
        """Wait for the reply that the transfer is complete. Raise NoReply or Temporary."""
        if not self._is_complete:
            reply = self._final(self._control.reply())
            if reply.code >= 300:
                raise Temporary(f"the server answered {reply}", word="ftp")
            self._is_complete = True

    def adopt(self, stop):
        self._control.channel.adopt(stop)

    def close(self, reusable=False):
        if self.slot is None:
            return
        for channel in (self.channel, self._control.channel):
            if channel is not None:
                channel.close()
        self.slot.release()
        self.slot = None


class Client:
    """Requests FTP URLs with one task's options; see http.Client."""

    session = Session
    passive_only = False        # True once a port from EPSV could not be reached

    def __init__(self, options, network, stop, extra=False):
        self.options, self.network, self.stop, self._extra = options, network, stop, extra

    def open(self, url, start=0, end=None, if_range=None, origin=None, jar=None, condition=None):
        """Return the Answer; see http.Client.open.

        If the file's date is not `if_range`, or the server cannot start in the middle, it is the
        whole file with status 200. Raise Unchanged, before any byte is sent, if the `condition`
        says so; HostFull.
        """
        if not path_of(url).strip("/"):
            raise Permanent("the URL names a folder; add the name of a file in it", word="ftp")
        session = self.log_in(url, origin)
        try:
            return session.retrieve(start, end, if_range, condition)
        except BaseException:
            session.close()
            raise

    def log_in(self, url, origin):
        slot = self.network.hosts.acquire(url.endpoint, self.stop, self._extra)
        try:
            return self.session(self, url, origin, slot)
        except BaseException:
            slot.release()
            raise


def _is_crowded(text):
    return _CROWDED.search(text) is not None or (
        _CROWD.search(text) is not None and _OTHER_REASON.search(text) is None)


def path_of(url):
    """Return the path for commands, relative to the login's folder unless it begins with //."""
    path = re.sub(";type=[aid]$", "", url.target, flags=re.IGNORECASE)
    return unquote(path[1:], "latin-1")


def _shown(command):
    """Return a command or path, bytes read as Latin-1, as text."""
    return command.encode("latin-1").decode("utf-8", "replace")
