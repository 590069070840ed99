"""The interface described for machines: OpenAPI 3.1, made from the route table and the options."""

import re

from ..version import __version__
from ..settings import config, options
from ..tasks.states import STATES

_BOOLEAN = {"enum": ["true", "false", "1", "0", "yes", "no"]}
_PARAMETERS = {
    "act": {"enum": ["pause", "resume", "restart", "move"]},
    "to": {"enum": ["top", "bottom", "up", "down"]},
    "del_file": _BOOLEAN, "rows": _BOOLEAN, "exerpt": _BOOLEAN, "excerpt": _BOOLEAN,
    "history": _BOOLEAN, "origins": _BOOLEAN,
    "state": {"enum": ["all"] + list(STATES)},
    "offset": {"type": "integer", "minimum": 0}, "limit": {"type": "integer", "minimum": 0},
}
_STRING = {"type": "string"}
_TIDS = {"type": "array", "items": _STRING}


def document(routes, prefix):
    """The description as a dict; `prefix` is server.prefix."""
    paths = {}
    for route in routes:
        paths.setdefault(route.path.replace("<", "{").replace(">", "}"), {})[route.method.lower()] = \
            _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "dlserv", "version": __version__, "description": "A download daemon."},
        "servers": [{"url": prefix or "/"}],
        "paths": paths,
        "components": {"schemas": _schemas(), "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"}, "basic": {"type": "http", "scheme": "basic"}}},
        "security": [{}, {"bearer": []}, {"basic": []}],
    }


def _operation(route):
    operation = {
        "operationId": route.method.lower() + re.sub(r"\W+", "_", route.path).rstrip("_"),
        "summary": route.function.__doc__.splitlines()[0],
        "parameters": [{"name": name, "in": "path", "required": True, "schema": _STRING}
                       for name in re.findall("<(.*?)>", route.path)]
        + [{"name": name, "in": "query", "required": name == "act", "schema": _PARAMETERS[name]}
           for name in route.query],
        "responses": dict(_successes(route), default={
            "description": "it is not, and why", "content": {"application/json": {"schema": _ref("error")}}}),
    }
    if route.public:
        operation["security"] = []
    if route.body:
        operation["requestBody"] = {"required": True, "content": _body(route.body)}
    return operation


def _successes(route):
    """{status: response}; all JSON but this document has its envelope."""
    schema = {"type": "object", "properties": {"status": {"const": "success"}}, "required": ["status"]} \
        if route.media_type == "application/json" and route.path != "/openapi.json" else {}
    whole = {"description": "it is done", "content": {route.media_type: {"schema": schema}}}
    if not route.path.endswith("/file"):
        return {"200": whole}
    return {"200": whole, "206": dict(whole, description="the range"), "304": {"description": "it is known"}}


def _body(name):
    content = {"application/json": {"schema": _ref(name)}}
    if name == "task":
        content["application/x-www-form-urlencoded"] = {"schema": {
            "type": "object", "required": ["url"],
            "properties": dict(dict.fromkeys(options.TABLE.fields, _STRING), url=_STRING)}}
    return content


def _ref(name):
    return {"$ref": "#/components/schemas/" + name}


def _object(required=(), **properties):
    return {"type": "object", "properties": properties, "required": list(required),
            "additionalProperties": False}


def _schemas():
    return {
        "options": _nullable(options.TABLE.json_schema()),
        "task": _object(["url"], url=_STRING, options=_ref("options"), ydl_opts={"type": "object"}),
        "change": _object(url=_STRING, options=_ref("options")),
        "tasks": _object(["tasks"], tasks={"type": "array", "items": {
            "anyOf": [_STRING, _object(["url"], url=_STRING, options=_ref("options"))]}}),
        "tids": {"anyOf": [_TIDS, _object(["tids"], tids=_TIDS, del_file={"type": ["boolean", "string"]})]},
        "config": _object(**{section: _settings(table) for section, table in config.SECTIONS.items()}),
        "error": {"type": "object", "required": ["status", "errmsg"],
                  "properties": {"status": {"const": "error"}, "errmsg": _STRING}},
    }


def _nullable(schema):
    """The same, but that null stands for what is not said."""
    for name, field in schema["properties"].items():
        doc = field.pop("description")
        schema["properties"][name] = {"anyOf": [field, {"type": "null"}], "description": doc}
    return schema


def _settings(table):
    """A section of the settings; those that cannot change while it runs are marked as such."""
    schema = table.json_schema()
    if table.where in config.AUTOMATION:
        return dict(schema, readOnly=True)
    for name, field in schema["properties"].items():
        if not config.is_live("%s.%s" % (table.where, name)):
            field["readOnly"] = True
    return schema
