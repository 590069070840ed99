"""The parameters of a call, checked as aria2 checks them; messages are aria2's own."""

from .jsonrpc import RpcError


def string(params, index):
    """Return the string at the index. Raise RpcError."""
    return _required(params, index, str)


def array(params, index):
    """Return the list at the index. Raise RpcError."""
    return _required(params, index, list)


def struct(params, index):
    """Return the object at the index. Raise RpcError."""
    return _required(params, index, dict)


def integer(params, index, least=None):
    """Return the whole number at the index, at least `least`. Raise RpcError."""
    number = int(_required(params, index, int))
    if least is not None and number < least:
        raise RpcError(f"The integer parameter at {index} has invalid value: "
                       f"the value must be greater than or equal to {least}.")
    return number


def optional(kind, params, index, default):
    """Return what `kind` returns, the default if there is no such parameter. Raise RpcError."""
    return kind(params, index) if index < len(params) else default


def strings(items):
    """Return those of the list that are strings; aria2 passes over the others."""
    return [each for each in items if isinstance(each, str)]


def _required(params, index, kind):
    if index >= len(params):
        raise RpcError(f"The parameter at {index} is required but missing.")
    value = params[index]
    if kind is int and isinstance(value, float) and abs(value) < 2 ** 63:
        return value                # aria2 drops the fraction
    if not isinstance(value, kind) or kind is int and isinstance(value, bool):
        raise RpcError(f"The parameter at {index} has wrong type.")
    return value
