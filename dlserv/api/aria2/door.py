"""The ways in, a POST, a GET or a WebSocket on the same path, and who may call what.

The body of a POST is read whatever its Content-Type says, because clients send anything.
Every answer is JSON-RPC, also to what never becomes a call.

With a token configured, each call carries it as "token:…", or the request has it in its
Authorization header. A token in a call is no ambient credential, so it counts from any
site; the header does not count from a foreign one, because a browser sends it by itself.
Without a token, the server's rules for Host and Origin decide.
"""

import base64
import logging
import os
import re

from ...errors import Error, InvalidValue, NotFound
from ..replies import JSON_HEADERS, Reply
from ..requests import parse_json
from . import frames, jsonrpc
from .gids import Gids
from .jsonrpc import FAILED, INVALID_REQUEST, RpcError
from .methods import METHODS
from .results import Teller
from .websocket import Notifications, Session

UNAUTHORIZED = "Unauthorized"       # exactly this word: AriaNg stops polling at it
FREE = ("system.listMethods", "system.listNotifications")       # called without a token
_READING = re.compile(r"aria2\.(?:get|tell)[A-Z]")

log = logging.getLogger(__name__)


class Door:
    """The aria2 interface of `daemon`, one for each server; `access` is the server's Access."""

    def __init__(self, daemon, access):
        self.daemon, self.access = daemon, access
        self.gids, self.teller = Gids(daemon), Teller(daemon)
        self.root = self.teller.root        # the absolute path of the download directory
        self.notifications = Notifications(daemon)
        self.session_id = os.urandom(20).hex()

    def close(self):
        self.notifications.close()


class Caller:
    """The sender of one request or on one WebSocket. `is_known` once it was allowed to call.

    `by_link`: the calls came in the URL of a GET, which any page can make a browser send. Then
    a token is needed, and a password that a browser may have added allows only to read.
    """

    def __init__(self, request, by_link=False):
        self._door = request.server.aria2
        self._access, self._headers, self._address = self._door.access, request.headers, request.address
        self._by_link = by_link
        self._last = (None, False)      # the last token, and whether it was right
        self._by_header = None          # whether Authorization is right; None until it is asked
        self.is_known = self._access.token is None
        self.wait = 0                   # seconds for which its tokens are not looked at

    def refusal(self):
        """Return the Reply that, without a token, refuses the whole request, or None."""
        if self._access.token is not None:
            return None
        site = self._access.foreign_site(self._headers)
        sentence = "a GET needs the token, and none is configured here; use POST" if self._by_link \
            else self._access.host_problem(self._headers) or site and (
                f"pages of {site} may not call this daemon; add their origin to server.allowed_origins, "
                "or set a token")
        return _refusal(403, sentence, FAILED) if sentence else None

    def call(self, method, params):
        """Return the result of one call. Raise RpcError."""
        token, params = jsonrpc.without_token(params)
        self._check(token, method)
        function = METHODS.get(method)
        if function is None:
            raise RpcError(f"No such method: {method[:80]}")
        try:
            return function(self._door, params)
        except RpcError:
            raise
        except Error as error:
            raise RpcError(str(error)) from error
        except Exception:
            log.exception("%s failed", method)
            raise RpcError("the daemon met a bug; see its log") from None

    def _check(self, token, method):
        if self._access.token is None or method in FREE:
            return
        if not (self._is_right_header(method) or token and self._is_right(token)):
            raise RpcError(UNAUTHORIZED)
        self.is_known = True

    def greet(self):
        """Look at the Authorization header alone, for a WebSocket that opens."""
        self.is_known = self.is_known or self._is_right_header("")

    def _is_right(self, token):
        """Return whether that is the token; the same one is counted once."""
        if self._last[0] != token or self.wait:
            self._last = token, self._judge(token.encode("utf-8", "replace"))
        return self._last[1]

    def _is_right_header(self, method):
        if self._by_header is None:
            given, site = self._access.given(self._headers), self._access.foreign_site(self._headers)
            self._by_header = bool(given) and site is None and self._judge(given)
        is_ambient = self._by_link and not self._headers.get("authorization", "").lower().startswith("bearer ")
        return self._by_header and not (is_ambient and _READING.match(method) is None)

    def _judge(self, given):
        is_right, self.wait = self._access.judge(given, self._address)
        return is_right


# -- the ways in ------------------------------------------------------------------------

def post_call(daemon, request):
    caller = Caller(request)
    return caller.refusal() or _reply(jsonrpc.answer(request.body, caller.call), caller)


def get_call(daemon, request):
    """Open a WebSocket, or answer a call in the query: method, id and params in base64."""
    if frames.asks_for_websocket(request.headers):
        return _open_websocket(request)
    if "jsoncallback" in request.query:
        return _refusal(400, "JSONP is not spoken here; use POST")
    if request.method != "GET":
        return _refusal(400, "Invalid Request.")
    caller = Caller(request, by_link=True)
    return caller.refusal() or _reply(jsonrpc.answer_to(_in_query(request.query), caller.call), caller)


def refuse_xml(daemon, request):
    """Tell a client of aria2's other interface where this one is."""
    raise NotFound("XML-RPC is not spoken here; use /jsonrpc")


def refuse(status, sentence, headers=(), **rest):
    """Return the Reply to a request that cannot be read; `rest` is for REST's envelope."""
    return _refusal(400 if status < 500 else status, sentence, headers=headers)


def _refusal(status, sentence, code=INVALID_REQUEST, headers=()):
    return Reply(status, JSON_HEADERS + list(headers), jsonrpc.failure(sentence, code).body)


def _reply(answer, caller):
    headers = JSON_HEADERS + [("Retry-After", str(caller.wait))] if caller.wait else JSON_HEADERS
    return Reply(429 if caller.wait else 200 if answer.ok else 400, headers, answer.body)


def _in_query(query):
    """Return the request in a query, None if it cannot be read."""
    params = []
    if "params" in query:
        try:        # a plus sign was taken for a blank
            text = query["params"].replace(" ", "+")
            params = parse_json(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
        except (ValueError, InvalidValue):
            return None
    call = {name: query[name] for name in ("id", "method") if name in query}
    if call:
        return dict(call, params=params)
    return params if "params" in query else None


def _open_websocket(request):
    problem = frames.handshake_error(request.headers)
    if problem is not None:
        version = [("Sec-WebSocket-Version", "13")] if problem[0] == 426 else []
        return _refusal(*problem, headers=version)
    caller, server = Caller(request), request.server
    refused = caller.refusal()
    if refused:
        return refused
    caller.greet()

    def answer(data):
        def work():
            return jsonrpc.answer(data, caller.call).body
        return server.large_requests.do(len(data), work)

    return Reply(101, [("Upgrade", "websocket"), ("Connection", "Upgrade"),
                       ("Sec-WebSocket-Accept", frames.accept_key(request.headers))],
                 Session(answer, caller, server.aria2.notifications))
