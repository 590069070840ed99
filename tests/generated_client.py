"""A small generator of clients: turns an OpenAPI 3.1 document into a Python module, from the document alone.

The module has one class, Client, with a method for each operation id. A method takes the
path's parameters and the body, and the other parameters by name; it returns the reply that
a success is described as and raises ApiError for every other. What is sent and what comes
back has to be valid by its schema, else it raises Undocumented.
"""

import keyword
import re

KNOWN = {"$ref", "type", "enum", "const", "anyOf", "properties", "required", "additionalProperties", "items",
         "prefixItems", "minItems", "maxItems", "maxProperties", "minLength", "maxLength", "minimum", "maximum", "pattern",
         "description", "examples", "format", "readOnly"}
TYPES = {"object", "array", "string", "integer", "number", "boolean", "null"}

RUNTIME = '''
import http.client
import json
import re
from collections import namedtuple
from urllib.parse import quote, urlencode, urlsplit

Response = namedtuple("Response", "status headers value")


class Undocumented(Exception):
    """A status, a media type or a value that the document does not allow."""


class ApiError(Exception):
    """A reply that is described as an error: `status`, and the fields of the body as attributes."""

    def __init__(self, status, fields):
        super().__init__(fields.get("errmsg", ""))
        self.status, self.fields = status, fields

    def __getattr__(self, name):
        if name in ERROR_FIELDS:
            return self.fields.get(name)
        raise AttributeError(name)


CHECKS = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
          "integer": int, "number": (int, float)}


def is_a(value, kind):
    return isinstance(value, CHECKS[kind]) and (kind in ("boolean",) or not isinstance(value, bool))


def check(value, schema, where):
    """Raise Undocumented unless the value is valid by the schema."""
    def need(condition, words):
        if not condition:
            raise Undocumented("%s: %r %s" % (where, value, words))
    if "$ref" in schema:
        return check(value, SCHEMAS[schema["$ref"].rpartition("/")[2]], where)
    if "anyOf" in schema:
        need(any(is_valid(value, each) for each in schema["anyOf"]), "is none of %s" % schema["anyOf"])
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    need(not kinds or any(is_a(value, kind) for kind in kinds), "is not of type %s" % kinds)
    need("const" not in schema or value == schema["const"], "is another constant")
    need("enum" not in schema or value in schema["enum"], "is not one of %s" % schema.get("enum"))
    if isinstance(value, str):
        need(schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)), "has a wrong length")
        need("pattern" not in schema or re.search(schema["pattern"], value), "does not match")
    elif isinstance(value, (int, float)):
        need(schema.get("minimum", value) <= value <= schema.get("maximum", value), "is out of range")
    elif isinstance(value, list):
        need(schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)), "has a wrong length")
        for index, each in enumerate(value):
            first = schema.get("prefixItems", [])
            check(each, first[index] if index < len(first) else schema.get("items", {}), "%s[%d]" % (where, index))
    elif isinstance(value, dict):
        need(not set(schema.get("required", [])) - set(value), "lacks one of %s" % schema.get("required"))
        need(len(value) <= schema.get("maxProperties", len(value)), "has too many keys")
        for name, each in value.items():
            more = schema.get("additionalProperties", True)
            need(name in schema.get("properties", {}) or more is not False, "has the unknown key %r" % name)
            kind = schema.get("properties", {}).get(name, more)
            check(each, kind if isinstance(kind, dict) else {}, "%s.%s" % (where, name))


def is_valid(value, schema):
    try:
        check(value, schema, "")
    except Undocumented:
        return False
    return True


def text(value):
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


class Client:
    """One connection to the server; `called` has the operation ids that were used."""

    def __init__(self, url, token=None, timeout=15):
        self.called, self.seen, self.token = set(), set(), token
        self.prefix = urlsplit(url).path.rstrip("/") + SERVER.rstrip("/")
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)

    def close(self):
        self.connection.close()

    def call(self, operation, path, query, headers, body, kind="application/json"):
        """Make a request and return the Response, after comparing it with the operation's description."""
        row = OPERATIONS[operation]
        for where, given in (("path", path), ("query", query), ("header", headers)):
            for name, value in given.items():
                check(value, row["parameters"][where][name], "%s %s" % (operation, name))
        headers = {name: text(value) for name, value in headers.items()}
        if self.token and row["needs_token"]:
            headers["Authorization"] = "Bearer " + self.token
        data = self._encode(operation, row, body, kind)
        headers.update({"Content-Type": kind} if data is not None else {})
        target = self.prefix + row["path"].format(**{name: quote(value, safe="") for name, value in path.items()})
        target += "?" + urlencode({name: text(value) for name, value in query.items()}) if query else ""
        self.called.add(operation)
        self.connection.request(row["method"], target, data, headers)
        return self.read(operation, self.connection.getresponse())

    def _encode(self, operation, row, body, kind):
        if body is None:
            return None
        check(body, row["bodies"][kind], "%s body" % operation)
        return urlencode(body).encode() if kind.endswith("urlencoded") else json.dumps(body).encode()

    def read(self, operation, reply):
        """Return the Response, or raise ApiError."""
        if str(reply.status) not in OPERATIONS[operation]["responses"]:
            raise Undocumented("%s: status %d %r" % (operation, reply.status, reply.read()))
        self.seen.add((operation, reply.status))
        contents = OPERATIONS[operation]["responses"][str(reply.status)]
        media = reply.getheader("Content-Type", "").partition(";")[0]
        schema = contents.get(media, contents.get("*/*")) if contents else None
        if contents and schema is None:
            raise Undocumented("%s: media type %s" % (operation, media))
        headers = {name.lower(): value for name, value in reply.getheaders()}
        if media == "text/event-stream":
            return Response(reply.status, headers, reply)
        value = reply.read()
        if media == "application/json":
            value = json.loads(value.decode("utf-8"))
            check(value, schema, "%s %d" % (operation, reply.status))
        elif media.startswith("text/") and schema.get("format") != "binary":
            value = value.decode("utf-8")
        if reply.status not in SUCCESSES:
            raise ApiError(reply.status, value if isinstance(value, dict) else {})
        return Response(reply.status, headers, value)
'''


def generate(document):
    """Return the source of the module. Raise ValueError for what this generator does not know."""
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        examine(schema, name, schemas)
    operations, methods = {}, []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            name, row = operation["operationId"], _row(method, path, operation, document, schemas)
            if name in operations:
                raise ValueError("%s is there twice" % name)
            operations[name] = row
            methods.append(_method(name, operation))
    constants = {"SCHEMAS": schemas, "OPERATIONS": operations, "SERVER": document["servers"][0]["url"],
                 "SUCCESSES": (200, 206, 304), "ERROR_FIELDS": sorted(_error_fields(schemas))}
    return '"""A client of %s %s, generated."""\n%s%s\n%s\n' % (
        document["info"]["title"], document["info"]["version"], RUNTIME, "\n".join(methods),
        "\n".join("%s = %r" % pair for pair in constants.items()))


def examine(schema, where, schemas):
    """Raise ValueError for a keyword that would not be checked, or a reference that leads nowhere."""
    unknown = set(schema) - KNOWN
    kinds = schema.get("type", [])
    unknown |= set([kinds] if isinstance(kinds, str) else kinds) - TYPES
    if unknown or not isinstance(schema, dict):
        raise ValueError("%s: unknown %s" % (where, sorted(unknown)))
    if "$ref" in schema and schema["$ref"] not in {"#/components/schemas/" + name for name in schemas}:
        raise ValueError("%s: %s leads nowhere" % (where, schema["$ref"]))
    if "enum" in schema and "type" not in schema:
        raise ValueError("%s: an enum without a type" % where)
    for name, each in schema.get("properties", {}).items():
        examine(each, "%s.%s" % (where, name), schemas)
    inner = [schema.get("items"), schema.get("additionalProperties")]
    for each in inner + schema.get("anyOf", []) + schema.get("prefixItems", []):
        if isinstance(each, dict):
            examine(each, where, schemas)


def _row(method, path, operation, document, schemas):
    contents = [operation.get("requestBody", {}).get("content", {})]
    contents += [response.get("content", {}) for response in operation["responses"].values()]
    for content in contents:
        for media, kind in content.items():
            examine(kind["schema"], "%s %s" % (operation["operationId"], media), schemas)
    parameters = {"path": {}, "query": {}, "header": {}}
    for each in operation["parameters"]:
        examine(each["schema"], each["name"], schemas)
        parameters[each["in"]][each["name"]] = each["schema"]
    if set(parameters["path"]) != set(re.findall("{(.*?)}", path)):
        raise ValueError("%s: its path has other parameters" % path)
    plain = [{media: kind["schema"] for media, kind in content.items()} for content in contents]
    return {"method": method.upper(), "path": path, "parameters": parameters, "bodies": plain[0],
            "responses": dict(zip(operation["responses"], plain[1:])),
            "needs_token": bool(operation.get("security", document["security"]))}


def _method(name, operation):
    """Return the source of the operation's method."""
    def names(where, required):
        return [each["name"] for each in operation["parameters"]
                if each["in"] == where and each.get("required", False) == required]
    body = operation.get("requestBody")
    needed = names("path", True) + names("query", True)
    optional = names("query", False) + names("header", False)
    signature = ["self"] + [_name(each) for each in needed] + ["body"] * bool(body)
    signature += ["%s=None" % _name(each) for each in optional] + ["content_type='application/json'"] * bool(body)
    dicts = ["{%s}" % ", ".join("%r: %s" % (each, _name(each)) for each in names(where, True) + names(where, False))
             for where in ("path", "query", "header")]
    given = ["{name: value for name, value in %s.items() if value is not None}" % each for each in dicts]
    return "    def %s(%s):\n        %r\n        return self.call(%r, %s, %s, %s, %s)\n" % (
        re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower(), ", ".join(signature), operation["summary"], name, *given,
        "body, content_type" if body else "None")


def _name(parameter):
    name = parameter.lower().replace("-", "_")
    return name + "_" if keyword.iskeyword(name) else name


def _error_fields(schemas):
    return set(schemas["error"]["properties"]) | set(schemas["many_errors"]["properties"])
