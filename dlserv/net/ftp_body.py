"""The bytes of FTP's data connection, which ends where the file does (RFC 959, 3.4.1)."""

import errno

from ..errors import Longer, Temporary
from .bodies import Plain
from .ftp_control import NoReply


class PartBody(Plain):
    """As many of a data connection's bytes as are wanted."""

    def adopt(self, stop):
        super().adopt(stop)
        self._exchange.adopt(stop)


class WholeBody(PartBody):
    """A file's bytes up to the end of the data connection.

    The last byte that SIZE told of is handed out only when no other follows it and the
    server says that the transfer is complete. Raises Longer instead if there is another;
    whoever reads on after that reads to the true end.
    """

    _is_last = False        # the byte in `leftover` is the file's last one

    def read_into(self, view):
        """Bytes read into the buffer, 0 at the true end. Raise Temporary at any other, or Longer."""
        left = None if self.expected is None else self.expected - self.received
        if left == 1 and not self._is_last:
            self._look_behind()
        elif left is not None and left > 1:
            view = view[:left - 1]
        count = super().read_into(view)
        if not count and self.expected is None:
            self._exchange.confirm()
        return count

    def splice_into(self, pipe, wanted):
        """Bytes moved into the pipe within the kernel, likewise; OSError if it cannot."""
        left = self.expected - self.received
        if left <= 1:
            raise OSError(errno.EOPNOTSUPP, "the last byte must be looked at")
        return super().splice_into(pipe, min(wanted, left - 1))

    def _look_behind(self):
        """Read the last byte and see what follows it."""
        ahead, unclean = memoryview(bytearray(2)), None
        count = self.channel.recv_into(ahead[:1])
        try:
            count += count and self.channel.recv_into(ahead[1:])
        except Temporary as error:      # many servers end TLS, or the connection, without a word
            unclean = error
        self.leftover = ahead[:count]
        if count == 1:
            self._confirm(unclean)
            self._is_last = True
        elif count == 2:
            self.expected = None
            raise Longer("more bytes came than the size that the server told")

    def _confirm(self, unclean):
        """Raise Temporary unless a clean end or the server's word shows that this is all."""
        try:
            self._exchange.confirm()
        except NoReply:     # a router drops a control connection that is idle during a long transfer
            if unclean is not None:
                raise unclean from None
