"""The door itself: one for each server; what the methods work with, and who may call them."""

import logging
import os

from ...errors import Error
from ...tasks.states import PAUSED, QUEUED
from . import jsonrpc, told
from .caller import Caller
from .gids import Gids
from .jsonrpc import RpcError
from .methods import METHODS
from .notifications import Notifications
from .results import Teller

log = logging.getLogger(__name__)


class Door:
    """The aria2 interface of `daemon`; `access` is the server's Access.

    For methods: `daemon`, `gids`, `teller`, `root`, `session_id`, `waiting`, `options_of`.
    """

    def __init__(self, daemon, access):
        self.daemon, self._access = daemon, access
        self.gids, self.teller = Gids(daemon), Teller(daemon)
        self.notifications = Notifications(daemon)
        self.session_id = os.urandom(20).hex()

    def close(self):
        """End all WebSockets."""
        self.notifications.close()

    # -- calls -----------------------------------------------------------------------

    def caller(self, request, by_link=False):
        """Return the Caller that has sent the request."""
        return Caller(self._access, request.headers, request.address, by_link)

    def answer(self, caller, data):
        """Return the jsonrpc.Answer to the bytes of a request."""
        return jsonrpc.answer(data, lambda method, params: self.call(caller, method, params))

    def answer_to(self, caller, request):
        """Return the jsonrpc.Answer to a request that is parsed."""
        return jsonrpc.answer_to(request, lambda method, params: self.call(caller, method, params))

    def call(self, caller, method, params):
        """Return the result of one call. Raise RpcError."""
        token, params = jsonrpc.without_token(params)
        caller.check(token, method)
        function = METHODS.get(method)
        if function is None:
            raise RpcError(f"No such method: {method[:80]}")
        try:
            return function(self, params)
        except RpcError:
            raise
        except Error as error:
            raise RpcError(str(error)) from error
        except Exception:
            log.exception("%s failed", method)
            raise RpcError("the daemon met a bug; see its log") from None

    # -- what methods work with --------------------------------------------------------

    @property
    def root(self):
        """The absolute path of the download directory."""
        return self.teller.root

    def waiting(self):
        """Return how many downloads wait, those that are paused included."""
        counts = self.daemon.counts()
        return counts[QUEUED] + counts[PAUSED]

    def options_of(self, task):
        """Return (the options that are told of the task, the same without masks), ({}, {}) for None."""
        if task is None:
            return {}, {}
        folder = self.teller.folder(task)
        return told.of_task(task, folder), told.of_task(task, folder, plain=True)
