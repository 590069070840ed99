"""The interface described for machines: OpenAPI 3.1, made from the route table and schemas.py.

A row of ROUTES names the schemas of its body and reply.
"""

import re

from ..contract import ACTS, MOVE, PLACES, STATES
from ..version import __version__
from .schemas import COUNT, STRING, TID, ref, schemas

TAGS = {"tasks": "One task, or the list of them.", "batch": "Many tasks at once.",
        "archive": "What was downloaded and deleted since.",
        "settings": "The settings of the daemon.", "events": "What happens, as it happens.",
        "system": "The daemon itself."}

_BOOLEAN = {"type": "boolean"}
_SAME = "another spelling of exerpt"

# The parameters of queries: name: (schema, description).
_PARAMETERS = {
    "act": ({"type": "string", "enum": list(ACTS) + [MOVE]}, "what to do to the task"),
    "to": ({"anyOf": [{"type": "string", "enum": list(PLACES)}, {"type": "integer", "minimum": 0}]},
           "where in the queue, for act=move; an index counts all tasks that wait"),
    "del_file": (_BOOLEAN, "delete the files of the task as well"),
    "exerpt": (_BOOLEAN, "whether to reply with the excerpt of a task instead of its full status"),
    "excerpt": (_BOOLEAN, _SAME),
    "rows": (_BOOLEAN, "whether to reply with rows, as GET /events shows tasks"),
    "history": (_BOOLEAN, "whether to add the speed of the last ten minutes"),
    "origins": (_BOOLEAN, "whether to add where each setting was set"),
    "state": ({"type": "string", "enum": ["all"] + list(STATES)}, "only tasks in this state"),
    "offset": (COUNT, "tasks or entries to skip"), "limit": (COUNT, "most tasks or entries to reply with"),
    "repeat": (_BOOLEAN, "whether to add what the archive has as well"),
}

# The headers that an operation heeds: {operation: {name: description}}.
_CONDITIONS = {
    "getTaskFile": {
        "Range": "the bytes to send, as bytes=first-last", "If-Range": "the ETag that the range is of",
        "If-Match": "the ETag that the file must have, else 412",
        "If-None-Match": "the ETag that the client has, for a 304",
        "If-Modified-Since": "an HTTP date; 304 for a file that is no newer",
        "If-Unmodified-Since": "an HTTP date; 412 for a file that is newer"},
    "getEvents": {"Last-Event-ID": "the id of the last event that was read, to go on from there"},
}

# The meanings of HTTP statuses other than 200.
_MEANINGS = {
    206: "the range", 207: "some were refused or failed; the others are done",
    304: "the client has it already",
    400: "a value is wrong or the request malformed", 401: "the token is missing or wrong",
    403: "this host, site or change is not allowed", 404: "there is no such task",
    408: "the body did not come in time",
    409: "the state of the task does not permit it, or the URL is already added", 411: "the body is missing",
    412: "the file is another one", 413: "the body is too large", 415: "the body is of another type",
    416: "the range is beyond the file", 429: "too many wrong tokens; Retry-After tells the seconds to wait",
    500: "the daemon met a bug", 503: "the database, a disk or the daemon is not available"}

_HEADERS = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}
_BYTES = {"type": "string", "format": "binary"}
_UNNAMED = {"application/octet-stream": _BYTES, "application/json": {"type": "object"}}


def document(routes, prefix, fixed, needs_token):
    """Return the description as a dict.

    `prefix` is server.prefix, `fixed` the names of the settings that are read-only.
    """
    paths = {}
    for route in routes:
        if route.tag is not None:
            path = route.path.replace("<", "{").replace(">", "}")
            paths.setdefault(path, {})[route.method.lower()] = _operation(route)
    open_to_all = [] if needs_token else [{}]
    return {
        "openapi": "3.1.0",
        "info": {"title": "dlserv", "version": __version__, "description": "A download daemon.",
                 "license": {"name": "MIT", "identifier": "MIT"}},
        "servers": [{"url": prefix or "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {"schemas": schemas(fixed), "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"}, "basic": {"type": "http", "scheme": "basic"}}},
        "security": open_to_all + [{"bearer": []}, {"basic": []}],
    }


def _operation(route):
    operation = {
        "operationId": route.name, "tags": [route.tag], "summary": route.summary,
        "parameters": _path_parameters(route) + [_query_parameter(name) for name in route.query]
        + _header_parameters(route),
        "responses": dict(_successes(route), **{str(status): _error(status) for status in _errors(route)}),
    }
    if route.public:
        operation["security"] = []
    if route.body:
        operation["requestBody"] = {"required": True, "content": _body(route.body)}
    return operation


def _path_parameters(route):
    return [{"name": name, "in": "path", "required": True, "schema": TID, "description": "the task's id"}
            for name in re.findall("<(.*?)>", route.path)]


def _query_parameter(name):
    schema, description = _PARAMETERS[name]
    return {"name": name, "in": "query", "required": name == "act", "schema": schema,
            "description": description}


def _header_parameters(route):
    return [{"name": name, "in": "header", "required": False, "schema": STRING, "description": description}
            for name, description in _CONDITIONS.get(route.name, {}).items()]


def _successes(route):
    """Return {status: response}."""
    schema = ref(route.reply) if route.reply else _UNNAMED.get(route.media_type, STRING)
    whole = {"description": "success", "content": {route.media_type: {"schema": schema}}}
    if not route.path.endswith("/file"):
        return {"200": whole}
    whole["content"]["*/*"] = {"schema": schema}        # such as video/mp4
    return {"200": whole, "206": dict(whole, description=_MEANINGS[206]),
            "304": {"description": _MEANINGS[304]}}


def _errors(route):
    """Return the HTTP statuses other than success that the row may lead to, in order."""
    found = set(route.errors) | {500, 503}
    found |= set() if route.public else {401, 403, 429}
    found |= {404} if "<tid>" in route.path else set()
    found |= {400, 408, 411, 413, 415} if route.body else {400} if route.query else set()
    return sorted(found)


def _error(status):
    schema = "many_errors" if status == 207 else "error"
    response = {"description": _MEANINGS[status], "content": {"application/json": {"schema": ref(schema)}}}
    if status in _HEADERS:
        response["headers"] = {_HEADERS[status]: {"schema": STRING}}
    return response


def _body(name):
    content = {"application/json": {"schema": ref(name)}}
    if name == "task":
        content["application/x-www-form-urlencoded"] = {"schema": ref("task_form")}
    if name == "change":
        content["application/merge-patch+json"] = {"schema": ref(name)}
    return content
