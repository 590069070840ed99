"""The daemon's settings: tables, and the ways to fill them.

A `Config` is immutable; a change makes a new one. Mappings have the shape of the `-c` file and of
`GET /config`.
"""

from collections import namedtuple

from ..version import __version__
from . import token
from .automation import AUTOMATION
from .. import urls
from ..errors import InvalidValue
from ..masking import hide
from .schema import Field, Table, key_name
from .values import Boolean, Choice, Integer, Items, Number, Optional, Pattern, Size, Text


def _shown_url(url):
    return url and urls.shown(url)


def _token(value):
    return value if value == "" else token.check(value)


def _origin(value):
    pattern = r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#@\\ ]+/*"
    return Pattern(pattern, "an origin such as https://example.org")(value).lower().rstrip("/")


_path, _optional_path, _any_host = Text(least=1), Optional(Text(least=1)), Text(most=255, least=1)
_plain_name = Pattern(r"(?!\.\.?$)[^/\\]+", "a file name without a folder", most=4096, least=1)
_prefix = Pattern(r"(?:/[A-Za-z0-9._~-]+)*", "a path such as /dlserv")
_host_name = Pattern(r"[^\s:/\[\]]+", "a host name without scheme and port")

TABLES = {
    "general": Table(
        "general",
        Field("download_dir", _path, None, "where files go; the folder of each task is below it"),
        Field("db_path", _path, None, "the database file; keep it on a local disk"),
        Field("db_backend", Choice("auto", "sqlite", "file"), "auto",
              "format of the database; auto is sqlite where Python has it"),
        Field("max_tasks", Integer(1, 10000000), 100000, "tasks that the database may hold"),
        Field("archive", Boolean(), False,
              "remember deleted downloads, and refuse them unless `repeat` is given"),
        Field("archive_size", Integer(1, 10000000), 100000, "downloads to remember; the oldest go first"),
        Field("log_size", Integer(1, 1000), 50, "entries kept in the log of each task"),
        Field("log_file", _optional_path, None, "file for the log instead of standard error"),
        Field("log_level", Choice("debug", "info", "warning", "error"), "info",
              "least severe level that is logged"),
    ),
    "server": Table(
        "server",
        Field("host", _any_host, "127.0.0.1",
              "address to listen on; \"::\" for IPv6 and IPv4, \"unix:/path\""),
        Field("port", Integer(0, 65535), 6880, "port to listen on; 0 takes a free one"),
        Field("prefix", _prefix, "", "path at which a reverse proxy serves it, such as /dlserv"),
        Field("tls_cert", _optional_path, None, "certificate for https, in PEM"),
        Field("tls_key", _optional_path, None, "key of the certificate if it is in another file"),
        Field("token", Optional(_token), None,
              "secret that clients must send; 16 characters or more", hide),
        Field("token_file", _optional_path, None,
              "file with the token on its first line; made beside the database unless the address is loopback"),
        Field("allowed_hosts", Items(_host_name, 64), [],
              "host names or .suffixes by which a daemon without a token may be called"),
        Field("allowed_origins", Items(_origin, 64), [],
              "other sites, such as https://example.org, whose pages may use the interface"),
        Field("max_connections", Integer(4, 10000), 256, "most connections of clients"),
    ),
    "download": Table(
        "download",
        Field("max_concurrent", Integer(1, 1000), 5, "tasks that download at the same time"),
        Field("max_per_host", Integer(1, 1000), 8, "connections to one host and port, for all tasks together"),
        Field("retries", Integer(0, 1000), 5, "repeats after a failure; progress resets the count"),
        Field("retry_wait", Number(0, 3600), 1, "seconds before the first repeat; doubled each time"),
        Field("timeout", Number(0.1, 3600), 30, "seconds without a byte after which a connection is closed"),
        Field("min_speed", Size(), 1024, "bytes/s; a connection slower for 20 s is replaced; 0 is off"),
        Field("user_agent", Text(most=512, least=1), "dlserv/" + __version__, "the User-Agent header"),
        Field("proxy", Optional(urls.check_proxy), None,
              "proxy URL for all tasks; \"\" for none; null for the one in the environment", _shown_url),
        Field("ca_file", _optional_path, None,
              "certificates to trust in addition to the system's, in PEM"),
        Field("client_cert", _optional_path, None,
              "certificate and key for servers that ask for one, in PEM"),
        Field("cookies_file", Optional(_plain_name), None,
              "name of a Netscape cookies.txt beside the configuration file"),
        Field("deny_private", Boolean(), False,
              "connect to public addresses only; the proxy of these settings is exempt"),
        Field("allow_hosts", Items(_any_host, 256), [],
              "exceptions to deny_private: names, .suffixes, addresses, CIDR networks"),
        Field("ratelimit", Size(), 0,
              "bytes/s for all tasks together, also \"512K\"; 0 is no limit"),
        Field("metalink", Boolean(), False,
              "use mirrors that the server names, if a SHA-256 or -512 is known"),
        Field("hash", Boolean(), False, "compute the SHA-256 of every file"),
        Field("reserve", Size(), 64 * 2 ** 20, "bytes to leave free on the disk, also \"64M\""),
        Field("overwrite", Choice("rename", "never"), "rename",
              "with a file of that name: rename uses \"name (1).ext\", never makes the task fail"),
    ),
}

# These and the section `download` may change while the daemon runs; the others are bound to open files
# and sockets.
LIVE = ("general.max_tasks", "general.archive", "general.archive_size", "general.log_size",
        "general.log_level")

# Files of this machine: a change counts after SIGHUP, but is not made over the API.
PATHS = ("download.ca_file", "download.client_cert", "download.cookies_file")

# Settings that confine users of the API, who cannot change them if deny_private was set.
CONFINING = ("download.deny_private", "download.allow_hosts", "download.proxy")

# Of commands, and of the hooks that a daemon may be started from.
OTHER_VARIABLES = ("DLSERV_CONFIG", "DLSERV_URL", "DLSERV_EVENT", "DLSERV_TASK_")

SECTIONS = dict(TABLES, **AUTOMATION)

General = namedtuple("General", TABLES["general"].fields)
Server = namedtuple("Server", TABLES["server"].fields)
Download = namedtuple("Download", [*TABLES["download"].fields, "rules"])     # see options.effective
Hooks = namedtuple("Hooks", AUTOMATION["hooks"].fields)


class Config(namedtuple("Config", "general server download hooks webhooks watch schedule rules")):
    """All settings, checked and complete: `config.download.timeout`, `config.webhooks[0]["url"]`."""

    __slots__ = ()

    @classmethod
    def parse(cls, *mappings):
        """Return a Config from nested mappings, of which later ones win. Raise InvalidValue."""
        values = {section: table.defaults() for section, table in SECTIONS.items()}
        for mapping in mappings:
            for section, given in _sections(mapping).items():
                values[section] = SECTIONS[section].merge(values[section], given)
        return cls(General(**values["general"]), Server(**values["server"]),
                   Download(rules=values["rules"], **values["download"]), Hooks(**values["hooks"]),
                   *[values[section] for section in cls._fields[4:]])

    def changed(self, mapping):
        """Return this Config with the changes of the mapping. Raise InvalidValue."""
        return self.parse(self._as_mapping(), mapping)

    def with_live_of(self, other):
        """Return this Config with those settings of the other that may change while the daemon runs."""
        values, others = self._as_mapping(), other._as_mapping()
        for section in TABLES:
            values[section].update((key, value) for key, value in others[section].items()
                                   if is_live(f"{section}.{key}"))
        return self.parse(values, {section: others[section] for section in AUTOMATION})

    def differences(self, other):
        """Return the names, "section.key", of the settings that differ."""
        return [f"{section}.{key}" for section in TABLES for key in TABLES[section].fields
                if getattr(getattr(self, section), key) != getattr(getattr(other, section), key)]

    @staticmethod
    def names(mapping):
        """Return "section.key" of each setting in a mapping that has a name of its own."""
        return [f"{section}.{key}" for section, given in mapping.items() if isinstance(given, dict)
                for key in given]

    def _as_mapping(self):
        return {section: values if isinstance(values, list)
                else {key: getattr(values, key) for key in SECTIONS[section].fields}
                for section, values in self._asdict().items()}

    def masked(self):
        return {section: SECTIONS[section].masked(values) for section, values in self._as_mapping().items()}


def is_live(name):
    """Return whether the setting "section.key" may change while the daemon runs."""
    return name.startswith("download.") or name in LIVE


def fixed_names(confined):
    """Return the "section.key" of all settings that the API may not change, more if deny_private confines it."""
    refused = PATHS + CONFINING if confined else PATHS
    return [name for name in Config.names({section: table.fields for section, table in TABLES.items()})
            if not is_live(name) or name in refused]


def _sections(mapping):
    if not isinstance(mapping, dict):
        raise InvalidValue("configuration", f"is not an object with the sections {', '.join(SECTIONS)}")
    for section in mapping:
        if section not in SECTIONS:
            raise InvalidValue(key_name(section), f"there is no such section; there are {', '.join(SECTIONS)}")
    return mapping


def from_environment(environ):
    """Return (mapping of the `DLSERV_<KEY>` variables, names of others). Raise InvalidValue."""
    owner = {"DLSERV_" + name.upper(): (table, name) for table in TABLES.values() for name in table.fields}
    mapping, unknown = {}, []
    for variable in sorted(environ):
        if variable in owner:
            table, name = owner[variable]
            try:
                parsed = table.parse({name: environ[variable]}, text=True)
            except InvalidValue as error:
                raise InvalidValue(f"{error.key} (from ${variable})", error.reason) from None
            mapping.setdefault(table.where, {}).update(parsed)
        elif variable.startswith("DLSERV_") and not variable.startswith(OTHER_VARIABLES):
            unknown.append(variable)
    return mapping, unknown
