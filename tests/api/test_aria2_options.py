"""aria2's options: what each comes to here, what is told of it, and secrets that come back masked."""

import os
import pathlib

import pytest

from aria2 import NOWHERE, message
from harness import until

MASKED = "stands for a secret"


@pytest.fixture
def daemon(shared):
    return shared


@pytest.fixture
def folder(shared):
    """The download directory of the module's daemon."""
    return pathlib.Path(shared.config.general.download_dir)


@pytest.fixture
def posted(rpc, daemon):
    """A function that adds a URL with aria2's options and returns ours."""

    def posted(options, url=NOWHERE + "file"):
        rpc("addUri", [url], dict(options, pause="true"))
        return {name: value for name, value in daemon.list()[-1].posted.items() if name != "paused"}

    return posted


# -- what each option comes to ----------------------------------------------------------------


@pytest.mark.parametrize(
    "given, ours",
    [({"out": "a.iso"}, {"filename": "a.iso"}), ({"out": "x/y/a.iso"}, {"filename": "a.iso", "dir": "x/y"}),
     ({"out": "./a.iso"}, {"filename": "a.iso"}), ({"out": ""}, {}), ({"out": None}, {}),
     ({"user-agent": "agent/1"}, {"user_agent": "agent/1"}), ({"user-agent": ""}, {}),
     ({"referer": "http://r/"}, {"referer": "http://r/"}), ({"referer": "*"}, {"referer": NOWHERE + "file"}),
     ({"http-user": "me", "http-passwd": "pw"}, {"user": "me", "password": "pw"}),
     ({"ftp-user": "me", "ftp-passwd": "pw"}, {}), ({"max-download-limit": "0"}, {"ratelimit": 0}),
     ({"max-download-limit": "100K"}, {"ratelimit": 102400}),
     ({"max-download-limit": "1m"}, {"ratelimit": 2 ** 20}),
     ({"max-download-limit": 5000}, {"ratelimit": 5000}), ({"split": "3"}, {"connections": 3}),
     ({"max-connection-per-server": "2"}, {"connections": 2}),
     ({"split": "16", "max-connection-per-server": "5"}, {"connections": 5}),
     ({"split": "64"}, {"connections": 16}),
     ({"split": 8, "max-connection-per-server": 16}, {"connections": 8}), ({"split": ""}, {}),
     ({"max-tries": "1"}, {"retries": 0}), ({"max-tries": "5"}, {"retries": 4}),
     ({"max-tries": "0"}, {"retries": 1000}), ({"max-tries": "9999"}, {"retries": 1000}),
     ({"timeout": "60"}, {"timeout": 60}), ({"timeout": 7}, {"timeout": 7}),
     ({"checksum": "sha-256=" + "A" * 64}, {"checksum": "sha-256=" + "a" * 64}),
     ({"checksum": "sha-1=" + "0" * 40}, {"checksum": "sha-1=" + "0" * 40}),
     ({"checksum": "md5=" + "0" * 32}, {"checksum": "md5=" + "0" * 32}),
     ({"check-certificate": "false"}, {"verify_tls": False}),
     ({"check-certificate": True}, {"verify_tls": True}),
     ({"all-proxy": "http://p:3128"}, {"proxy": "http://p:3128"}),
     ({"all-proxy": "p:3128"}, {"proxy": "http://p:3128"}), ({"all-proxy": ""}, {}),
     ({"http-proxy": "http://h:1", "all-proxy": "http://a:1"}, {"proxy": "http://h:1"}),
     ({"https-proxy": "http://s:1", "ftp-proxy": "http://f:1"}, {}),
     ({"all-proxy": "http://p:1", "all-proxy-user": "u@x", "all-proxy-passwd": "p:w/"
       }, {"proxy": "http://u%40x:p%3Aw%2F@p:1"}),
     ({"http-proxy-user": "u", "http-proxy": "http://o:o@p:1"}, {"proxy": "http://u:@p:1"}),
     ({"header": ["A: 1", "b:2"]}, {"headers": {"A": "1", "b": "2"}}),
     ({"header": "A: 1\nB: 2"}, {"headers": {"A": "1", "B": "2"}}),
     ({"header": "A: 1\r\n\r\n"}, {"headers": {"A": "1"}}), ({"header": []}, {}), ({"header": ""}, {}),
     ({"header": ["A: 1", "A: 2"]}, {"headers": {"A": "1, 2"}}),
     ({"header": ["Cookie: a=1", "cookie: b=2"]}, {"cookies": "a=1; b=2"}),
     ({"header": ["User-Agent: agent/1", "Referer: http://r/"]
       }, {"user_agent": "agent/1", "referer": "http://r/"}),
     ({"header": ["Authorization: Bearer t"]}, {"headers": {"Authorization": "Bearer t"}}),
     ({"header": ["Accept-Encoding: gzip", "Connection: keep-alive", "Range: bytes=0-", "Accept: */*"]
       }, {"headers": {"Accept": "*/*"}})])
def test_an_option_means_ours(posted, given, ours):
    assert posted(given) == ours


@pytest.mark.parametrize(
    "name", """continue allow-overwrite auto-file-renaming always-resume conditional-get
    check-integrity remote-time file-allocation min-split-size lowest-speed-limit stream-piece-selector
    uri-selector parameterized-uri reuse-uri use-head no-netrc force-save gid select-file bt-tracker
    bt-max-peers seed-time
    seed-ratio follow-torrent retry-wait connect-timeout max-upload-limit no-proxy load-cookies
    rpc-save-upload-metadata nobody-knows-this""".split())
@pytest.mark.parametrize("value", ["true", "5", "", 5, False, None, "x\ny", []])
def test_what_makes_no_difference_is_accepted(posted, name, value):
    assert posted({name: value}) == {}


def test_a_scheme_has_its_own_user_and_proxy(rpc, daemon):
    options = {
        "http-user": "h", "ftp-user": "f", "ftp-passwd": "p", "ftp-proxy": "http://fp:1",
        "https-proxy": "http://sp:1", "pause": "true"
    }
    rpc("addUri", ["ftp://127.0.0.1:1/a"], options), rpc("addUri", ["https://127.0.0.1:1/a"], options)
    ftp, https = (task.posted for task in daemon.list())
    assert (ftp["user"], ftp["password"], ftp["proxy"]) == ("f", "p", "http://fp:1")
    assert (https["user"], https["proxy"]) == ("h", "http://sp:1") and "password" not in https


@pytest.mark.parametrize("given, name",
                         [({"split": "x"}, "split"), ({"split": "0"}, "split"), ({"split": "-1"}, "split"),
                          ({"split": "1.5"}, "split"), ({"split": {}}, "split"),
                          ({"max-connection-per-server": "many"}, "max-connection-per-server"),
                          ({"max-tries": "-1"}, "max-tries"), ({"max-tries": "x"}, "max-tries"),
                          ({"timeout": "soon"}, "timeout"), ({"timeout": "0"}, "timeout"),
                          ({"max-download-limit": "fast"}, "max-download-limit"),
                          ({"max-download-limit": "-1"}, "max-download-limit"),
                          ({"checksum": "crc=1"}, "checksum"), ({"checksum": "sha-256=zz"}, "checksum"),
                          ({"pause": "maybe"}, "pause"), ({"check-certificate": "x"}, "check-certificate"),
                          ({"header": "no colon"}, "header"), ({"header": ["A\x01: b"]}, "header"),
                          ({"header": ["Host: other"]}, "header"), ({"header": [5]}, "header"),
                          ({"out": "/etc/passwd"}, "out"), ({"out": "../x"}, "out"),
                          ({"out": "a/../../x"}, "out"), ({"out": "a\\b"}, "out"), ({"out": ".."}, "out"),
                          ({"all-proxy": "gopher://x"}, "all-proxy"),
                          ({"http-proxy": "http://"}, "http-proxy"), ({"user-agent": "a\nb"}, "user-agent"),
                          ({"pause": [True]}, "pause")])
def test_a_bad_value_is_refused_by_its_name(rpc, daemon, given, name):
    assert message(rpc, "addUri", [NOWHERE], given).startswith(f"The option {name}: ") and daemon.list() == []


@pytest.mark.parametrize("url, fits", [(NOWHERE + "{a,b}.iso", False), (NOWHERE + "[1-9].iso", False),
                                       (NOWHERE + "[001-100:2].iso", False), (NOWHERE + "a", True)])
def test_one_uri_is_one_download(rpc, url, fits):
    if fits:
        assert rpc("addUri", [url], {"parameterized-uri": "true", "pause": "true"})
    else:
        assert "parameterized-uri" in message(rpc, "addUri", [url], {"parameterized-uri": "true"})
        assert rpc("addUri", [url], {"parameterized-uri": "false", "pause": "true"})


# -- dir ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("below, ours", [("", None), ("/", None), ("/sub", "sub"), ("/a/b/", "a/b"),
                                         ("/a/./b", "a/b"), ("/a/../b", "b"), ("//x", "x")])
def test_dir_is_at_or_below_the_download_directory(posted, folder, below, ours):
    assert posted({"dir": str(folder) + below
                   }).get("dir") == (ours if ours else posted({"dir": str(folder) + below}).get("dir"))
    assert posted({"dir": str(folder) + below}).get("dir") in (ours, "")


@pytest.mark.parametrize("wrong", [
    "/etc", "/", "relative", ".", "..", "{}/..", "{}/../other", "{}x", "C:\\Downloads", "~nobody/x",
    "/proc/self/root/{}"
])
def test_dir_anywhere_else_is_refused(rpc, daemon, folder, wrong):
    wrong = wrong.format(folder)
    assert message(rpc, "addUri", [NOWHERE],
                   {"dir": wrong}) == f"dir must be {folder} or below it" and daemon.list() == []


def test_a_tilde_is_the_home_folder(posted, folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert posted({"dir": "~/downloads/x", "out": "y/z"}) == {"dir": "x/y", "filename": "z"}


def test_dir_may_lead_through_a_link_to_the_download_directory(rpc, settings, folder, tmp_path):
    from aria2 import Rpc
    from dlserv import Daemon, Server
    os.symlink(folder, tmp_path / "link")
    settings["general"].update(download_dir=str(tmp_path / "link"), db_path=str(tmp_path / "other" / "db"))
    with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", 0) as server:
        rpc = Rpc(server.url)
        for path in (tmp_path / "link" / "s", folder / "s"):
            gid = rpc("addUri", [f"{NOWHERE}{len(str(path))}"], {"dir": str(path), "pause": "true"})
            assert rpc("getOption", gid)["dir"] == str(tmp_path / "link" / "s")


def test_a_file_goes_where_dir_and_out_say(rpc, origin, folder):
    origin.put("/a", b"bytes")
    gid = rpc("addUri", [origin.url("/a")], {"dir": str(folder / "d"), "out": "e/f.bin"})
    until(lambda: rpc("tellStatus", gid)["status"] == "complete")
    assert (folder / "d" / "e" / "f.bin").read_bytes() == b"bytes"
    assert rpc("tellStatus", gid, ["dir", "files"])["dir"] == str(folder / "d" / "e")


# -- what is told -----------------------------------------------------------------------------------

FORM = """dir out user-agent split max-connection-per-server max-tries timeout connect-timeout
    max-download-limit max-upload-limit check-certificate pause continue allow-overwrite auto-file-renaming
    min-split-size seed-ratio seed-time remote-time file-allocation""".split()


def test_options_are_told_by_aria2s_names(rpc, folder):
    gid = rpc(
        "addUri", [NOWHERE], {
            "pause": "true", "dir": str(folder / "x"), "out": "y", "header": [
                "Accept: a", "Authorization: secret", "Cookie: secret"
            ], "http-user": "me", "http-passwd": "secret", "all-proxy": "http://u:secret@p:1", "split": "7",
            "max-tries": "3", "max-download-limit": "2K", "timeout": "9", "referer": "http://u:secret@r/",
            "checksum": "md5=" + "0" * 32
        })
    told = rpc("getOption", gid)
    assert set(FORM) <= set(told) and "secret" not in str(told)
    assert {
        name: told[name]
        for name in ("dir", "out", "header", "http-user", "http-passwd", "split", "max-tries", "timeout",
                     "max-connection-per-server", "max-download-limit", "checksum", "pause")
    } == {
        "dir": str(folder / "x"), "out": "y", "header": "Accept: a\nAuthorization: ***\nCookie: ***",
        "http-user": "me", "http-passwd": "***", "split": "7", "max-tries": "3", "timeout": "9",
        "max-connection-per-server": "7", "max-download-limit": "2048", "checksum": "md5=" + "0" * 32,
        "pause": "false"
    }


def test_the_settings_are_told_by_aria2s_names(rpc, folder):
    told = rpc("getGlobalOption")
    assert set(FORM) - {"out"} <= set(told) and told["dir"] == str(
        folder) and told["max-concurrent-downloads"] == "5"
    assert {
        "max-overall-download-limit", "max-overall-upload-limit", "disk-cache", "log", "listen-port",
        "bt-max-peers", "enable-dht", "enable-dht6", "follow-torrent", "bt-remove-unselected-file"
    } <= set(told)


# -- changeOption -----------------------------------------------------------------------------------


def test_a_whole_form_sent_back_changes_nothing(rpc, daemon, folder):
    gid = rpc(
        "addUri", [NOWHERE], {
            "pause": "true", "header": ["Authorization: secret", "Cookie: c=1"], "http-passwd": "secret",
            "all-proxy": "http://u:secret@p:1", "out": "y", "dir": str(folder / "x")
        })
    before = dict(daemon.list()[0].posted)
    assert rpc("changeOption", gid, rpc("getOption", gid)) == "OK" and daemon.list()[0].posted == before
    form = dict(rpc("getOption", gid), split="9", **{"max-tries": 2})
    assert rpc("changeOption", gid, form) == "OK"
    assert daemon.list()[0].posted == dict(before, connections=9, retries=1)


def test_secrets_survive_the_change_of_a_neighbour(rpc, daemon):
    gid = rpc("addUri", [NOWHERE], {"pause": "true", "header": ["Authorization: secret", "Cookie: c=1"]})
    assert rpc("changeOption", gid, {"header": "Authorization: ***\nCookie: ***\nAccept: x"}) == "OK"
    assert daemon.list()[0].posted["headers"] == {"Authorization": "secret", "Accept": "x"}
    assert daemon.list()[0].posted["cookies"] == "c=1"
    assert rpc("changeOption", gid, {"header": ["Accept: x"]}) == "OK"
    assert daemon.list()[0].posted["headers"] == {"Accept": "x"} and "cookies" not in daemon.list()[0].posted
    assert MASKED in message(rpc, "changeOption", gid, {"header": "X-Token: ***"})


def test_an_empty_value_takes_an_option_back(rpc, daemon):
    gid = rpc(
        "addUri", [NOWHERE], {
            "pause": "true", "header": "A: 1", "all-proxy": "http://p:1", "out": "y", "referer": "http://r/",
            "http-user": "me", "checksum": "md5=" + "0" * 32
        })
    rpc("changeOption", gid,
        {"header": "", "all-proxy": "", "out": "", "referer": "", "http-user": "", "checksum": ""})
    assert set(daemon.list()[0].posted) <= {"paused"}


@pytest.mark.parametrize(
    "change", [{}, {"pause": "true"}, {"gid": "0123456789abcdef"}, {"bt-max-peers": 55}, {"nothing": None}])
def test_a_change_of_nothing_is_ok(rpc, daemon, change):
    gid = rpc("addUri", [NOWHERE], {"pause": "true"})
    before = dict(daemon.list()[0].posted)
    assert rpc("changeOption", gid, change) == "OK" and daemon.list()[0].posted == before


def test_only_the_user_of_a_proxy_may_change(rpc, daemon):
    gid = rpc("addUri", [NOWHERE], {"pause": "true", "all-proxy": "http://p:1"})
    rpc("changeOption", gid, {"all-proxy-user": "u", "all-proxy-passwd": "w"})
    assert daemon.list()[0].posted["proxy"] == "http://u:w@p:1"


# -- changeGlobalOption ---------------------------------------------------------------------------------


def test_settings_change_at_once(rpc, daemon):
    assert rpc("changeGlobalOption",
               {"max-concurrent-downloads": "7", "max-overall-download-limit": "512K"}) == "OK"
    assert daemon.config.download.max_concurrent == 7 and daemon.config.download.ratelimit == 524288
    told = rpc("getGlobalOption")
    assert told["max-concurrent-downloads"] == "7" and told["max-overall-download-limit"] == "524288"
    assert rpc("changeGlobalOption", {"max-overall-download-limit": 0, "max-concurrent-downloads": 3}) == "OK"
    assert daemon.config.download.ratelimit == 0 and daemon.config.download.max_concurrent == 3


@pytest.mark.parametrize(
    "name", """split max-connection-per-server header user-agent log log-level save-session rpc-secret
    on-download-complete bt-tracker max-overall-upload-limit conf-path all-proxy check-certificate anything"""
    .split())
def test_what_a_client_may_not_set_is_accepted_and_not_done(rpc, daemon, name):
    before = daemon.config
    assert rpc("changeGlobalOption", {name: "5"}) == "OK" and daemon.config == before


@pytest.mark.parametrize(
    "given, words",
    [({"max-concurrent-downloads": "0"}, "max-concurrent-downloads"),
     ({"max-concurrent-downloads": "x"}, "max-concurrent-downloads"),
     ({"max-overall-download-limit": "fast"}, "max-overall-download-limit"),
     ({"dir": "/elsewhere"}, "the download directory is set in"),
     ({"max-concurrent-downloads": "4", "max-overall-download-limit": "-1"}, "max-overall-download-limit"),
     ({"max-concurrent-downloads": "4", "dir": "/x"}, "configuration file"),
     ({"max-concurrent-downloads": {}}, "string")])
def test_all_settings_change_or_none(rpc, daemon, given, words):
    before = daemon.config
    assert words in message(rpc, "changeGlobalOption", given) and daemon.config == before


def test_the_present_dir_is_no_change(rpc, folder):
    for path in (str(folder), str(folder) + "/", ""):
        assert rpc("changeGlobalOption", {"dir": path}) == "OK"
