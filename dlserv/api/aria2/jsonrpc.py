"""JSON-RPC 2.0 as aria2 speaks it: requests and parameters taken apart, answers encoded.

`call(method, params)`, which does the calls, returns a plain value or raises RpcError.

Where aria2 departs from the specification its clients depend on it: a missing `jsonrpc`
is fine, an id may be anything, an unknown method is code 1, and what is not an object in a
batch is skipped.
"""

from collections import namedtuple

from ...errors import Error, InvalidValue
from ..replies import to_json
from ..requests import parse_json

FAILED = 1                      # whatever the method itself objects to
PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS = -32700, -32600, -32602
MULTICALL = "system.multicall"
MOST = 1000                     # calls in a batch, and in a multicall
LONGEST = 2 ** 26               # bytes of an answer; errors stand for what would be more

Answer = namedtuple("Answer", "ok body")    # `ok` is False if it is a single error


class RpcError(Error):
    """The code and the message for the client."""

    def __init__(self, message, code=FAILED):
        super().__init__(message)
        self.code = code


# -- requests and answers ---------------------------------------------------------------

def answer(data, call):
    """Return the Answer to the bytes of a request."""
    try:
        request = parse_json(data)
    except InvalidValue:
        return failure("Parse error.", PARSE_ERROR)
    return answer_to(request, call)


def answer_to(request, call):
    """Return the Answer to a request that is parsed; only an object or a list is one."""
    if isinstance(request, dict):
        return _answer_one(request, call)
    if not isinstance(request, list):
        return failure("Invalid Request.", INVALID_REQUEST)
    if len(request) > MOST:
        return failure(f"a batch has at most {MOST} calls", INVALID_REQUEST)
    return Answer(True, _as_list((_answer_one(each, call).body, each.get("id"))
                                 for each in request if isinstance(each, dict)))


def failure(message, code, identity=None):
    """Return the Answer that is this error."""
    return Answer(False, _encode(identity, b"error", _error(message, code)))


def notification(method, gid):
    return to_json({"jsonrpc": "2.0", "method": method, "params": [{"gid": gid}]})


def _answer_one(request, call):
    identity, method, params = request.get("id"), request.get("method"), request.get("params", [])
    try:
        if "id" not in request or not isinstance(method, str):
            raise RpcError("Invalid Request.", INVALID_REQUEST)
        if not isinstance(params, list):
            raise RpcError("Invalid params.", INVALID_PARAMS)
        result = _multicall(params, call) if method == MULTICALL else to_json(call(method, params))
    except RpcError as error:
        return failure(str(error), error.code, identity)
    return Answer(True, _encode(identity, b"result", result))


def _multicall(params, call):
    """Return the encoded results of the calls; each has a token of its own."""
    entries = array(without_token(params)[1], 0)
    if len(entries) > MOST:
        raise RpcError(f"{MULTICALL} takes at most {MOST} calls")
    return _as_list((_answer_entry(entry, call), None) for entry in entries)


def _answer_entry(entry, call):
    try:
        return b"[" + to_json(_call_entry(entry, call)) + b"]"
    except RpcError as error:
        return _error(str(error), error.code)


def _call_entry(entry, call):
    if not isinstance(entry, dict):
        raise RpcError("system.multicall expected struct.")
    method, params = entry.get("methodName"), entry.get("params")
    if not isinstance(method, str):
        raise RpcError("Missing methodName.")
    if method == MULTICALL:
        raise RpcError("Recursive system.multicall forbidden.")
    return call(method, params if isinstance(params, list) else [])


def _error(message, code):
    return to_json({"code": code, "message": message})


def _encode(identity, name, value):
    return b'{"id":' + to_json(identity) + b',"jsonrpc":"2.0","' + name + b'":' + value + b"}"


def _as_list(pairs):
    """Return the encoded list of (encoded value, its id or None)."""
    parts, size, message = [], 0, "the answer would be too large; ask for less at a time"
    for part, identity in pairs:
        if size + len(part) > LONGEST:
            part = _error(message, FAILED) if identity is None else failure(message, FAILED, identity).body
        size += len(part)
        parts.append(part)
    return b"[" + b",".join(parts) + b"]"


# -- parameters, checked as aria2 checks them -------------------------------------------

def without_token(params):
    """Return (the token or None, the other parameters); "token:…" is always one."""
    if params and isinstance(params[0], str) and params[0].startswith("token:"):
        return params[0][len("token:"):], params[1:]
    return None, params


def string(params, index):
    return _required(params, index, str)


def array(params, index):
    return _required(params, index, list)


def struct(params, index):
    return _required(params, index, dict)


def integer(params, index, least=None):
    """Return the whole number at the index, at least `least`; aria2 drops a fraction."""
    number = int(_required(params, index, (int, float)))
    if least is not None and number < least:
        raise RpcError(f"The integer parameter at {index} has invalid value: "
                       f"the value must be greater than or equal to {least}.")
    return number


def optional(kind, params, index, default):
    return kind(params, index) if index < len(params) else default


def strings(items):
    """Return those of the list that are strings; aria2 passes over the others."""
    return [each for each in items if isinstance(each, str)]


def _required(params, index, kind):
    if index >= len(params):
        raise RpcError(f"The parameter at {index} is required but missing.")
    value = params[index]
    is_huge = isinstance(value, float) and not abs(value) < 2 ** 63
    if not isinstance(value, kind) or isinstance(value, bool) or is_huge:
        raise RpcError(f"The parameter at {index} has wrong type.")
    return value
