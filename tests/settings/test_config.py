"""The settings: every key's good and bad values, who wins, and where files go."""

import json

import pytest

from dlserv.settings import config
from dlserv.settings.config import TABLES, Config, from_environment
from dlserv.errors import InvalidValue

GOOD = [
    ("general", "download_dir", "/srv"), ("general", "db_path", "x.db"), ("general", "db_backend", "file"),
    ("general", "log_size", 1), ("general", "log_size", 1000), ("general", "log_level", "debug"),
    ("server", "host", "::1"), ("server", "port", 0), ("server", "port", 65535),
    ("download", "max_concurrent", 1), ("download", "max_per_host", 1000), ("download", "retries", 0),
    ("download", "retry_wait", 0), ("download", "retry_wait", 0.5), ("download", "timeout", 0.1),
    ("download", "user_agent", "curl/8"), ("download", "proxy", None), ("download", "proxy", ""),
    ("download", "proxy", "http://h:3128"), ("download", "ca_file", None), ("download", "ca_file", "/ca.pem"),
    ("download", "ratelimit", 0), ("download", "ratelimit", 2 ** 40), ("download", "overwrite", "never")]

BAD = [
    ("general", "download_dir", value) for value in ("", None, 5, "a\0b", "a\nb", "\ud800", ["/srv"])] + [
    ("general", "db_path", ""), ("general", "db_backend", "dbm"), ("general", "db_backend", ["file"]),
    ("general", "log_size", 0), ("general", "log_size", 1001), ("general", "log_size", 5.0),
    ("general", "log_size", "5"), ("general", "log_size", True), ("general", "log_level", "DEBUG"),
    ("general", "log_level", "loud"), ("server", "host", ""), ("server", "host", 0),
    ("server", "host", "a" * 256),
    ("server", "port", -1), ("server", "port", 65536), ("server", "port", "6880"), ("server", "port", None),
    ("download", "max_concurrent", 0), ("download", "max_per_host", 1.5), ("download", "retries", -1),
    ("download", "retries", 10 ** 399), ("download", "retry_wait", -0.1),
    ("download", "retry_wait", float("nan")),
    ("download", "timeout", 0), ("download", "timeout", float("inf")), ("download", "timeout", 10 ** 399),
    ("download", "timeout", "30"), ("download", "timeout", False), ("download", "user_agent", ""),
    ("download", "user_agent", "a\r\nb: c"), ("download", "proxy", "h:3128"),
    ("download", "proxy", "socks4://h"),
    ("download", "proxy", False), ("download", "ca_file", ""), ("download", "ratelimit", -1),
    ("download", "ratelimit", 1.5), ("download", "ratelimit", "fast"), ("download", "ratelimit", ""),
    ("download", "ratelimit", "9" * 400), ("download", "ratelimit", "9" * 300 + "T"),
    ("download", "ratelimit", None),
    ("download", "overwrite", "always"), ("download", "overwrite", None)]


# -- values -----------------------------------------------------------------------------

def test_nothing_said_gives_the_defaults():
    settings = Config.parse({})
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 6880)
    assert (settings.general.log_size, settings.general.log_level) == (50, "info")
    assert (settings.general.download_dir, settings.general.db_path) == (None, None)
    assert (settings.download.max_concurrent, settings.download.timeout) == (5, 30)
    assert settings.download.user_agent.startswith("dlserv/") and settings.download.overwrite == "rename"


def test_every_default_would_be_accepted_if_it_were_said():
    for table in TABLES.values():
        for field in table.fields.values():
            if field.name not in ("download_dir", "db_path"):      # these depend on the machine
                assert field.parse(field.default) == field.default, field.name


@pytest.mark.parametrize("section, key, value", GOOD)
def test_a_good_value_is_taken_as_it_is(section, key, value):
    assert getattr(getattr(Config.parse({section: {key: value}}), section), key) == value


@pytest.mark.parametrize("value, count", [
    ("512K", 524288), ("2M", 2097152), ("1.5k", 1536), ("1GiB", 2 ** 30), ("100", 100), (" 1 kb ", 1024),
    ("0", 0)])
def test_a_rate_may_be_a_size(value, count):
    assert Config.parse({"download": {"ratelimit": value}}).download.ratelimit == count


@pytest.mark.parametrize("section, key, value", BAD, ids=lambda value: repr(value)[:20])
def test_a_bad_value_is_refused_by_its_name(section, key, value):
    with pytest.raises(InvalidValue) as caught:
        Config.parse({section: {key: value}})
    assert caught.value.key == "%s.%s" % (section, key)
    assert str(caught.value).startswith("%s.%s: " % (section, key)) and len(str(caught.value)) < 300


@pytest.mark.parametrize("value", [70000, "eighty", 1.5])
def test_a_refusal_names_the_value(value):
    with pytest.raises(InvalidValue, match="^server.port: .*" + json.dumps(value)):
        Config.parse({"server": {"port": value}})


@pytest.mark.parametrize("mapping, sentence", [
    ({"server": {"prot": 1}}, "^server.prot: there is no such key; is port meant?"),
    ({"download": {"max_concurent": 1}}, "^download.max_concurent: .*max_concurrent"),
    ({"general": {"zzz": 1}}, "^general.zzz: there is no such key$"),
    ({"sever": {}}, "^sever: there is no such section.*general, server, download"),
    ({"port": 1}, "^port: there is no such section"), ({"server": []}, r"^server: \[\] is not an object"),
    ({"server": None}, "^server: null is not an object"), ([], "^configuration: "), ("x", "^configuration: "),
    (None, "^configuration: ")])
def test_what_has_no_place_in_the_settings_is_named(mapping, sentence):
    with pytest.raises(InvalidValue, match=sentence):
        Config.parse(mapping)


def test_a_later_mapping_wins_key_by_key():
    settings = Config.parse({"server": {"port": 1, "host": "a"}}, {}, {"server": {"port": 2}})
    assert (settings.server.port, settings.server.host) == (2, "a")


def test_what_is_shown_can_be_read_again():
    settings = Config.parse({"general": {"download_dir": "/srv", "db_path": "/db"},
        "download": {"ratelimit": "1K"}})
    assert Config.parse(json.loads(json.dumps(settings.masked()))) == settings


def test_credentials_of_a_proxy_are_not_shown():
    settings = Config.parse({"download": {"proxy": "http://me:geheim@h:3128/"}})
    assert settings.download.proxy == "http://me:geheim@h:3128/"
    assert settings.masked()["download"]["proxy"] == "http://h:3128/"


def test_settings_cannot_be_changed():
    with pytest.raises(AttributeError):
        Config.parse({}).server.port = 1


# -- the environment --------------------------------------------------------------------

def test_every_key_has_a_variable_of_its_own():
    names = ["DLSERV_" + key.upper() for table in TABLES.values() for key in table.fields]
    assert len(names) == len(set(names))
    assert not set(names) & set(config.OTHER_VARIABLES)


@pytest.mark.parametrize("variable, text, section, key, value", [
    ("DLSERV_PORT", "0", "server", "port", 0), ("DLSERV_HOST", "::", "server", "host", "::"),
    ("DLSERV_DOWNLOAD_DIR", "/srv", "general", "download_dir", "/srv"),
    ("DLSERV_DB_PATH", "x.db", "general", "db_path", "x.db"),
    ("DLSERV_LOG_LEVEL", "error", "general", "log_level", "error"),
    ("DLSERV_TIMEOUT", "2.5", "download", "timeout", 2.5), ("DLSERV_TIMEOUT", "2", "download", "timeout", 2),
    ("DLSERV_RATELIMIT", "2M", "download", "ratelimit", 2097152),
    ("DLSERV_PROXY", "", "download", "proxy", ""),
    ("DLSERV_PROXY", "http://h", "download", "proxy", "http://h")])
def test_a_variable_sets_its_key(variable, text, section, key, value):
    assert from_environment({variable: text, "HOME": "/"}) == ({section: {key: value}}, [])


@pytest.mark.parametrize("variable, text", [
    ("DLSERV_PORT", "x"), ("DLSERV_PORT", ""), ("DLSERV_PORT", "65536"), ("DLSERV_PORT", "1.5"),
    ("DLSERV_LOG_LEVEL", "loud"), ("DLSERV_TIMEOUT", "nan"), ("DLSERV_TIMEOUT", "1e999"),
    ("DLSERV_TIMEOUT", "9" * 400), ("DLSERV_RATELIMIT", "9" * 400), ("DLSERV_PROXY", "h:3128"),
    ("DLSERV_HOST", "")],
    ids=lambda value: value[:20])
def test_a_wrong_variable_is_refused_by_its_name(variable, text):
    with pytest.raises(InvalidValue, match=r"^\w+\.%s \(from \$%s\): " % (variable[7:].lower(), variable)):
        from_environment({variable: text})


def test_a_variable_that_is_none_of_ours_is_told():
    environ = {"DLSERV_PROT": "1", "DLSERV_port": "1", "DLSERV_": "", "DLSERV_CONFIG": "x", "DLSERV_URL": "x",
               "PORT": "1", "XDLSERV_PORT": "1"}
    assert from_environment(environ) == ({}, ["DLSERV_", "DLSERV_PROT", "DLSERV_port"])
