"""The options that a task may be posted with, as one table.

The database and `info` have them as posted; the engine reads what `effective` returns.
"""

import re
from collections import namedtuple

from .. import urls
from ..digests import DIGEST_BYTES, digest_name
from ..masking import hide, mask_headers, shown
from ..units import parse_time
from . import rules
from .schema import Field, Table
from .values import Boolean, Integer, Items, Number, Refusal, Size, Text, check_text

# These belong to framing and routing, which the engine does.
_OURS = frozenset("""accept-encoding connection content-length content-type expect host if-match
    if-modified-since if-none-match if-range if-unmodified-since keep-alive proxy-authorization
    proxy-connection range te trailer transfer-encoding upgrade""".split())
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")


# Stands for aria2's max-tries=0, without end.
MOST_RETRIES = 1000
MOST_MIRRORS = 32
MOST_CONNECTIONS = 16


def retries_of(tries):
    """Return the option `retries` for aria2's number of tries, which counts the first."""
    return min(tries - 1, MOST_RETRIES) if tries else MOST_RETRIES


class Headers:
    """An object of header names and values; as text, JSON or lines of `Name: value`."""

    json_schema = {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 64}

    def __call__(self, value):
        if not isinstance(value, dict) or len(value) > 64:
            raise Refusal("this is not an object of at most 64 headers")
        return {self._name(name): _header_value(name, value[name]) for name in value}

    def _name(self, name):
        if _TOKEN.fullmatch(name) is None:
            raise Refusal(f"{shown(name)} is not the name of a header")
        if name.lower() in _OURS:
            raise Refusal(f"{name} is set by the downloader itself")
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
    raise Refusal(f"the value of {name} is not a string of at most 4096 characters without control "
                  "characters")


def _file_name(value):
    if re.search(r"[/\\]", Text(most=1024, least=1)(value)):
        raise ValueError(f"{shown(value)} has a separator; put the folder into `dir`")
    if not value.strip(". "):
        raise ValueError(f"{shown(value)} is not the name of a file")
    return value


def _folder(value):
    Text(most=1024)(value)
    parts = value.split("/")
    if value and (".." in parts or "" in parts or "." in parts or re.search(r'[\\:]', value)):
        raise ValueError(f"{shown(value)} is not a folder below the download directory, such as films/2024")
    return value


def is_folder(name):
    """Return whether the name is a value for the option `dir`."""
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
    """Return "sha-256=<hex>" (or md5, sha-1, sha-512) in lower case. Raise ValueError."""
    name, _, digest = check_text(value).strip().partition("=")
    name, digest = digest_name(name), digest.strip().lower()
    if name not in DIGEST_BYTES:
        raise ValueError(f"{shown(value)} does not begin with one of {', '.join(DIGEST_BYTES)} and \"=\"")
    if re.fullmatch("[0-9a-f]{%d}" % (2 * DIGEST_BYTES[name]), digest) is None:
        raise ValueError(f"a {name} has {2 * DIGEST_BYTES[name]} hexadecimal digits")
    return f"{name}={digest}"


TABLE = Table(
    "options",
    Field("filename", _file_name, None, "name of the file, instead of the server's"),
    Field("dir", _folder, "", "folder below the download directory; created if it is missing"),
    Field("headers", Headers(), {}, "request headers", mask_headers),
    Field("user_agent", Text(most=512, least=1), None, "the User-Agent header"),
    Field("referer", Text(most=urls.LONGEST), None, "the Referer header", urls.shown),
    Field("cookies", Text(most=8192), None, "the Cookie header: \"a=1; b=2\"", hide),
    Field("user", Text(most=256), None, "user for the server"),
    Field("password", Text(most=256), None, "password for the server", hide),
    Field("proxy", urls.check_proxy, None, "proxy URL; \"\" for none", urls.shown),
    Field("ratelimit", Size(), 0, "bytes/s for this task, also \"512K\""),
    Field("connections", Integer(1, MOST_CONNECTIONS), 4, "most connections at the same time"),
    Field("mirrors", Items(urls.check_url, MOST_MIRRORS), [], "other URLs of the same file",
          lambda mirrors: [urls.shown(url) for url in mirrors]),
    Field("checksum", check_checksum, None, "\"sha-256=<hex>\"; also md5, sha-1, sha-512"),
    Field("retries", Integer(0, MOST_RETRIES), None, "repeats after a failure"),
    Field("timeout", Number(0.1, 3600), None, "seconds without a byte after which a connection is closed"),
    Field("paused", Boolean(), False, "add it without starting it"),
    Field("repeat", Boolean(), False, "add it even if the archive has it"),
    Field("not_before", Moment(), None, "when it may start: epoch seconds, or local \"2026-09-08T02:00\""),
    Field("priority", Integer(-1000, 1000), 0, "higher goes first"),
    Field("verify_tls", Boolean(), True, "false accepts any certificate"),
    Field("metalink", Boolean(), None, "use mirrors that the server names, if a SHA-256 or -512 is known"),
)

Options = namedtuple("Options", TABLE.fields)


def parse(mapping, text=False):
    """Return the posted options, checked; null means not given. Raise InvalidValue."""
    if isinstance(mapping, dict):
        mapping = {key: value for key, value in mapping.items()
                   if value is not None or key not in TABLE.fields}
    return TABLE.parse(mapping, text)


def effective(posted, settings, url=None):
    """Return a task's Options: those posted, then its rule's, `config.download`'s and the defaults.

    A rule's folder counts only when the task is made, lest its files be looked for elsewhere.
    """
    values = TABLE.defaults()
    for name in ("user_agent", "proxy", "retries", "timeout", "metalink"):
        values[name] = getattr(settings, name)
    _, rule = rules.find(settings.rules, url)
    values.update(rule, dir="")
    values.update(posted)
    return Options(**values)
