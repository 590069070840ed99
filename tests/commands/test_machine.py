"""The facts about this machine in a start-up file: what was said here, and by whom."""

import os
import shlex

import pytest

import startup

from dlserv.commands.catalogue import UNITS

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs paths of POSIX")


@pytest.mark.parametrize("bad", ["a\nb", "a\tb", "a\x7fb", "a\x1bb"])
@pytest.mark.parametrize("kind", UNITS)
def test_a_path_that_no_file_can_hold_is_refused(run, tmp_path, kind, bad):
    code, out, err = run("--download-dir", str(tmp_path / bad), "unit", kind)
    assert (code, out) == (2, "") and err.count("\n") == 1 and "has a control character" in err


def test_a_token_is_not_written_into_it(run, monkeypatch):
    code, out, err = run("--token", "x" * 16, "unit", "systemd")
    assert (code, out) == (2, "") and "--token-file" in err and "x" * 16 not in err
    monkeypatch.setenv("DLSERV_TOKEN", "x" * 16)
    monkeypatch.setenv("DLSERV_MAX_CONNECTIONS", "9")
    code, out, err = run("unit", "systemd")
    assert code == 0 and "x" * 16 not in out + err
    assert "$DLSERV_TOKEN is not passed on by this file" in err and "$DLSERV_MAX_CONNECTIONS is not passed on by this file" in err


def test_no_token_file_is_passed_on_beside_no_token(run, monkeypatch, tmp_path):
    monkeypatch.setenv("DLSERV_TOKEN_FILE", str(tmp_path / "token"))
    for arguments, said in (((), True), (("--no-token",), False)):
        code, out, err = run(*arguments, "unit", "runit")
        assert (code, err, "--token-file" in out, "--no-token" in out) == (0, "", said, not said)


def test_what_was_said_here_is_said_there(run, monkeypatch, tmp_path):
    monkeypatch.setenv("DLSERV_PORT", "7001")
    monkeypatch.chdir(tmp_path)
    code, out, err = run("--host", "0.0.0.0", "--no-token", "unit", "--download-dir", "down", "runit",
                         "--db", "x.db", "--log-level", "debug")
    words = shlex.split(out.partition("\nset -- ")[2].split("\n")[0])[2:]
    assert (code, err) == (0, "") and words == [
        "--host", "0.0.0.0", "--port", "7001", "--db", str(tmp_path / "x.db"),
        "--download-dir", str(tmp_path / "down"), "--log-level", "debug", "--no-token"]


def test_the_owner_of_the_downloads_runs_it(plain, folder):
    if not hasattr(os, "geteuid") or os.geteuid():
        pytest.skip("only root may print the unit of another user")
    import pwd
    other = next(each for each in pwd.getpwall() if each.pw_uid)
    os.chown(str(folder), other.pw_uid, other.pw_gid)
    done = startup.run([plain.python, plain.program, "--download-dir", str(folder), "--db", "/var/lib/dlserv-none/x.db",
                "unit", "systemd"], env=plain.environ)
    assert "User=%s\n" % other.pw_name in done.stdout and "StateDirectory=dlserv-none\n" in done.stdout
