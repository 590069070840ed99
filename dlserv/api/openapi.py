"""The interface as OpenAPI 3.1, made from the route table and the JSON Schemas below."""

import http
import re

from ..contract import ACTS, MOVE, PLACES, STATES
from ..errors import REASONS
from ..settings import config, options
from ..version import __version__
from .replies import CODES, FAILURES

_STRING = {"type": "string"}
_NUMBER = {"type": "number"}
_BOOLEAN = {"type": "boolean"}
_COUNT = {"type": "integer", "minimum": 0}
_TID = dict(_STRING, pattern="^[0-9a-f]{40}$", description="SHA-1 of the URL as it was posted")
_TIME = dict(_NUMBER, description="epoch seconds; 0 for never")
_NULL = {"type": "null"}
_NULLABLE = {"type": ["string", "null"]}


def _enum(words):
    return {"type": "string", "enum": list(words)}


def _list(items, **more):
    return dict({"type": "array", "items": items}, **more)


def _any(*schemas, **more):
    return dict({"anyOf": schemas}, **more)


# The parameters of queries: name: (schema, description).
_PARAMETERS = {
    "act": (_enum(ACTS + (MOVE,)), "what to do to the task"),
    "to": (_any(_enum(PLACES), _COUNT), "for act=move: where in the queue; an index counts all tasks that wait"),
    "del_file": (_BOOLEAN, "delete the files as well"),
    "exerpt": (_BOOLEAN, "reply with the excerpt of a task, not its full status"),
    "excerpt": (_BOOLEAN, "another spelling of exerpt"),
    "rows": (_BOOLEAN, "reply with rows, as GET /events shows tasks"),
    "history": (_BOOLEAN, "add the speed of the last ten minutes"),
    "origins": (_BOOLEAN, "add where each setting was set"),
    "state": (_enum(("all",) + STATES), "only tasks in this state"),
    "offset": (_COUNT, "tasks or entries to skip"), "limit": (_COUNT, "most tasks or entries to reply with"),
    "repeat": (_BOOLEAN, "add what the archive has as well"),
}

# The headers that an operation heeds: {path: (description, names)}.
_CONDITIONS = {
    "/task/tid/<tid>/file": ("see RFC 9110, sections 13 and 14", (
        "Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since")),
    "/events": ("the id of the last event that was read, to go on from there", ("Last-Event-ID",)),
}

# The meanings of HTTP statuses whose phrases do not say enough.
_MEANINGS = {
    207: "some were refused or failed; the others are done",
    403: "this host, site or change is not allowed",
    409: "the state of the task does not permit it, or the URL is already added",
    412: "the file is another one",
    429: "too many wrong tokens; Retry-After tells the seconds to wait",
    503: "the database, a disk or the daemon is not available"}

_HEADERS = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}
_UNNAMED = {"application/octet-stream": dict(_STRING, format="binary"), "application/json": {"type": "object"}}


def document(routes, server, fixed):
    """Return the description as a dict; `fixed` names the settings that are read-only."""
    shown, paths = [route for route in routes if route.tag is not None], {}
    for route in shown:
        path = route.path.replace("<", "{").replace(">", "}")
        paths.setdefault(path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "dlserv", "version": __version__, "description": "A download daemon.",
                 "license": {"name": "MIT", "identifier": "MIT"}},
        "servers": [{"url": server.settings.prefix or "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in shown)],
        "paths": paths,
        "components": {"schemas": dict(_bodies(fixed), **_replies(), **_parts()), "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"}, "basic": {"type": "http", "scheme": "basic"}}},
        "security": [{}] * (server.access.token is None) + [{"bearer": []}, {"basic": []}],
    }


# -- operations ---------------------------------------------------------------------------

def _operation(route):
    parameters = [_parameter("path", name, "the task's id", _TID) for name in re.findall("<(.*?)>", route.path)]
    for name in route.query:
        schema, description = _PARAMETERS[name]
        parameters.append(_parameter("query", name, description, schema, required=name == "act"))
    description, names = _CONDITIONS.get(route.path, ("", ()))
    for name in names:
        parameters.append(_parameter("header", name, description, _STRING, required=False))
    operation = {
        "operationId": route.name or _camel_case(route.function.__name__), "tags": [route.tag],
        "summary": route.summary, "parameters": parameters,
        "responses": dict(_successes(route), **{str(status): _error(status) for status in _errors(route)}),
    }
    if route.public:
        operation["security"] = []
    if route.body:
        operation["requestBody"] = {"required": True, "content": _body(route.body)}
    return operation


def _camel_case(name):
    return re.sub("_(.)", lambda match: match.group(1).upper(), name)


def _parameter(where, name, description, schema, required=True):
    return {"name": name, "in": where, "required": required, "schema": schema, "description": description}


def _successes(route):
    schema = _ref(route.reply) if route.reply else _UNNAMED.get(route.media_type, _STRING)
    whole = {"description": "success", "content": {route.media_type: {"schema": schema}}}
    if not route.path.endswith("/file"):
        return {"200": whole}
    whole["content"]["*/*"] = {"schema": schema}        # such as video/mp4
    return {"200": whole, "206": dict(whole, description=_meaning(206)), "304": {"description": _meaning(304)}}


def _meaning(status):
    return _MEANINGS.get(status) or http.HTTPStatus(status).phrase


def _errors(route):
    """Return the HTTP statuses other than success that the row may lead to."""
    found = set(route.errors) | {500, 503}
    found |= set() if route.public else {401, 403, 429}
    found |= {404} if "<tid>" in route.path else set()
    found |= {400, 408, 411, 413, 415} if route.body else {400} if route.query else set()
    return sorted(found)


def _error(status):
    schema = _ref("many_errors" if status == 207 else "error")
    response = {"description": _meaning(status), "content": {"application/json": {"schema": schema}}}
    if status in _HEADERS:
        response["headers"] = {_HEADERS[status]: {"schema": _STRING}}
    return response


def _body(name):
    content = {"application/json": {"schema": _ref(name)}}
    if name == "task":
        content["application/x-www-form-urlencoded"] = {"schema": _ref("task_form")}
    if name == "change":
        content["application/merge-patch+json"] = {"schema": _ref(name)}
    return content


# -- schemas ------------------------------------------------------------------------------

def _ref(name):
    return {"$ref": "#/components/schemas/" + name}


def _object(optional=(), **required):
    """Return the schema of an object with these properties; later versions may add others."""
    return {"type": "object", "properties": dict(optional, **required), "required": list(required)}


def _closed(optional=(), **required):
    return dict(_object(optional, **required), additionalProperties=False)


def _reply(optional=(), **required):
    return _object(optional, status=dict(_STRING, const="success"), **required)


def _failure(optional=(), **required):
    optional = dict(optional, key=dict(_STRING, description="the field that was wrong"),
                    tid=dict(_STRING, description="the task that has the URL already"))
    return _object(optional, status=dict(_STRING, const="error"), code=_ref("error_code"),
                   errmsg=dict(_STRING, description="one sentence for people"), **required)


_STRINGS = _list(_STRING)
_PAIRS = _list({"type": "array", "prefixItems": [_NULLABLE, _STRING], "minItems": 2, "maxItems": 2})
_HAD = dict(_PAIRS, description="[URL, reason] of each that the archive has")


def _bodies(fixed):
    old = {"type": "object", "description": "options of older clients; unknown ones are noted in the log"}
    task = _closed({"options": _any(_ref("options"), _NULL), "ydl_opts": old}, url=_STRING)
    change = _closed({"url": _NULLABLE, "options": _any(_ref("changes"), _NULL)})
    del_file = _any(_BOOLEAN, _enum(["true", "false"]), description="for /task/batch/delete: the files as well")
    settings = {section: _settings(table, fixed) for section, table in config.SECTIONS.items()}
    return {
        "options": _nullable("null means not given"),
        "changes": _nullable("null resets the option to its default"),
        "task": dict(task, examples=[{"url": "https://example.org/file.iso", "options": {"priority": 1}}]),
        "change": dict(change, examples=[{"options": {"ratelimit": "512K", "connections": None}}]),
        "tasks": dict(_closed(tasks=_list(_any(_STRING, _ref("task")))),
                      examples=[{"tasks": ["https://example.org/file.iso"]}]),
        "task_form": _object(dict.fromkeys(options.TABLE.fields, _STRING), url=_STRING),
        "tids": _any(_STRINGS, _ref("tid_list"), examples=[{"tids": []}]),
        "tid_list": _closed({"del_file": del_file}, tids=_STRINGS),
        "config": dict(_closed(settings), examples=[{"download": {"ratelimit": "2M"}}]),
    }


def _nullable(meaning):
    schema = options.TABLE.json_schema()
    for name, field in schema["properties"].items():
        doc = field.pop("description")
        schema["properties"][name] = _any(field, _NULL, description=doc)
    return dict(schema, description=meaning)


def _settings(table, fixed):
    schema = table.json_schema()
    if schema["type"] == "array":
        return dict(schema, readOnly=True)
    for name, field in schema["properties"].items():
        if f"{table.where}.{name}" in fixed or table.where in config.AUTOMATION:
            field["readOnly"] = True
    return schema


def _replies():
    origins = {"type": "object", "additionalProperties": _NULLABLE,
               "description": "where each setting was set, null for a default"}
    fixed = _list(_STRING, description="settings that deny_private has made read-only")
    repaired = dict(_STRING, description="what was repaired at the start; only for those with the token or on "
                                         "this machine")
    return {
        "done": _reply(), "added": _reply(tid=_TID),
        "added_many": _reply({"had_already": _HAD}, tids=_STRINGS),
        "archive": _reply(count=_COUNT, detail=_list(_ref("entry"))),
        "forgotten": _reply(count=_COUNT),
        "deleted": _reply({"detail": _ref("removal")}),
        "status_reply": _reply(detail=_any(_ref("status"), _ref("excerpt"))),
        "info_reply": _reply(detail=_ref("info")),
        "task_list": _reply(state_counter=_ref("counts"),
                            detail=_list(_any(_ref("status"), _ref("row"), _ref("excerpt")))),
        "counts_reply": _reply(detail=_ref("counts")),
        "folders": _reply(detail=_STRINGS, complete=_BOOLEAN),
        "config_reply": _reply({"origins": origins, "fixed": fixed}, config=_ref("config")),
        "stats": _reply({"window": _any(_ref("window"), _NULL), "history": _ref("speed_history")},
                        speed=_NUMBER, downloaded_bytes=_COUNT, connections=_COUNT,
                        free_bytes={"type": ["integer", "null"]}, uptime=_NUMBER, version=_STRING),
        "health": _reply({"repaired": repaired}),
        "error": _failure(),
        "many_errors": _failure({"tids": _STRINGS, "had_already": _HAD}, detail=_PAIRS),
    }


def _window():
    rows = config.AUTOMATION["schedule"].json_schema()["items"]["properties"]
    until = {"type": ["number", "null"], "description": "epoch seconds; null if it never ends"}
    return dict(_object(until=until, **rows), description="the window of the schedule that counts, and until when")


def _parts():
    codes = sorted(set(CODES.values()) | {row[2] for row in FAILURES if row[2]} | {"malformed"})
    common = dict(total_bytes=_COUNT, filename=_STRING, create_time=_TIME, finish_time=_TIME)
    progress = dict(common, downloaded_bytes=_COUNT, connections=_COUNT, error=_NULLABLE,
                    reason=_any(_ref("reason"), _NULL))
    excerpt = dict(tid=_TID, state=_ref("state"), title=_STRING, percent=_STRING, total_bytes=_COUNT,
                   speed=_NUMBER, eta=_NUMBER)
    return {
        "excerpt": _object(**excerpt),
        "row": _object(**dict(progress, **excerpt), name=_STRING, priority={"type": "integer"}, place=_NUMBER),
        "status": _object(**dict(progress, **excerpt), url=_STRING, tmpfilename=_STRING, total_bytes_estmt=_COUNT,
                         elapsed=_NUMBER, start_time=_TIME, pause_time=_TIME, retries=_COUNT,
                         log=_list(_ref("log_entry"))),
        "info": _object(**common, tid=_TID, url=_STRING, final_url=_STRING, title=_STRING, ext=_STRING,
                       format=_STRING, etag=_NULLABLE, last_modified=_NULLABLE, resumable=_BOOLEAN,
                       checksum=_NULLABLE, verified_time=_TIME, options={"type": "object"}),
        "state": _enum(STATES),
        "reason": _enum(REASONS),
        "error_code": dict(_enum(codes), description="one word for programs"),
        "log_entry": _object(time={"type": "integer"}, msg=_STRING, type=_enum(
            ["debug", "info", "warning", "error", "fatal"])),
        "window": _window(),
        "speed_history": _object(every=_NUMBER, speed=_list(_NUMBER)),
        "counts": _object(all=_COUNT, **dict.fromkeys(STATES, _COUNT)),
        "entry": _object(tid=_TID, time=_TIME, size=_COUNT, sha256=_NULLABLE),
        "removal": _object(deleted=_STRINGS, missing=_STRINGS, kept=_PAIRS),
    }
