"""The bodies of FTP; the data connection ends with the file (RFC 959, 3.4.1)."""

import errno

from ..errors import Longer, Temporary
from .bodies import Plain
from .ftp_control import NoReply


class PartBody(Plain):
    """A range of a file; the data connection may go on after it."""

    def adopt(self, stop):
        super().adopt(stop)
        self._exchange.adopt(stop)


class WholeBody(PartBody):
    """A file's bytes up to the end of the data connection.

    The last byte by SIZE is returned only if no other follows and the server confirms that the
    transfer is complete. Else Longer is raised once; further reads go on to the true end.
    """

    _is_last = False        # the byte in `leftover` is the file's last one

    def read_into(self, view):
        left = self._left
        if left == 1 and not self._is_last:
            self._look_behind()
        elif left > 1:
            view = view[:left - 1]
        count = super().read_into(view)
        if not count and self.expected is None:
            self._exchange.confirm()
        return count

    def splice_into(self, pipe, wanted):
        if self._left <= 1:
            raise OSError(errno.EOPNOTSUPP, "the last byte must be looked at")
        return super().splice_into(pipe, min(wanted, self._left - 1))

    def _look_behind(self):
        ahead, unclean = memoryview(bytearray(2)), None
        count = self.channel.recv_into(ahead[:1])
        try:
            count += count and self.channel.recv_into(ahead[1:])
        except Temporary as error:      # many servers end TLS or the connection abruptly
            unclean = error
        self.leftover = ahead[:count]
        if count == 1:
            self._confirm(unclean)
            self._is_last = True
        elif count == 2:
            self.expected = None
            raise Longer("the server sent more bytes than the size that it stated")

    def _confirm(self, unclean):
        try:
            self._exchange.confirm()
        except NoReply:     # routers drop a control connection that idles during a long transfer
            if unclean is not None:
                raise unclean from None
