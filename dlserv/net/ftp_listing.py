"""List the folders of an FTP server: MLSD (RFC 3659, 7), else LIST as Unix and DOS print it, else NLST."""

import re
from collections import namedtuple
from itertools import islice

from ..errors import Permanent, Temporary
from . import ftp
from .bodies import read_whole
from .ftp_body import PartBody

LARGEST = 16 * 2 ** 20      # bytes of one listing
LONGEST = 300.0             # seconds that one listing may take
MOST = 100000               # entries of one listing
MOST_PROBES = 2000          # entries of one listing that are tried by CWD
MOST_COMMANDS = 2000        # of one session; its replies are bounded together

_EMPTY = (450, 550)         # so some servers refuse to list an empty folder
_UNIX = re.compile(rb"([-dlbcps])[-rwxsStTlL]{9}\S?\s+[0-9]+\s+(?:\S+\s+){1,3}?[0-9]+(?:,\s*[0-9]+)?\s+"
                   rb"(?:[A-Za-z]{3}\s+[0-9]{1,2}|[0-9]{4}-[0-9]{2}-[0-9]{2})\s+[0-9:]{4,5}\s(.+)")
_DOS = re.compile(rb"[0-9]{2}-[0-9]{2}-[0-9]{2,4}\s+[0-9]{2}:[0-9]{2}(?:[AP]M)?\s+(<[A-Z]+>|[0-9]+)\s+(.+)")
_HOME = re.compile('"((?:[^"]|"")+)"')


class Entry(namedtuple("Entry", "name is_folder")):
    """`name` is bytes as sent; `is_folder` is None if unknown."""

    __slots__ = ()


class _Session(ftp.Session):
    """Lists any number of folders, named from the root, which PWD tells."""

    _home, _commands = None, 0

    @property
    def is_used_up(self):
        return self._home is None or self._commands > MOST_COMMANDS

    def login(self, credentials):
        super().login(credentials)
        match = _HOME.search(self._optional("PWD") or "")
        if match and "\ufffd" not in match.group(1):
            self._home = match.group(1).replace('""', '"').encode("utf-8").decode("latin-1").rstrip("/") + "/"

    def entries(self, path):
        path = self._from_root(path)
        if path:
            self._command("CWD " + path)
        for command, read in (("MLSD", read_mlsd), ("LIST", read_list), ("NLST", read_nlst)):
            data = self._list(command)
            found = None if data is None else read(data)
            if found is not None:
                return self._settled(path, found)
        raise Permanent("the server lists no folders: it refuses MLSD, LIST and NLST", word="ftp")

    def _from_root(self, path):
        below = path.strip("/")
        if path.startswith("/"):
            return "/" + below
        return (self._home or "") + below

    def _list(self, command):
        """Return the bytes of this folder's listing, or None if the command is refused."""
        self._commands += 4
        self.channel, self._is_complete = self._open_data(), False
        try:
            reply = self._control.ask(command)
            if reply.code in _EMPTY and command != "MLSD":
                return b""
            if reply.code >= 500:
                return None
            self._check(reply, command)
            self._is_complete = reply.code >= 200
            self._secure_data()
            return read_whole(_Listing(self, None), LARGEST, LONGEST)
        finally:
            self.channel.close()
            self.channel = None

    def _settled(self, path, entries):
        # one of unknown kind is a folder if CWD enters it
        probes = MOST_PROBES if self._home is not None else 0
        settled = []
        for entry in entries:
            if entry.is_folder is None:
                is_folder = probes > 0 and self._enters(f"{path.rstrip('/')}/{entry.name.decode('latin-1')}")
                entry, probes = entry._replace(is_folder=is_folder), probes - 1
            settled.append(entry)
        return settled

    def _enters(self, path):
        self._commands += 1
        return not re.search("[\r\n\0]", path) and self._reply_to("CWD " + path).code == 250


class Client(ftp.Client):
    """List folders over one session, which stays open until `close`; see ftp.Client."""

    session, _open = _Session, None

    def entries(self, url, origin):
        if self._open is None:
            self._open = self.log_in(url, origin)
        try:
            entries = self._open.entries(ftp.path_of(url))
        except BaseException:
            self.close()
            raise
        if self._open.is_used_up:
            self.close()
        return entries

    def close(self):
        if self._open is not None:
            self._open.close()
            self._open = None


class _Listing(PartBody):
    """Many servers end TLS abruptly, so their reply decides whether a listing is whole."""

    def read_into(self, view):
        try:
            count = super().read_into(view)
        except Temporary:
            count = 0
        if not count:
            self._exchange.confirm()
        return count


def read_mlsd(data):
    """Return the Entries of MLSD: "type=file;size=7; name" (RFC 3659, 7.2), or None."""
    found = []
    for line in _lines(data):
        facts, blank, name = line.partition(b" ")
        if not blank:
            return None
        facts = dict(fact.lower().partition(b"=")[::2] for fact in facts.split(b";"))
        kind = facts.get(b"type")
        if kind not in (b"cdir", b"pdir"):
            found.append(Entry(name, {b"file": False, b"dir": True}.get(kind)))
    return _usable(found)


def read_list(data):
    """Return the Entries of LIST, or None if a line is in neither of the usual formats."""
    found = []
    for line in _lines(data):
        unix, dos = _UNIX.fullmatch(line), _DOS.fullmatch(line)
        if unix:
            kind, name = unix.groups()
            if kind in b"-dl":
                name = name.partition(b" -> ")[0] if kind == b"l" else name
                found.append(Entry(name, {b"l": None, b"d": True}.get(kind, False)))
        elif dos:
            found.append(Entry(dos.group(2), dos.group(1) == b"<DIR>"))
        elif not re.fullmatch(rb"total [0-9]+", line):
            return None
    return _usable(found)


def read_nlst(data):
    """Return the Entries of NLST; some servers put the folder before each name."""
    return _usable([Entry(line.rpartition(b"/")[2], None) for line in _lines(data)])


def _lines(data):
    lines = (line.rstrip(b"\r") for line in data.split(b"\n"))
    return islice((line for line in lines if line), MOST)


def _usable(entries):
    return [entry for entry in entries if entry.name not in (b"", b".", b"..") and b"/" not in entry.name
            and b"\0" not in entry.name]
