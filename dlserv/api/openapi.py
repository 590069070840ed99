"""The interface described for machines: OpenAPI 3.1, made from the route table and the tables of settings.

Every schema is plain data below; a row of ROUTES names those of its body and reply.
"""

import re

from ..acts import ACTS, MOVE, PLACES
from ..contract import STATES
from ..errors import REASONS
from ..settings import config, options
from ..version import __version__
from .replies import CODES, FAILURES

TAGS = {"tasks": "One task, or the list of them.", "batch": "Many tasks at once.",
        "archive": "What was downloaded and deleted since.",
        "settings": "The settings of the daemon.", "events": "What happens, as it happens.",
        "system": "The daemon itself."}

_BOOLEAN = {"enum": ["true", "false", "1", "0", "yes", "no"]}
_COUNT = {"type": "integer", "minimum": 0}
_SAME = "another spelling of exerpt"

# The parameters of queries: name: (schema, description).
_PARAMETERS = {
    "act": ({"enum": list(ACTS) + [MOVE]}, "what to do to the task"),
    "to": ({"anyOf": [{"enum": list(PLACES)}, {"type": "integer", "minimum": 0}]},
           "where in the queue, for act=move; an index counts all tasks that wait"),
    "del_file": (_BOOLEAN, "delete the files of the task as well"),
    "exerpt": (_BOOLEAN, "whether to reply with the excerpt of a task instead of its full status"),
    "excerpt": (_BOOLEAN, _SAME),
    "rows": (_BOOLEAN, "whether to reply with rows, as GET /events shows tasks"),
    "history": (_BOOLEAN, "whether to add the speed of the last ten minutes"),
    "origins": (_BOOLEAN, "whether to add where each setting was set"),
    "state": ({"enum": ["all"] + list(STATES)}, "only tasks in this state"),
    "offset": (_COUNT, "tasks or entries to skip"), "limit": (_COUNT, "most tasks or entries to reply with"),
    "repeat": (_BOOLEAN, "whether to add what the archive has as well"),
}

# The meanings of HTTP statuses other than 200.
_MEANINGS = {
    206: "the range", 207: "some were refused or failed; the others are done",
    304: "the client has it already",
    400: "a value is wrong or the request malformed", 401: "the token is missing or wrong",
    403: "this host, site or change is not allowed", 404: "there is no such task",
    409: "the state of the task does not permit it, or the URL is already added", 411: "the body is missing",
    412: "the file is another one", 413: "the body is too large", 415: "the body is of another type",
    416: "the range is beyond the file", 429: "too many wrong tokens; Retry-After tells the seconds to wait",
    500: "the daemon met a bug", 503: "the database, a disk or the daemon is not available"}

_HEADERS = {401: "WWW-Authenticate", 429: "Retry-After"}
_STRING = {"type": "string"}
_NUMBER = {"type": "number"}
_FLAG = {"type": "boolean"}
_TID = {"type": "string", "pattern": "^[0-9a-f]{40}$", "description": "SHA-1 of the URL as it was posted"}
_STRINGS = {"type": "array", "items": _STRING}
_NULLABLE = {"type": ["string", "null"]}
_TIME = {"type": "number", "description": "epoch seconds; 0 for never"}
_PAIRS = {"type": "array", "items": {"type": "array", "prefixItems": [_NULLABLE, _STRING],
                                     "minItems": 2, "maxItems": 2}}
_HAD = dict(_PAIRS, description="[URL, reason] of each that the archive has")


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
        "components": {"schemas": _schemas(fixed), "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"}, "basic": {"type": "http", "scheme": "basic"}}},
        "security": open_to_all + [{"bearer": []}, {"basic": []}],
    }


def _operation(route):
    operation = {
        "operationId": route.name, "tags": [route.tag], "summary": route.summary,
        "parameters": _path_parameters(route) + [_query_parameter(name) for name in route.query],
        "responses": dict(_successes(route), **{str(status): _error(status) for status in _errors(route)}),
    }
    if route.public:
        operation["security"] = []
    if route.body:
        operation["requestBody"] = {"required": True, "content": _body(route.body)}
    return operation


def _path_parameters(route):
    return [{"name": name, "in": "path", "required": True, "schema": _TID, "description": "the task's id"}
            for name in re.findall("<(.*?)>", route.path)]


def _query_parameter(name):
    schema, description = _PARAMETERS[name]
    return {"name": name, "in": "query", "required": name == "act", "schema": schema,
            "description": description}


def _successes(route):
    """Return {status: response}."""
    whole = {"description": "success", "content": {route.media_type: {
        "schema": _ref(route.reply) if route.reply else {}}}}
    if not route.path.endswith("/file"):
        return {"200": whole}
    return {"200": whole, "206": dict(whole, description=_MEANINGS[206]),
            "304": {"description": _MEANINGS[304]}}


def _errors(route):
    """Return the HTTP statuses other than success that the row may lead to, in order."""
    found = set(route.errors) | {500}
    found |= set() if route.public else {401, 403, 429}
    found |= {404} if "<tid>" in route.path else set()
    found |= {400, 411, 413, 415} if route.body else {400} if route.query else set()
    found |= set() if route.method == "GET" else {503}
    return sorted(found)


def _error(status):
    schema = "many_errors" if status == 207 else "error"
    response = {"description": _MEANINGS[status], "content": {"application/json": {"schema": _ref(schema)}}}
    if status in _HEADERS:
        response["headers"] = {_HEADERS[status]: {"schema": _STRING}}
    return response


def _body(name):
    content = {"application/json": {"schema": _ref(name)}}
    if name == "task":
        content["application/x-www-form-urlencoded"] = {"schema": {
            "type": "object", "required": ["url"],
            "properties": dict(dict.fromkeys(options.TABLE.fields, _STRING), url=_STRING)}}
    if name == "change":
        content["application/merge-patch+json"] = {"schema": _ref(name)}
    return content


def _ref(name):
    return {"$ref": "#/components/schemas/" + name}


# -- schemas ----------------------------------------------------------------------------

def _object(required=(), **properties):
    """Return the schema of an object without other keys."""
    return {"type": "object", "properties": properties, "required": list(required),
            "additionalProperties": False}


def _reply(required=(), **properties):
    """Return the schema of a successful reply; later versions may add keys."""
    return {"type": "object", "properties": dict(properties, status={"const": "success"}),
            "required": ["status"] + list(required)}


def _whole(**properties):
    """Return the schema of an object that has all these keys, and maybe more in later versions."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def _schemas(fixed):
    return dict(_bodies(fixed), **_replies(), **_parts())


def _bodies(fixed):
    posted = dict(url=_STRING, options=_nullable_object("options"))
    task = _object(["url"], **dict(posted, ydl_opts={
        "type": "object", "description": "options of older clients; unknown ones are noted in the log"}))
    settings = {section: _settings(table, fixed) for section, table in config.SECTIONS.items()}
    return {
        "options": _nullable("null means not given"),
        "changes": _nullable("null resets the option to its default"),
        "task": dict(task, examples=[{"url": "https://example.org/file.iso", "options": {"priority": 1}}]),
        "change": dict(_object(url={"type": ["string", "null"]}, options=_nullable_object("changes")),
                       examples=[{"options": {"ratelimit": "512K", "connections": None}}]),
        "tasks": dict(_object(["tasks"], tasks={
            "type": "array", "items": {"anyOf": [_STRING, _ref("task")]}}),
                      examples=[{"tasks": ["https://example.org/file.iso"]}]),
        "tids": {"anyOf": [_STRINGS, _object(["tids"], tids=_STRINGS, del_file={
            "anyOf": [_FLAG, {"enum": ["true", "false"]}]})], "examples": [{"tids": []}]},
        "config": dict(_object(**settings), examples=[{"download": {"ratelimit": "2M"}}]),
    }


def _nullable(meaning):
    """Return the schema of the options, each of which may be null."""
    schema = options.TABLE.json_schema()
    for name, field in schema["properties"].items():
        doc = field.pop("description")
        schema["properties"][name] = {"anyOf": [field, {"type": "null"}], "description": doc}
    return dict(schema, description=meaning)


def _nullable_object(name):
    return {"anyOf": [_ref(name), {"type": "null"}]}


def _settings(table, fixed):
    """Return the schema of a section; settings that the API may not change are read-only."""
    schema = table.json_schema()
    if schema["type"] == "array":
        return dict(schema, readOnly=True)
    for name, field in schema["properties"].items():
        if f"{table.where}.{name}" in fixed or table.where in config.AUTOMATION:
            field["readOnly"] = True
    return schema


def _replies():
    return {
        "done": _reply(), "added": _reply(["tid"], tid=_TID),
        "added_many": _reply(["tids"], tids=_STRINGS, had_already=_HAD),
        "archive": _reply(["detail", "count"], count=_COUNT, detail={
            "type": "array", "items": _ref("entry")}),
        "forgotten": _reply(["count"], count=_COUNT),
        "deleted": _reply(detail=_ref("removal")),
        "status_reply": _reply(["detail"], detail={"anyOf": [_ref("status"), _ref("excerpt")]}),
        "info_reply": _reply(["detail"], detail=_ref("info")),
        "list": _reply(["detail", "state_counter"], state_counter=_ref("counts"), detail={
            "type": "array", "items": {"anyOf": [_ref("status"), _ref("excerpt")]}}),
        "counts_reply": _reply(["detail"], detail=_ref("counts")),
        "folders": _reply(["detail", "complete"], detail=_STRINGS, complete=_FLAG),
        "config_reply": _reply(["config"], config=_ref("config"), origins={
            "type": "object", "additionalProperties": _NULLABLE,
            "description": "where each setting was set, null for a default"}, fixed={
            "type": "array", "items": _STRING,
            "description": "settings that cannot be changed because deny_private was set at the start"}),
        "stats": _reply(["speed", "downloaded_bytes", "connections", "free_bytes", "uptime", "version"],
                        speed=_NUMBER, downloaded_bytes=_COUNT, connections=_COUNT,
                        free_bytes={"type": ["integer", "null"]}, uptime=_NUMBER, version=_STRING,
                         window={"type": ["object", "null"], "description": "of the schedule, `until` when"},
                        history=_whole(every=_NUMBER, speed={"type": "array", "items": _NUMBER})),
        "health": _reply(repaired={"type": "string", "description": "what was repaired at the start; "
                                   "only for those with the token or on this machine"}),
        "error": _failure(),
        "many_errors": _failure(["detail"], detail=_PAIRS, tids=_STRINGS, had_already=_HAD),
    }


def _failure(required=(), **properties):
    codes = sorted(set(CODES.values()) | {row[2] for row in FAILURES if row[2]} | {"malformed"})
    properties.update(
        status={"const": "error"}, errmsg={"type": "string", "description": "one sentence for people"},
        code={"enum": codes, "description": "one word for programs"},
        key={"type": "string", "description": "the field that was wrong"},
        tid={"type": "string", "description": "the task that has the URL already"})
    return {"type": "object", "properties": properties,
            "required": ["status", "errmsg", "code"] + list(required)}


def _parts():
    excerpt = dict(tid=_TID, state={"enum": list(STATES)}, title=_STRING, percent=_STRING, total_bytes=_COUNT,
                   speed=_NUMBER, eta=_NUMBER)
    status = dict(excerpt, url=_STRING, filename=_STRING, tmpfilename=_STRING, downloaded_bytes=_COUNT,
                  total_bytes_estmt=_COUNT, elapsed=_NUMBER, create_time=_TIME, start_time=_TIME,
                  pause_time=_TIME, finish_time=_TIME, connections=_COUNT, retries=_COUNT, error=_NULLABLE,
                  reason={"enum": list(REASONS) + [None]},
                  log={"type": "array", "items": _whole(time={"type": "integer"}, msg=_STRING, type={
                      "enum": ["debug", "info", "warning", "error", "fatal"]})})
    info = dict(tid=_TID, url=_STRING, final_url=_STRING, title=_STRING, filename=_STRING, ext=_STRING,
                format=_STRING, total_bytes=_COUNT, etag=_NULLABLE, last_modified=_NULLABLE, resumable=_FLAG,
                checksum=_NULLABLE, verified_time=_TIME, create_time=_TIME, finish_time=_TIME,
                options={"type": "object"})
    return {
        "excerpt": _whole(**excerpt), "status": _whole(**status), "info": _whole(**info),
        "counts": _whole(all=_COUNT, **dict.fromkeys(STATES, _COUNT)),
        "entry": _whole(tid=_TID, time=_TIME, size=_COUNT, sha256=_NULLABLE),
        "removal": _whole(deleted=_STRINGS, missing=_STRINGS, kept=_PAIRS),
    }
