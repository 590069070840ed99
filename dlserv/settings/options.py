"""The options a task may be posted with: one table, and what they come to in the end.

`parse` gives the posted mapping checked but otherwise as it was, which is what the
database keeps and `info` shows; `effective` fills what was not said from the daemon's
settings, which is what the engine reads.
"""

import re
from collections import namedtuple

from .. import urls
from ..digests import DIGEST_BYTES
from ..masking import hide, mask_headers, shown
from ..units import parse_time
from . import rules
from .schema import Boolean, Field, Integer, Items, Number, Refusal, Size, Table, Text, check_text

# Framing and routing belong to the engine; a client that sets them breaks the message.
_OURS = frozenset("""accept-encoding connection content-length content-type expect host if-match
    if-modified-since if-none-match if-range if-unmodified-since keep-alive proxy-authorization
    proxy-connection range te trailer transfer-encoding upgrade""".split())
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")


class Headers:
    """An object of header names and values; as text, the same in JSON or `Name: value` lines."""

    json_schema = {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 64}

    def __call__(self, value):
        if not isinstance(value, dict) or len(value) > 64:
            raise Refusal("this is not an object of at most 64 headers")
        return {self._name(name): _header_value(name, value[name]) for name in value}

    def _name(self, name):
        if _TOKEN.fullmatch(name) is None:
            raise Refusal("%s is not a header's name" % shown(name))
        if name.lower() in _OURS:
            raise Refusal("%s is set by the downloader itself" % name)
        return name

    def from_text(self, text):
        import json
        if text.lstrip().startswith("{"):
            try:
                return self(json.loads(text))
            except (ValueError, RecursionError):
                raise Refusal("this is not a JSON object") from None
        pairs = [line.partition(":") for line in text.splitlines() if line.strip()]
        return self({name.strip() if colon else "": value.strip() for name, colon, value in pairs})


def _header_value(name, value):
    try:
        if len(check_text(value)) <= 4096:
            return value.strip(" ")
    except ValueError:
        pass
    raise Refusal("the value of %s is not a string of at most 4096 characters without "
                  "control characters" % name)


def _file_name(value):
    if re.search(r"[/\\]", Text(most=1024, least=1)(value)):
        raise ValueError("%s has a separator; name the folder in `dir`" % shown(value))
    if not value.strip(". "):
        raise ValueError("%s is not a file's name" % shown(value))
    return value


def _folder(value):
    Text(most=1024)(value)
    parts = value.split("/")
    if value and (".." in parts or "" in parts or "." in parts or re.search(r'[\\:]', value)):
        raise ValueError("%s is not a plain folder below the download directory" % shown(value))
    return value


def is_folder(name):
    """Whether the option `dir` takes this name."""
    try:
        return bool(_folder(name))
    except ValueError:
        return False


class Moment:
    """A time: epoch seconds, or "2026-09-08T02:00"; kept as epoch seconds."""

    _number = Number(0, 2 ** 36)
    json_schema = {"anyOf": [_number.json_schema, {"type": "string"}]}

    def __call__(self, value):
        return self._number(parse_time(value) if isinstance(value, str) else value)

    def from_text(self, text):
        return self._number.from_text(text) if re.fullmatch("[0-9.]+", text.strip()) else self(text)


def check_checksum(value):
    """"sha-256=<hex>" in its one spelling; md5, sha-1 and sha-512 too."""
    name, _, digest = check_text(value).strip().partition("=")
    name = re.sub(r"^sha(?=\d)", "sha-", name.strip().lower())
    digest = digest.strip().lower()
    if name not in DIGEST_BYTES:
        raise ValueError("%s does not begin with one of %s and \"=\"" % (shown(value), ", ".join(DIGEST_BYTES)))
    if re.fullmatch("[0-9a-f]{%d}" % (2 * DIGEST_BYTES[name]), digest) is None:
        raise ValueError("a %s has %d hexadecimal digits" % (name, 2 * DIGEST_BYTES[name]))
    return "%s=%s" % (name, digest)


TABLE = Table(
    "options",
    Field("filename", _file_name, None, "the file's name, instead of the server's"),
    Field("dir", _folder, "", "folder below the download directory; made when missing"),
    Field("headers", Headers(), {}, "request headers", mask_headers),
    Field("user_agent", Text(most=512, least=1), None, "the User-Agent header"),
    Field("referer", Text(most=urls.LONGEST), None, "the Referer header", urls.shown),
    Field("cookies", Text(most=8192), None, "the Cookie header: \"a=1; b=2\"", hide),
    Field("user", Text(most=256), None, "user for the server"),
    Field("password", Text(most=256), None, "password for the server", hide),
    Field("proxy", urls.check_proxy, None, "proxy URL; \"\" for none", urls.shown),
    Field("ratelimit", Size(), 0, "bytes/s for this task, also \"512K\""),
    Field("connections", Integer(1, 16), 4, "connections at most"),
    Field("mirrors", Items(urls.check_url, 32), [], "other URLs of the same file",
          lambda mirrors: [urls.shown(url) for url in mirrors]),
    Field("checksum", check_checksum, None, "\"sha-256=<hex>\"; also md5, sha-1, sha-512"),
    Field("retries", Integer(0, 1000), None, "tries after a failure"),
    Field("timeout", Number(0.1, 3600), None, "seconds without a byte before a connection is given up"),
    Field("paused", Boolean(), False, "add it without starting it"),
    Field("not_before", Moment(), None, "when it may start: epoch seconds, or local \"2026-09-08T02:00\""),
    Field("priority", Integer(-1000, 1000), 0, "higher goes first"),
    Field("verify_tls", Boolean(), True, "false accepts any certificate"),
)

Options = namedtuple("Options", TABLE.fields)


def parse(mapping, text=False):
    """The posted options, checked; null means not given. Raises InvalidValue."""
    if isinstance(mapping, dict):
        mapping = {key: value for key, value in mapping.items() if value is not None or key not in TABLE.fields}
    return TABLE.parse(mapping, text)


def effective(posted, settings, url=None):
    """The `Options` of a task: what was posted over its rule, `config.download` and the defaults.

    A rule's folder counts only when the task is made: files are never looked for elsewhere.
    """
    values = TABLE.defaults()
    for name in ("user_agent", "proxy", "retries", "timeout"):
        values[name] = getattr(settings, name)
    _, rule = rules.find(settings.rules, url)
    values.update(rule, dir="")
    values.update(posted)
    return Options(**values)
