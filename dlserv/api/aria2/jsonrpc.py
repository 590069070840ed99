"""JSON-RPC 2.0 as aria2 speaks it: requests taken apart, answers encoded.

`answer` turns the bytes of a request into an Answer. What a call does is the business of
`call(method, params)`, which returns a plain value or raises RpcError. Knows no socket,
no token and no method but system.multicall.

Where aria2 departs from the specification its clients depend on it: a missing `jsonrpc`
is fine, an id may be anything, an unknown method is code 1, and what is not an object in a
batch is skipped.
"""

import json
from collections import namedtuple

from ...errors import Error, InvalidValue
from ...units import safe_json
from ..requests import parse_json

FAILED = 1                      # whatever the method itself objects to
PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS = -32700, -32600, -32602
MULTICALL = "system.multicall"
MOST = 1000                     # calls in a batch, and in a multicall
LONGEST = 2 ** 26               # bytes of an answer; whoever asks for more gets errors instead

Answer = namedtuple("Answer", "ok body")    # `ok` is False if it is a single error


class RpcError(Error):
    """A call has failed: the code and the message for the client."""

    def __init__(self, message, code=FAILED):
        super().__init__(message)
        self.code = code

    def as_value(self):
        """Return the error as it stands in a response."""
        return {"code": self.code, "message": str(self)}


def answer(data, call):
    """Return the Answer to the bytes of a request."""
    try:
        request = parse_json(data)
    except InvalidValue:
        return failure(RpcError("Parse error.", PARSE_ERROR))
    return answer_to(request, call)


def answer_to(request, call):
    """Return the Answer to a request that is parsed; only an object or a list is one."""
    if isinstance(request, dict):
        return _answer_one(request, call)
    if not isinstance(request, list):
        return failure(RpcError("Invalid Request.", INVALID_REQUEST))
    if len(request) > MOST:
        return failure(RpcError(f"a batch has at most {MOST} calls", INVALID_REQUEST))
    answers = _Bounded()
    for each in request:
        if isinstance(each, dict):
            answers.add(_answer_one(each, call).body, each.get("id"))
    return Answer(True, b"[" + b",".join(answers.parts) + b"]")


def failure(error, identity=None):
    """Return the Answer that is this RpcError."""
    return Answer(False, _encode(identity, b"error", _json(error.as_value())))


def notification(method, gid):
    """Return the message that tells a client what happened to a download."""
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": [{"gid": gid}]}).encode()


def _answer_one(request, call):
    identity, method, params = request.get("id"), request.get("method"), request.get("params", [])
    try:
        if "id" not in request or not isinstance(method, str):
            raise RpcError("Invalid Request.", INVALID_REQUEST)
        if not isinstance(params, list):
            raise RpcError("Invalid params.", INVALID_PARAMS)
        result = _multicall(params, call) if method == MULTICALL else _json(call(method, params))
    except RpcError as error:
        return failure(error, identity)
    return Answer(True, _encode(identity, b"result", result))


def _multicall(params, call):
    """Return the encoded results of the calls in the first parameter; each has a token of its own."""
    params = without_token(params)[1]
    if not params:
        raise RpcError("The parameter at 0 is required but missing.")
    if not isinstance(params[0], list):
        raise RpcError("The parameter at 0 has wrong type.")
    if len(params[0]) > MOST:
        raise RpcError(f"{MULTICALL} takes at most {MOST} calls")
    results = _Bounded()
    for entry in params[0]:
        try:
            results.add(b"[" + _json(_call_entry(entry, call)) + b"]")
        except RpcError as error:
            results.add(_json(error.as_value()))
    return b"[" + b",".join(results.parts) + b"]"


def _call_entry(entry, call):
    if not isinstance(entry, dict):
        raise RpcError("system.multicall expected struct.")
    method, params = entry.get("methodName"), entry.get("params", [])
    if not isinstance(method, str):
        raise RpcError("Missing methodName.")
    if method == MULTICALL:
        raise RpcError("Recursive system.multicall forbidden.")
    return call(method, params if isinstance(params, list) else [])


def without_token(params):
    """Return (the token or None, the other parameters): "token:…" as first parameter is always one."""
    if params and isinstance(params[0], str) and params[0].startswith("token:"):
        return params[0][len("token:"):], params[1:]
    return None, params


def _json(value):
    return safe_json(value).encode()


def _encode(identity, name, value):
    return b'{"id":' + _json(identity) + b',"jsonrpc":"2.0","' + name + b'":' + value + b"}"


class _Bounded:
    """Encoded values, LONGEST bytes of them; an error stands for each that would be more."""

    def __init__(self):
        self.parts, self._size = [], 0

    def add(self, part, identity=None):
        if self._size + len(part) > LONGEST:
            error = RpcError("the answer would be too large; ask for less at a time")
            part = _json(error.as_value()) if identity is None else failure(error, identity).body
        self._size += len(part)
        self.parts.append(part)
