"""The JSON Schemas of the interface: bodies of requests, replies, and the parts that they share."""

from ..contract import STATES
from ..errors import REASONS
from ..settings import config, options
from .replies import CODES, FAILURES

COUNT = {"type": "integer", "minimum": 0}
STRING = {"type": "string"}
_NUMBER = {"type": "number"}
_FLAG = {"type": "boolean"}
TID = {"type": "string", "pattern": "^[0-9a-f]{40}$", "description": "SHA-1 of the URL as it was posted"}
_SUCCESS, _ERROR = {"type": "string", "const": "success"}, {"type": "string", "const": "error"}
_STRINGS = {"type": "array", "items": STRING}
_NULLABLE = {"type": ["string", "null"]}
_TIME = {"type": "number", "description": "epoch seconds; 0 for never"}
_PAIRS = {"type": "array", "items": {"type": "array", "prefixItems": [_NULLABLE, STRING],
                                     "minItems": 2, "maxItems": 2}}
_HAD = dict(_PAIRS, description="[URL, reason] of each that the archive has")


def ref(name):
    """Return the reference to the schema of that name."""
    return {"$ref": "#/components/schemas/" + name}


def _object(required=(), **properties):
    """Return the schema of an object without other keys."""
    return {"type": "object", "properties": properties, "required": list(required),
            "additionalProperties": False}


def _reply(required=(), **properties):
    """Return the schema of a successful reply; later versions may add keys."""
    return {"type": "object", "properties": dict(properties, status=_SUCCESS),
            "required": ["status"] + list(required)}


def _whole(**properties):
    """Return the schema of an object that has all these keys, and maybe more in later versions."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def schemas(fixed):
    """Return {name: schema}; `fixed` has the names of the settings that are read-only."""
    return dict(_bodies(fixed), **_replies(), **_parts())


def _bodies(fixed):
    posted = dict(url=STRING, options=_nullable_object("options"))
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
            "type": "array", "items": {"anyOf": [STRING, ref("task")]}}),
                      examples=[{"tasks": ["https://example.org/file.iso"]}]),
        "task_form": {"type": "object", "required": ["url"],
                      "properties": dict(dict.fromkeys(options.TABLE.fields, STRING), url=STRING)},
        "tids": {"anyOf": [_STRINGS, ref("tid_list")], "examples": [{"tids": []}]},
        "tid_list": _object(["tids"], tids=_STRINGS, del_file={
            "anyOf": [_FLAG, {"type": "string", "enum": ["true", "false"]}],
            "description": "delete the files as well; for /task/batch/delete"}),
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
    return {"anyOf": [ref(name), {"type": "null"}]}


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
        "done": _reply(), "added": _reply(["tid"], tid=TID),
        "added_many": _reply(["tids"], tids=_STRINGS, had_already=_HAD),
        "archive": _reply(["detail", "count"], count=COUNT, detail={"type": "array", "items": ref("entry")}),
        "forgotten": _reply(["count"], count=COUNT),
        "deleted": _reply(detail=ref("removal")),
        "status_reply": _reply(["detail"], detail={"anyOf": [ref("status"), ref("excerpt")]}),
        "info_reply": _reply(["detail"], detail=ref("info")),
        "task_list": _reply(["detail", "state_counter"], state_counter=ref("counts"), detail={
            "type": "array", "items": {"anyOf": [ref("status"), ref("row"), ref("excerpt")]}}),
        "counts_reply": _reply(["detail"], detail=ref("counts")),
        "folders": _reply(["detail", "complete"], detail=_STRINGS, complete=_FLAG),
        "config_reply": _reply(["config"], config=ref("config"), origins={
            "type": "object", "additionalProperties": _NULLABLE,
            "description": "where each setting was set, null for a default"}, fixed={
            "type": "array", "items": STRING,
            "description": "settings that cannot be changed because deny_private was set at the start"}),
        "stats": _reply(["speed", "downloaded_bytes", "connections", "free_bytes", "uptime", "version"],
                        speed=_NUMBER, downloaded_bytes=COUNT, connections=COUNT,
                        free_bytes={"type": ["integer", "null"]}, uptime=_NUMBER, version=STRING,
                        window={"anyOf": [ref("window"), {"type": "null"}]}, history=ref("speed_history")),
        "health": _reply(repaired={"type": "string", "description": "what was repaired at the start; "
                                   "only for those with the token or on this machine"}),
        "error": _failure(),
        "many_errors": _failure(["detail"], detail=_PAIRS, tids=_STRINGS, had_already=_HAD),
    }


def _failure(required=(), **properties):
    properties.update(
        status=_ERROR, errmsg={"type": "string", "description": "one sentence for people"},
        code=ref("error_code"),
        key={"type": "string", "description": "the field that was wrong"},
        tid={"type": "string", "description": "the task that has the URL already"})
    return {"type": "object", "properties": properties,
            "required": ["status", "errmsg", "code"] + list(required)}


def _window():
    """Return the schema of a window of the schedule in /stats."""
    rows = config.AUTOMATION["schedule"].json_schema()["items"]["properties"]
    until = {"type": ["number", "null"], "description": "epoch seconds; null if it never ends"}
    return _whole(until=until, **rows)


def _parts():
    codes = sorted(set(CODES.values()) | {row[2] for row in FAILURES if row[2]} | {"malformed"})
    reason = {"anyOf": [ref("reason"), {"type": "null"}]}
    excerpt = dict(tid=TID, state=ref("state"), title=STRING, percent=STRING, total_bytes=COUNT,
                   speed=_NUMBER, eta=_NUMBER)
    status = dict(excerpt, url=STRING, filename=STRING, tmpfilename=STRING, downloaded_bytes=COUNT,
                  total_bytes_estmt=COUNT, elapsed=_NUMBER, create_time=_TIME, start_time=_TIME,
                  pause_time=_TIME, finish_time=_TIME, connections=COUNT, retries=COUNT, error=_NULLABLE,
                  reason=reason, log={"type": "array", "items": ref("log_entry")})
    row = dict(excerpt, filename=STRING, name=STRING, downloaded_bytes=COUNT, connections=COUNT,
               error=_NULLABLE, reason=reason, create_time=_TIME, finish_time=_TIME,
               priority={"type": "integer"}, place=_NUMBER)
    info = dict(tid=TID, url=STRING, final_url=STRING, title=STRING, filename=STRING, ext=STRING,
                format=STRING, total_bytes=COUNT, etag=_NULLABLE, last_modified=_NULLABLE, resumable=_FLAG,
                checksum=_NULLABLE, verified_time=_TIME, create_time=_TIME, finish_time=_TIME,
                options={"type": "object"})
    return {
        "excerpt": _whole(**excerpt), "row": _whole(**row), "status": _whole(**status),
        "info": _whole(**info),
        "state": {"type": "string", "enum": list(STATES)},
        "reason": {"type": "string", "enum": list(REASONS)},
        "error_code": {"type": "string", "enum": codes, "description": "one word for programs"},
        "log_entry": _whole(time={"type": "integer"}, msg=STRING, type={
            "type": "string", "enum": ["debug", "info", "warning", "error", "fatal"]}),
        "window": dict(_window(), description="the window of the schedule that counts, and until when"),
        "speed_history": _whole(every=_NUMBER, speed={"type": "array", "items": _NUMBER}),
        "counts": _whole(all=COUNT, **dict.fromkeys(STATES, COUNT)),
        "entry": _whole(tid=TID, time=_TIME, size=COUNT, sha256=_NULLABLE),
        "removal": _whole(deleted=_STRINGS, missing=_STRINGS, kept=_PAIRS),
    }
