"""The token of a daemon that others can reach: made, told, kept, found."""

import json
import os
import signal
import socket
import stat

import pytest

import forks
from dlserv.settings import token
from dlserv.errors import Unwritable
from harness import Process, until

SECRET = "s3cret-s3cret-s3cret"
EVERYWHERE = ("--host", "0.0.0.0")
TOLD = "clients must send a token"


@pytest.fixture
def run(environ):
    """Run a command there; return (exit code, standard output, standard error)."""
    def run(*arguments, **variables):
        done = forks.run(arguments, env=dict(environ, **variables), timeout=15)
        return done.returncode, done.stdout.decode(), done.stderr.decode()
    return run


@pytest.fixture
def kept(tmp_path):
    """The file of the token."""
    return tmp_path / "state" / "dlserv.token"


def opens(daemon, token):
    """Return whether the token is needed and accepted."""
    assert daemon.api.get("/health").status == 200
    without = daemon.api.get("/task/list").status
    with_it = daemon.api.get("/task/list", Authorization="Bearer " + token).status
    assert (without, with_it) in ((401, 200), (401, 401), (200, 200))
    return (without, with_it) == (401, 200)


def note(tmp_path):
    return json.loads((tmp_path / "dlserv.json").read_text())


def test_one_is_made_at_the_first_start_and_told_once(start_process, run, kept, tmp_path):
    first = start_process(*EVERYWHERE)
    token = kept.read_text().strip()
    assert len(token) >= 40 and stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [path.name for path in kept.parent.iterdir() if "token" in path.name] == [kept.name]
    assert first.log.count(token) == 1 and TOLD in first.log and str(kept) in first.log
    assert opens(first, token) and note(tmp_path)["token_file"] == str(kept)
    assert run("list")[0] == 0 and run("list", "--url", first.url)[0] == 4
    assert first.stop() == 0
    second = start_process(*EVERYWHERE)
    assert kept.read_text().strip() == token and opens(second, token)
    assert token not in second.log and TOLD not in second.log


def test_an_address_that_cannot_be_had_makes_none(start_process, kept):
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen(1)
        with pytest.raises(AssertionError, match="cannot be listened on"):
            start_process(*EVERYWHERE, "--port", str(taken.getsockname()[1]))
    assert not kept.exists(), "who starts it again is to be told"


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs the signals of POSIX")
def test_sighup_leaves_it(start_process, kept, tmp_path):
    config = tmp_path / "config.json"
    config.write_text("{}")
    daemon = start_process("-c", str(config), *EVERYWHERE)
    daemon.popen.send_signal(signal.SIGHUP)
    until(lambda: "are in effect" in daemon.log)
    assert opens(daemon, kept.read_text().strip()) and "from the next start" not in daemon.log


def test_none_is_needed_where_nobody_else_comes(start_process, kept, tmp_path):
    for host in ("127.0.0.1", "localhost", "127.0.0.2"):
        daemon = start_process("--host", host, DLSERV_TOKEN="")
        assert daemon.api.get("/task/list").status == 200 and "token" not in daemon.log
        assert note(tmp_path)["token_file"] is None
        daemon.stop()
    assert not kept.exists()


def test_no_token_lets_everybody_in(start_process, kept):
    daemon = start_process("--no-token", *EVERYWHERE, DLSERV_TOKEN=SECRET)
    assert daemon.api.get("/task/list").status == 200 and not kept.exists()
    until(lambda: "there is no token" in daemon.log)
    assert daemon.api.get("/task/list", Host="evil.example").status == 403


@pytest.mark.parametrize("arguments, variables", [
    ([], {"DLSERV_TOKEN": SECRET}),
    (["--token", SECRET], {}), (["--token", SECRET], {"DLSERV_TOKEN": "x" * 16}),
    (["--token-file", "FILE"], {}), (["--token-file", "FILE"], {"DLSERV_TOKEN": "x" * 16}),
    ([], {"DLSERV_TOKEN_FILE": "FILE"}), (["-c", "CONFIG"], {}), (["-c", "CONFIG", "--token", SECRET], {"DLSERV_TOKEN_FILE": "/nonexistent"})])
def test_one_that_is_said_counts_wherever_it_listens(start_process, kept, tmp_path, arguments, variables):
    (tmp_path / "FILE").write_text(SECRET + "\nnot this\n")
    (tmp_path / "CONFIG").write_text(json.dumps({"server": {"token": SECRET}}))
    arguments = [str(tmp_path / each) if each.isupper() else each for each in arguments]
    variables = {name: str(tmp_path / each) if each == "FILE" else each for name, each in variables.items()}
    daemon = start_process(*arguments, **variables)
    assert opens(daemon, SECRET) and not kept.exists() and SECRET not in daemon.log
    from_file = "--token-file" in arguments or variables.get("DLSERV_TOKEN_FILE") == str(tmp_path / "FILE")
    expected = str(tmp_path / "FILE") if from_file else None
    assert note(tmp_path)["token_file"] == expected


def test_the_command_line_brings_its_token(start_process, run, tmp_path):
    daemon = start_process(DLSERV_TOKEN=SECRET)
    (tmp_path / "right").write_text(SECRET + "\n")
    (tmp_path / "wrong").write_text("secret\n")
    assert run("list", DLSERV_TOKEN=SECRET)[0] == 0
    assert run("--token-file", str(tmp_path / "right"), "list")[0] == 0
    assert run("list", "--token-file=" + str(tmp_path / "right"), "--url", daemon.url)[0] == 0
    assert run("list")[0] == 4
    code, out, err = run("list", "--token-file", str(tmp_path / "wrong"))
    assert (code, out, err) == (4, "", err) and "this is not the token" in err
    for _ in range(10):
        daemon.api.get("/stats", Authorization="Bearer secret")
    for token in ("right", "wrong"):
        code, out, err = run("list", "--token-file", str(tmp_path / token))
        assert (code, out) == (4, "") and "too many" in err and "try again in" in err


# -- systemd's LoadCredential=token:FILE ------------------------------------------------------

@pytest.fixture
def credentials(tmp_path):
    """The folder that systemd would make, with the token in it."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "token").write_text(SECRET + "\n")
    return folder


def test_a_credential_counts_where_no_token_is_named(start_process, kept, tmp_path, credentials):
    daemon = start_process(*EVERYWHERE, CREDENTIALS_DIRECTORY=str(credentials))
    assert opens(daemon, SECRET) and not kept.exists() and SECRET not in daemon.log
    assert "the token is that of $CREDENTIALS_DIRECTORY/token" in daemon.log
    config = daemon.api.get("/config?origins=true", Authorization="Bearer " + SECRET)
    assert config["origins"]["server.token_file"] == "$CREDENTIALS_DIRECTORY/token"
    assert config["config"]["server"]["token_file"] == str(credentials / "token")
    assert SECRET not in config.body.decode() and note(tmp_path)["token_file"] == str(credentials / "token")
    daemon.popen.send_signal(signal.SIGHUP)
    until(lambda: "are in effect" in daemon.log)
    assert opens(daemon, SECRET) and "from the next start" not in daemon.log


@pytest.mark.parametrize("arguments, variables", [
    (["--token", "x" * 16], {}), (["--token-file", "FILE"], {}), ([], {"DLSERV_TOKEN": "x" * 16}),
    ([], {"DLSERV_TOKEN_FILE": "FILE"}), (["-c", "CONFIG"], {})])
def test_a_token_that_is_named_counts_before_a_credential(start_process, tmp_path, credentials, arguments, variables):
    (tmp_path / "FILE").write_text("x" * 16)
    (tmp_path / "CONFIG").write_text(json.dumps({"server": {"token": "x" * 16}}))
    arguments = [str(tmp_path / each) if each.isupper() else each for each in arguments]
    variables = {name: str(tmp_path / each) if each == "FILE" else each for name, each in variables.items()}
    daemon = start_process(*arguments, CREDENTIALS_DIRECTORY=str(credentials), **variables)
    assert opens(daemon, "x" * 16) and not opens(daemon, SECRET)
    assert "CREDENTIALS_DIRECTORY" not in daemon.log
    origins = daemon.api.get("/config?origins=true", Authorization="Bearer " + "x" * 16)["origins"]
    assert "$CREDENTIALS_DIRECTORY/token" not in origins.values()


def test_no_token_is_said_over_a_credential(start_process, credentials):
    daemon = start_process("--no-token", CREDENTIALS_DIRECTORY=str(credentials))
    assert daemon.api.get("/task/list").status == 200 and "CREDENTIALS_DIRECTORY" not in daemon.log
    assert daemon.api.get("/config?origins=true")["origins"]["server.token_file"] is None


@pytest.mark.parametrize("name", ["nonexistent", "other", "credentials/token", ""])
def test_credentials_without_a_token_are_none(start_process, tmp_path, credentials, name):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "smtp").write_text(SECRET)
    daemon = start_process(CREDENTIALS_DIRECTORY=name and str(tmp_path / name))
    assert daemon.api.get("/task/list").status == 200 and "CREDENTIALS_DIRECTORY" not in daemon.log


@pytest.mark.parametrize("text, words", [
    ("", "the first line of .*/token is not a token"), ("two words", "is not a token"),
    ("x" * 15, "fewer than 16 characters"), ("x" * 1025, "is not a token"), ("\n" + "x" * 16, "is not a token"),
    ("x" * 2 ** 17, "is larger than"), (None, "cannot be read")], ids=lambda text: repr(text)[:20])
def test_a_credential_that_is_no_token_ends_the_start(environ, tmp_path, folder, credentials, text, words):
    if text is None:
        (credentials / "token").unlink()
        (credentials / "token").mkdir()
    else:
        (credentials / "token").write_text(text)
    base = ["--download-dir", str(folder), "--db", str(tmp_path / "state" / "x.db")]
    with pytest.raises(AssertionError, match="server.token_file: .*" + words):
        Process(base, environ=dict(environ, CREDENTIALS_DIRECTORY=str(credentials)))


@pytest.mark.parametrize("arguments, variables, words", [
    (["--token-file", "/nonexistent"], {}, "--token-file: /nonexistent cannot be read"),
    (["--token-file", os.devnull], {}, "--token-file: the first line of %s is not a token" % os.devnull),
    ([], {"DLSERV_TOKEN": "two words"}, r"server.token \(from \$DLSERV_TOKEN\): it is not made of visible ASCII"),
    ([], {"DLSERV_TOKEN": "x" * 15}, "server.token: the token has fewer than 16 characters"),
    (["--token", "short"], {}, "--token: the token has fewer than 16 characters"),
    (["--token", "a", "--no-token"], {}, "cannot be combined with"),
    (["--token", "a", "--token-file", "b"], {}, "cannot be combined with")])
def test_one_that_cannot_be_is_a_wrong_usage(environ, tmp_path, folder, arguments, variables, words):
    base = ["--download-dir", str(folder), "--db", str(tmp_path / "state" / "x.db")]
    with pytest.raises(AssertionError, match=words) as caught:
        Process(base + arguments, environ=dict(environ, **variables))
    assert "two words" not in str(caught.value) and "Traceback" not in str(caught.value)


def test_a_place_where_none_can_be_kept_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unwritable, match="the token cannot be kept in .*--token-file.*--no-token"):
        token.make(str(tmp_path / "file" / "token"))
