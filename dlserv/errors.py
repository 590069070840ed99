"""Every exception dlserv raises on purpose.

Three families, because an error has three possible fates:

  RequestError    the caller's mistake; the API answers 4xx with the sentence
  TransferError   the remote's fault; the task is retried or becomes `invalid`
  LocalError      ours or this machine's; the task waits or the API answers 5xx

and a fourth on the other side of the wire, ClientError: what a client meets.

`str(error)` is always a sentence that a person understands. Exceptions of the
operating system, of ssl and of ftplib are translated where they are caught first
(net/channel.py, net/ftp.py, engine/folder.py, state/store.py).
"""

import errno
import re
import socket

from .units import clean

# The words of Error.word, a closed list.
REASONS = ("timeout", "not_found", "network", "dns", "tls", "auth", "http", "ftp", "no_space", "exists", "disk",
           "checksum", "redirects", "range", "refused", "clock", "bug")
_STATUS_WORDS = {401: "auth", 403: "auth", 404: "not_found", 407: "auth", 408: "timeout", 410: "not_found",
                 416: "range"}


class Error(Exception):
    """The root of them all; never raised itself.

    `word` is the one of REASONS that says what a task met. It is None where another error,
    which this one came from, says more; see `reason_of`.
    """

    word = None

    def bare(self):
        """Return the error without its traceback and causes, which keep every frame they came through alive.

        For errors that are collected instead of raised: thousands of tracebacks are gigabytes.
        """
        self.__traceback__ = self.__cause__ = self.__context__ = None
        return self


class Stopped(Error):
    """A download was told to stop: pause, delete or shutdown. Not a failure."""

    def __init__(self):
        super().__init__("stopped")


# -- the caller's ---------------------------------------------------------------

class RequestError(Error):
    """What was asked for cannot be done as it was asked."""


class InvalidValue(RequestError):
    """A value that cannot be accepted; `key` names the field it came in."""

    def __init__(self, key, reason):
        super().__init__("%s: %s" % (key, reason))
        self.key = key
        self.reason = reason


class NotFound(RequestError):
    """No such task."""


class Conflict(RequestError):
    """The task's state does not permit this."""


class Forbidden(RequestError):
    """The caller is not allowed to do this; `key` names the field it was about."""

    def __init__(self, sentence, key):
        super().__init__(sentence)
        self.key = key


class Full(RequestError):
    """There is no room for more tasks."""


class Exists(Conflict):
    """The URL has been added before; `tid` is the task that is there."""

    def __init__(self, tid):
        super().__init__("this URL is already added")
        self.tid = tid


# -- the remote's ---------------------------------------------------------------

class TransferError(Error):
    """The transfer failed for a reason outside this machine.

    `status` is HTTP's, if that told one; `redirected` whether it came from elsewhere than
    the URL that was asked. The reason may hold words of the other side: what would move a
    terminal's cursor, or fill a log, is left out.
    """

    redirected = False

    def __init__(self, reason, status=None, word=None):
        super().__init__(re.sub(" +", " ", clean(reason, " ")).strip()[:300])
        self.status = status
        if word is not None or status is not None:
            self.word = word or _STATUS_WORDS.get(status, "http")


class Temporary(TransferError):
    """Worth another try. `retry_after` is the wait in seconds the server asked for."""

    def __init__(self, reason, retry_after=None, status=None, word=None):
        super().__init__(reason, status, word)
        self.retry_after = retry_after


class Offline(Temporary):
    """This machine reaches no network now; another source may be near enough to be asked."""

    word = "network"


class WrongClock(Temporary):
    """A certificate is not valid yet by this machine's clock."""

    word = "clock"


class Permanent(TransferError):
    """Another try would end the same way."""


class Changed(TransferError):
    """What the server has now is not what the bytes on disk came from."""

    word = "range"


class Longer(Changed):
    """More bytes came than the server had said, on another channel than theirs, that there are."""


class WrongBytes(TransferError):
    """The file is whole, but not the one its checksum promised."""

    word = "checksum"


# -- ours -----------------------------------------------------------------------

class LocalError(Error):
    """Something on this machine stands in the way."""


class NoSpace(LocalError):
    """The file system or the quota is full."""

    word = "no_space"


class Unwritable(LocalError):
    """A file or folder cannot be made or written, for another reason than space."""

    word = "disk"


class Unavailable(Unwritable):
    """A folder or disk is out of reach for now; it may come back by itself.

    `is_loss` says that the disk may not have what it took before and was not asked to flush.
    """

    def __init__(self, reason, is_loss=False):
        super().__init__(reason)
        self.is_loss = is_loss


class Altered(LocalError):
    """A finished file is not what it was when it was downloaded."""

    word = "checksum"


class NameTooLong(Unwritable):
    """The file system has no names of that length."""


class Exhausted(LocalError):
    """The system lets this program have no more of something: files, threads, memory."""

    def __init__(self, what="files and connections open"):
        super().__init__(f"the system lets this program have no more {what}")


class NameTaken(LocalError):
    """A file of that name is there and is not ours to replace."""

    word = "exists"


class MissingModule(LocalError):
    """This Python lacks an optional part; `package` is what to install."""

    def __init__(self, feature, package):
        super().__init__("%s needs a part of Python that is not installed here: install %s"
                         % (feature, package))
        self.package = package


class StoreBroken(LocalError):
    """The database cannot be opened or written."""

    word = "disk"


_NO_MORE_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS)


def exhaustion_in(error):
    """Return an Exhausted if a limit of the system was met, whatever that was taken for; else None."""
    while isinstance(error, Exception):
        if isinstance(error, Exhausted):
            return error
        if isinstance(error, OSError) and error.errno in _NO_MORE_FILES:
            return Exhausted()
        if _is_out_of_memory(error):
            return Exhausted("memory")
        if isinstance(error, RuntimeError) and "start new thread" in str(error):
            return Exhausted("threads")
        error = error.__cause__
    return None


def _is_out_of_memory(error):
    return (isinstance(error, MemoryError)
            or isinstance(error, SystemError)       # CPython's own confusion when it finds no memory
            or isinstance(error, socket.gaierror) and error.errno == getattr(socket, "EAI_MEMORY", None)
            or isinstance(error, OSError) and error.errno == errno.ENOMEM
            or getattr(error, "reason", None) == "MALLOC_FAILURE")      # an ssl.SSLError's


def reason_of(error):
    """Return the word for what a task met: that of the error, or of the one that it came from.

    None for what has none, such as a limit of the system.
    """
    each = error
    while isinstance(each, Exception):
        if getattr(each, "word", None) is not None:
            return each.word
        each = each.__cause__
    return "http" if isinstance(error, TransferError) else None


# -- a client's -----------------------------------------------------------------

class ClientError(Error):
    """A request to a daemon failed."""


class NoDaemon(ClientError):
    """Nothing answers there, or something that is no dlserv."""


class NotAllowed(ClientError):
    """401, 403 or 429: the token is missing or wrong, or the daemon does not permit this."""


class Refused(ClientError):
    """The daemon declined; the sentence is its own.

    `status` is HTTP's, `code` the daemon's one word for the reason, `key` the field that
    was wrong; the last two are None where the daemon does not tell.
    """

    def __init__(self, sentence, status, code=None, key=None):
        super().__init__(sentence)
        self.status, self.code, self.key = status, code, key
