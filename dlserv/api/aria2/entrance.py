"""The ways in for calls: a POST, a GET, or a WebSocket on the same path.

The body of a POST is read whatever its Content-Type says, because clients send anything.
Every answer is JSON-RPC, also to what never becomes a call.
"""

import base64
import binascii

from ...errors import InvalidValue, NotFound
from ..replies import Reply
from ..requests import parse_json
from . import frames
from .jsonrpc import FAILED, INVALID_REQUEST, RpcError, failure
from .session import Session

_HEADERS = [("Content-Type", "application/json; charset=utf-8"), ("Cache-Control", "no-store")]


def post_call(daemon, request):
    """Answer a call, a batch or a multicall."""
    door = request.server.aria2
    caller = door.caller(request)
    return _refused(caller) or _reply(door.answer(caller, request.body), caller)


def get_call(daemon, request):
    """Open a WebSocket, or answer a call in the query: method, id and params in base64."""
    if frames.asks_for_websocket(request.headers):
        return _open_websocket(request)
    if "jsoncallback" in request.query:
        return refusal(400, "JSONP is not spoken here; use POST", INVALID_REQUEST)
    if request.method != "GET":
        return refusal(400, "Invalid Request.", INVALID_REQUEST)
    door = request.server.aria2
    caller = door.caller(request, by_link=True)
    return _refused(caller) or _reply(door.answer_to(caller, _in_query(request.query)), caller)


def refuse_xml(daemon, request):
    """Tell a client of aria2's other interface where this one is."""
    raise NotFound("XML-RPC is not spoken here; use /jsonrpc")


def refuse(status, sentence, headers=(), **rest):
    """Return the Reply to a request that cannot be read; `rest` is for REST's envelope."""
    return refusal(400 if status < 500 else status, sentence, INVALID_REQUEST, headers)


def refusal(status, sentence, code=FAILED, headers=()):
    """Return the Reply to what is refused as a whole."""
    return Reply(status, _HEADERS + list(headers), failure(RpcError(sentence, code)).body)


def _refused(caller):
    """Return the Reply to a caller that is not let in, otherwise None."""
    sentence = caller.refusal()
    return sentence and refusal(403, sentence)


def _reply(answer, caller):
    headers = _HEADERS + [("Retry-After", str(caller.wait))] if caller.wait else _HEADERS
    return Reply(429 if caller.wait else 200 if answer.ok else 400, headers, answer.body)


def _in_query(query):
    """Return the request that a query stands for, None for one that cannot be read."""
    params = []
    if "params" in query:
        try:        # a plus sign was taken for a blank
            text = query["params"].replace(" ", "+")
            params = parse_json(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
        except (binascii.Error, ValueError, InvalidValue):
            return None
    if "method" not in query and "id" not in query:
        return params if "params" in query else None
    return dict({name: query[name] for name in ("id", "method") if name in query}, params=params)


def _open_websocket(request):
    """Return the 101 whose body goes on with the connection."""
    problem = frames.handshake_error(request.headers)
    if problem is not None:
        version = [("Sec-WebSocket-Version", "13")] if problem[0] == 426 else []
        return refusal(problem[0], problem[1], INVALID_REQUEST, version)
    server = request.server
    caller = server.aria2.caller(request)
    refused = _refused(caller)
    if refused:
        return refused
    caller.greet()

    def answer(data):
        def work():
            return server.aria2.answer(caller, data).body
        return server.large_requests.do(len(data), work)

    return Reply(101, [("Upgrade", "websocket"), ("Connection", "Upgrade"),
                       ("Sec-WebSocket-Accept", frames.accept_key(request.headers))],
                 Session(answer, caller, server.aria2.notifications))
