"""Settings that those who use the interface cannot change, and files that settings name."""

import json
import os
import signal
import subprocess

import pytest

from dlserv import Daemon, Server
from dlserv.errors import Forbidden, InvalidValue
from dlserv.settings.config import CONFINING, PATHS
from harness import ROOT, Api, Process, until

CERTS = os.path.join(ROOT, "tests", "certs")
CA = os.path.join(CERTS, "ca.pem")
OWN = os.path.join(CERTS, "server.pem")
LOOSER = [{"deny_private": False}, {"deny_private": True}, {"allow_hosts": ["127.0.0.1"]}, {"allow_hosts": []},
          {"proxy": "http://127.0.0.1:1"}, {"proxy": None}, {"proxy": ""},
          {"retries": 7, "allow_hosts": ["10.0.0.0/8"]}]


def all_refused(api, changes):
    before = api.get("/config").json
    for change in changes:
        answer = api.post("/config", {"download": change})
        assert answer.status == 403 and answer["code"] == "forbidden", (change, answer)
        assert answer["key"].startswith("download.") and answer["key"] in answer["errmsg"]
    assert api.get("/config").json == before


@pytest.fixture
def start(process, environ, tmp_path):
    """A function that starts a daemon with this `download` in its file, and these variables."""
    def start(download=(), **variables):
        path = tmp_path / "config.json"
        path.write_text(json.dumps({"download": dict(download)}))
        return process("-c", str(path), environ=dict(environ, **variables))
    return start


@pytest.mark.parametrize("download, variables", [({"deny_private": True}, {}), ({}, {"DLSERV_DENY_PRIVATE": "true"})],
                         ids=["by the file", "by the environment"])
def test_deny_private_cannot_be_lifted_by_those_it_binds(start, download, variables):
    daemon = start(download, **variables)
    all_refused(daemon.api, LOOSER)
    assert sorted(daemon.api.get("/config")["fixed"]) == sorted(CONFINING)
    properties = daemon.api.get("/openapi.json")["components"]["schemas"]["config"]["properties"]
    for name in CONFINING:
        assert properties["download"]["properties"][name.partition(".")[2]]["readOnly"]
    assert daemon.api.post("/config", {"download": {"retries": 7}}).status == 200


def test_without_deny_private_they_may_be_changed(start):
    daemon = start()
    for change in LOOSER:
        assert daemon.api.post("/config", {"download": change}).status == 200
    assert "fixed" not in daemon.api.get("/config").json


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs the signals of POSIX")
def test_the_owner_fixes_and_lifts_it_with_the_file(start, tmp_path):
    daemon = start({"deny_private": True})
    for value in (False, True):
        (tmp_path / "config.json").write_text(json.dumps({"download": {"deny_private": value}}))
        daemon.popen.send_signal(signal.SIGHUP)
        until(lambda: daemon.api.get("/config")["config"]["download"]["deny_private"] == value)
        assert ("fixed" in daemon.api.get("/config").json) == value
    all_refused(daemon.api, LOOSER)


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("value", [CA, CERTS, "/dev/zero", "/no/such/file", "x", None])
def test_paths_are_refused_over_the_interface(api, name, value):
    key = name.partition(".")[2]
    before = api.get("/config").json
    answer = api.post("/config", {"download": {key: value}})
    assert answer.status == 403 or (key == "cookies_file" and answer.status == 400), answer
    assert name in answer["errmsg"] and api.get("/config").json == before


def test_a_fifo_is_refused_over_the_interface_at_once(api, tmp_path):
    path = str(tmp_path / "fifo")
    os.mkfifo(path)
    for key in ("ca_file", "client_cert"):
        for value in (path, None):
            assert api.post("/config", {"download": {key: value}}).status == 403


# -- files that are named at the start ------------------------------------------------------

@pytest.fixture
def place(tmp_path):
    """A function that makes something under a path, and returns the path."""
    def place(kind):
        path = str(tmp_path / "named")
        if kind == "folder":
            os.mkdir(path)
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind == "device":
            return "/dev/zero"
        elif kind == "encrypted key":
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-passout", "pass:x", "-keyout", path,
                            "-out", path + ".crt", "-days", "2", "-subj", "/CN=x"], check=True,
                           stderr=subprocess.DEVNULL)
            with open(path + ".crt") as crt, open(path, "a") as file:
                file.write(crt.read())
        elif kind == "secret":
            with open(path, "w"):
                os.chmod(path, 0)
        elif kind != "nothing":
            with open(path, "w") as file:
                file.write({"text": "hello\n", "empty": "", "large": " " * (2 ** 24 + 1)}[kind])
        return path
    return place


KINDS = ["nothing", "folder", "fifo", "device", "text", "empty", "large"]


@pytest.mark.parametrize("key", ["ca_file", "client_cert"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_that_cannot_be_loaded_is_a_sentence(settings, place, key, kind):
    settings["download"][key] = path = place(kind)
    with pytest.raises(InvalidValue, match="^download.%s: %s cannot be loaded: " % (key, path)) as caught:
        Daemon(settings).start()
    assert "_ssl.c" not in str(caught.value)


@pytest.mark.parametrize("key", ["client_cert", "tls_cert"])
def test_an_encrypted_key_is_a_sentence_and_asks_nobody(settings, place, key):
    if subprocess.call("command -v openssl", shell=True, stdout=subprocess.DEVNULL):
        pytest.skip("there is no openssl")
    settings["server" if key == "tls_cert" else "download"][key] = place("encrypted key")
    with pytest.raises(InvalidValue, match="the key is encrypted; store it without a passphrase"):
        with Daemon(settings) as daemon:
            Server(daemon)


@pytest.mark.parametrize("key", ["tls_cert", "tls_key"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_certificate_of_the_server_is_a_sentence(settings, place, key, kind):
    settings["server"].update({"tls_cert": OWN, key: place(kind)})
    with Daemon(settings) as daemon:
        with pytest.raises(InvalidValue, match="^server.tls_(cert|key): .* cannot be used: "):
            Server(daemon)


def test_certificates_that_are_some_are_taken(settings):
    settings["download"].update(ca_file=CA, client_cert=OWN)
    with Daemon(settings) as daemon:
        assert daemon.config.download.ca_file == CA
        with pytest.raises(Forbidden):
            daemon.configure({"download": {"ca_file": None}})


@pytest.mark.parametrize("kind", ["nothing", "folder", "fifo"])
def test_a_cookies_file_that_cannot_be_loaded_is_a_sentence(settings, place, tmp_path, kind):
    place(kind)
    settings["download"]["cookies_file"] = "named"
    with pytest.raises(InvalidValue, match="^download.cookies_file: .*named cannot be loaded: "):
        Daemon(settings, folder=str(tmp_path)).start()


@pytest.mark.parametrize("key, kind", [("ca_file", "fifo"), ("client_cert", "text"), ("log_file", "fifo")])
def test_the_program_ends_with_2_or_1_and_a_sentence(environ, tmp_path, folder, place, key, kind):
    section = "general" if key == "log_file" else "download"
    (tmp_path / "config.json").write_text(json.dumps({section: {key: place(kind)}}))
    with pytest.raises(AssertionError, match="dlserv: %s.%s: " % (section, key)) as caught:
        Process(["-c", str(tmp_path / "config.json"), "--download-dir", str(folder),
                 "--db", str(tmp_path / "s.db")], environ=environ)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("kind", ["folder", "fifo", "device"])
def test_a_configuration_file_that_is_none_is_a_sentence(environ, tmp_path, folder, place, kind):
    with pytest.raises(AssertionError, match="dlserv: -c: "):
        Process(["-c", place(kind), "--download-dir", str(folder), "--db", str(tmp_path / "s.db")], environ=environ)


@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="needs /dev/fd")
def test_a_configuration_may_come_from_a_pipe(environ, tmp_path, folder):
    command = "exec %s -c /dev/fd/3 --port 0 --download-dir %s --db %s 3<<E\n%s\nE\n" % (
        os.path.join(ROOT, "dlserv.py"), folder, tmp_path / "s.db", json.dumps({"download": {"retries": 9}}))
    process = Process([], ["sh", "-c", command, "sh"], environ=environ)
    try:
        with Api(process.url) as api:
            assert api.get("/config")["config"]["download"]["retries"] == 9
    finally:
        process.stop()
