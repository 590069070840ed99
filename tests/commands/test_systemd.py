"""unit systemd: read back as systemd reads it, and started."""

import functools
import getpass
import os
import re
import socket

import pytest

from startup import Started, need, run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs paths of POSIX")


def words_of(value):
    """Split a value as systemd.syntax(7) tells: quotes, backslashes, %% for %."""
    words, word, quote, characters = [], None, None, iter(value)
    for char in characters:
        if quote is None and char in " \t":
            words, word = words + [word] * (word is not None), None
        elif char == quote:
            quote = None
        elif quote is None and char in "\"'":
            quote, word = char, word or ""
        else:
            if char in "\\%":
                following = next(characters)
                assert following in ("\\\"'" if char == "\\" else "%"), value
                char = following
            word = (word or "") + char
    assert quote is None, value
    return words + [word] * (word is not None)


def command_of(value):
    """The words of a command line, without variables, as systemd.service(5) tells."""
    words = words_of(value)
    assert not any("$" in word.replace("$$", "") for word in words), value
    assert not set(words[0]) & set("\\\"'$"), "systemd refuses such a program"
    words = [word.replace("$$", "$") for word in words]
    return words[4:] if words[:4] == ["/bin/sh", "-c", 'exec "$@"', "sh"] else words


def settings_of(text):
    """{name: [values]} of the unit."""
    found = {}
    for line in text.split("\n"):
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("mode", [(), ("--user",)], ids=["system", "user"])
def test_systemd_reads_every_path_back(box, mode):
    settings = settings_of(box.unit("systemd", *mode))
    assert command_of(settings["ExecStart"][0]) == box.command
    assert words_of(settings["RequiresMountsFor"][0])[0] == box.downloads
    assert settings["Type"] == ["notify"] and settings["ExecReload"] == ["kill -HUP $MAINPID"]
    assert ("User" in settings) == (not mode)
    if not mode:
        writable = settings.get("ReadWritePaths", []) + settings.get("BindPaths", [])
        assert set(sum(map(words_of, writable), [])) >= {box.downloads, os.path.dirname(box.db)}
        assert settings["User"] == [getpass.getuser()]


@pytest.mark.parametrize("mode", [(), ("--user",)], ids=["system", "user"])
def test_systemd_analyze_has_nothing_to_say_about_it(box, put, mode):
    need("systemd-analyze", "kill")
    done = run(["systemd-analyze", "--man=no", "verify", put("dlserv.service", box.unit("systemd", *mode))])
    assert (done.returncode, done.stdout) == (0, "")


ELSEWHERE = [(), ("--download-dir", "/srv"), ("--download-dir", "/home"), ("--download-dir", "/nonexistent/downloads")]


@pytest.fixture(scope="module")
def of_folders():
    """A function that returns {words of ELSEWHERE: the unit that the machine prints with them}."""
    @functools.lru_cache(maxsize=None)
    def printed(box):
        return dict(zip(ELSEWHERE, box.units_now(*[(*words, "unit", "systemd") for words in ELSEWHERE])))
    return printed


@pytest.mark.parametrize("words", ELSEWHERE, ids=lambda each: each[-1:])
def test_the_unit_of_the_system_is_confined(plain, put, of_folders, words):
    need("systemd-analyze")
    path = put("dlserv.service", of_folders(plain)[words])
    done = run(["systemd-analyze", "security", "--offline=true", "--no-pager", path])
    exposure = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout).group(1))
    assert exposure <= 1.5, done.stdout


def test_the_lines_of_the_unit_start_and_reload_it(box, tmp_path):
    settings = settings_of(box.unit("systemd"))
    need("kill")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        environ = dict(box.environ, NOTIFY_SOCKET=str(tmp_path / "notify"))
        with Started(command_of(settings["ExecStart"][0]), env=environ, cwd="/") as daemon:
            assert manager.recv(4096).startswith(b"READY=1\n")
            reload = [word.replace("$MAINPID", str(daemon.popen.pid)) for word in
                      words_of(settings["ExecReload"][0])]
            assert run(reload).returncode == 0
            assert manager.recv(4096).startswith(b"RELOADING=1\n") and manager.recv(4096).startswith(b"READY=1\n")
    assert os.path.exists(box.db)


def test_folders_that_are_not_there_are_made(plain, tmp_path):
    missing = [str(tmp_path / "not" / "there"), str(tmp_path / "nor there" / "x.db")]
    folders = [missing[0], os.path.dirname(missing[1])]
    arguments = ["--download-dir", missing[0], "--db", missing[1]]
    lines = settings_of(plain.unit_now(*arguments, "unit", "systemd"))["ExecStartPre"]
    made = [command_of(value[1:]) for value in lines]
    assert [words[-1] for words in made] == folders
    for words in made:
        assert run(words).returncode == 0
    assert all(map(os.path.isdir, folders))
    assert "ExecStartPre" not in plain.unit_now(*arguments, "unit", "systemd")


def test_a_token_file_is_handed_over(plain, put):
    path = put("the token%", "x" * 16)
    words = ["--token-file", path, "unit", "systemd"]
    settings, of_user = map(settings_of, plain.units_now(words, words + ["--user"]))
    assert settings["LoadCredential"] == ["token:" + path.replace("%", "%%")]
    assert "--token-file" not in command_of(settings["ExecStart"][0])
    words = command_of(of_user["ExecStart"][0])
    assert words[words.index("--token-file") + 1] == path
