"""Every exception dlserv raises on purpose.

Three families, because an error has three possible fates:

  RequestError    the caller's mistake; the API answers 4xx with the sentence
  TransferError   the remote's fault; the task is retried or becomes `invalid`
  LocalError      ours or this machine's; the task waits or the API answers 5xx

A fourth family, ClientError, is raised by the REST client.

`str(error)` is a sentence for people. Exceptions of the operating system, ssl and
sqlite3 are translated where they are first caught (net/channel.py, net/connect.py,
engine/folder.py, state/store.py).
"""

import re

from .units import clean

# The words of Error.word, a closed list.
REASONS = ("timeout", "not_found", "network", "dns", "tls", "auth", "http", "ftp", "no_space", "exists", "disk",
           "checksum", "redirects", "range", "refused", "clock", "bug")
_STATUS_WORDS = {401: "auth", 403: "auth", 404: "not_found", 407: "auth", 408: "timeout", 410: "not_found",
                 416: "range"}


class Error(Exception):
    """The base class. `word`, one of REASONS, names the failure for programs; see `reason_of` for None."""

    word = None

    def bare(self):
        """Return the error without its traceback and causes: thousands of them, collected, are gigabytes."""
        self.__traceback__ = self.__cause__ = self.__context__ = None
        return self


class Stopped(Error):
    """A download was told to stop; not a failure."""

    def __init__(self):
        super().__init__("stopped")


# -- the caller's ---------------------------------------------------------------

class RequestError(Error):
    """The request cannot be carried out as it stands; the API answers 4xx."""


class InvalidValue(RequestError):
    """A value cannot be accepted; `key` names its field."""

    def __init__(self, key, reason):
        super().__init__(f"{key}: {reason}")
        self.key, self.reason = key, reason


class NotFound(RequestError):
    """No such task."""


class Conflict(RequestError):
    """The task's state does not permit this."""


class Forbidden(RequestError):
    """The caller is not allowed to do this; `key` names the field concerned."""

    def __init__(self, sentence, key):
        super().__init__(sentence)
        self.key = key


class Full(RequestError):
    """There is no room for more tasks."""


class Exists(Conflict):
    """The URL was added before; `tid` is the id of its task."""

    def __init__(self, tid, sentence="this URL is already added"):
        super().__init__(sentence)
        self.tid = tid


class Archived(Exists):
    """The URL was downloaded before and its task is deleted; the archive has it."""

    def __init__(self, tid, day):
        super().__init__(tid, f"this URL was downloaded on {day}; post repeat=true to have it again")


# -- the remote's ---------------------------------------------------------------

class TransferError(Error):
    """The transfer failed for a reason outside this machine; the task is retried or becomes `invalid`.

    `status` is the HTTP status, or None. `redirected` is true if another URL than the requested one
    failed. The reason may quote the server, so it is cleaned and cut to 300 characters.
    """

    redirected = False

    def __init__(self, reason, status=None, word=None):
        super().__init__(re.sub(" +", " ", clean(reason, " ")).strip()[:300])
        self.status = status
        if word is not None or status is not None:
            self.word = word or _STATUS_WORDS.get(status, "http")


class Temporary(TransferError):
    """Another try may succeed, after `retry_after` seconds if the server says so, else None."""

    def __init__(self, reason, retry_after=None, status=None, word=None):
        super().__init__(reason, status, word)
        self.retry_after = retry_after


class Offline(Temporary):
    """This machine reaches no network now, but perhaps a source in the local one."""

    word = "network"


class WrongClock(Temporary):
    """A certificate is not valid yet by this machine's clock."""

    word = "clock"


class Permanent(TransferError):
    """Another try would end the same way."""


class Changed(TransferError):
    """The server's file is no longer the one that the bytes on disk came from."""

    word = "range"


class Unchanged(TransferError):
    """The server still has the file that was fetched before."""


class Longer(Changed):
    """The server sent more bytes than it had stated (FTP's SIZE)."""


class WrongBytes(TransferError):
    """The file is complete but does not match its checksum."""

    word = "checksum"


# -- ours -----------------------------------------------------------------------

class LocalError(Error):
    """Something on this machine prevents the work; the task waits, or the API answers 5xx."""


class NoSpace(LocalError):
    """The file system or the quota is full."""

    word = "no_space"


class Unwritable(LocalError):
    """A file or folder cannot be written, for another reason than space."""

    word = "disk"


class Unavailable(Unwritable):
    """A folder or disk is away and may come back; with `is_loss`, bytes not yet flushed may be lost."""

    def __init__(self, reason, is_loss=False):
        super().__init__(reason)
        self.is_loss = is_loss


class Altered(LocalError):
    """A finished file has changed since its download."""

    word = "checksum"


class NameTooLong(Unwritable):
    """The name is too long for the file system."""


class Exhausted(LocalError):
    """The system refuses this program more of something."""

    def __init__(self, what="open files and connections"):
        super().__init__(f"the system allows this program no more {what}")


class NameTaken(LocalError):
    """Another file has that name, and it is not ours to replace."""

    word = "exists"


class MissingModule(LocalError):
    """This Python lacks an optional part, which is in the system's package."""

    def __init__(self, feature, package):
        super().__init__(f"{feature} needs a part of Python that is not installed here: install {package}")


class StoreBroken(LocalError):
    """The database cannot be opened or written."""

    word = "disk"


def reason_of(error):
    """Return the `word` of the error or of its nearest cause that has one, or None."""
    each = error
    while isinstance(each, Exception):
        if getattr(each, "word", None) is not None:
            return each.word
        each = each.__cause__
    return "http" if isinstance(error, TransferError) else None


# -- a client's -----------------------------------------------------------------

class ClientError(Error):
    """A request by the REST client failed."""


class NoDaemon(ClientError):
    """No dlserv answers at the address."""


class NotAllowed(ClientError):
    """401, 403 or 429: the token is missing or wrong, or this is not permitted."""


class Refused(ClientError):
    """The daemon refused the request in its own words.

    `status` is the HTTP status, `code` the reason in one word or None, `key` the wrong field or None.
    """

    def __init__(self, sentence, status, code=None, key=None):
        super().__init__(sentence)
        self.status, self.code, self.key = status, code, key
