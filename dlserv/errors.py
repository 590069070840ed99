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

import re

from .units import clean


class Error(Exception):
    """The root of them all; never raised itself."""

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

    def __init__(self, reason, status=None):
        super().__init__(re.sub(" +", " ", clean(reason, " ")).strip()[:300])
        self.status = status


class Temporary(TransferError):
    """Worth another try. `retry_after` is the wait in seconds the server asked for."""

    def __init__(self, reason, retry_after=None, status=None):
        super().__init__(reason, status)
        self.retry_after = retry_after


class Permanent(TransferError):
    """Another try would end the same way."""


class Changed(TransferError):
    """What the server has now is not what the bytes on disk came from."""


class WrongBytes(TransferError):
    """The file is whole, but not the one its checksum promised."""


# -- ours -----------------------------------------------------------------------

class LocalError(Error):
    """Something on this machine stands in the way."""


class NoSpace(LocalError):
    """The file system or the quota is full."""


class Unwritable(LocalError):
    """A file or folder cannot be made or written, for another reason than space."""


class Unavailable(Unwritable):
    """A folder or disk is out of reach for now; it may come back by itself."""


class Exhausted(LocalError):
    """The system lets this program have no more files and connections open."""

    def __init__(self):
        super().__init__("the system lets this program have no more files and connections open")


class NameTaken(LocalError):
    """A file of that name is there and is not ours to replace."""


class MissingModule(LocalError):
    """This Python lacks an optional part; `package` is what to install."""

    def __init__(self, feature, package):
        super().__init__("%s needs a part of Python that is not installed here: install %s"
                         % (feature, package))
        self.package = package


class StoreBroken(LocalError):
    """The database cannot be opened or written."""


# -- a client's -----------------------------------------------------------------

class ClientError(Error):
    """A request to a daemon has not brought what it was to bring."""


class NoDaemon(ClientError):
    """Nothing answers there, or nothing that is a dlserv."""


class NotAllowed(ClientError):
    """401, 403 or 429: a token is missing or wrong, or the daemon does not let this be done."""


class Refused(ClientError):
    """The daemon says no; the sentence is its own, `status` HTTP's."""

    def __init__(self, sentence, status):
        super().__init__(sentence)
        self.status = status
