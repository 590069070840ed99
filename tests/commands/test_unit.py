"""unit: start-up files that are read back by what reads them, and run."""

import csv
import getpass
import json
import os
import plistlib
import re
import shlex
import shutil
import socket
import subprocess
import sys

import pytest

from dlserv.commands.catalogue import COMMANDS, UNITS
from dlserv.commands.unit import FOR_USERS
from harness import ROOT, Api

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs paths of POSIX")

SHELL = ("procd", "openrc", "runit", "synology")
HARD = "a b%c$d'e\"f\\g;#h&i<j>k`l{m}n:o,p \u00fc%%$$HOME"
PLAIN = "plain"
PARSERS = {"sh": ["sh", "-n"], "dash": ["dash", "-n"], "busybox": ["busybox", "ash", "-n"],
           "shellcheck": ["shellcheck", "-s", "sh"]}


def need(*tools):
    """Skip aloud where a tool is missing."""
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip("there is no %s here: the file was NOT read by it" % tool)


# Runs each of the lists of words in the JSON, and puts a NUL behind what it prints.
PRINTER = """import json, sys
program, words = sys.argv[1:]
sys.path.insert(0, program)
from dlserv import cli
for each in json.loads(words):
    assert cli.main(each) == 0
    print(end="\\0")
"""


class Box:
    """A machine with the program, its Python, its configuration and its folders in one place."""

    def __init__(self, folder, pyz, environ):
        self.folder, self._printed = folder, {}
        self.environ = dict(environ, HOME=str(folder / "home"), XDG_RUNTIME_DIR=str(folder.parent))
        for name in ("bin", "downloads", "state"):
            (folder / name).mkdir(parents=True)
        self.python, self.program = str(folder / "bin" / "python3"), str(folder / "bin" / "dlserv.pyz")
        os.symlink(os.path.realpath(sys.executable), self.python)
        shutil.copy(pyz, self.program)
        self.downloads, self.db = str(folder / "downloads"), str(folder / "state" / "dlserv.db")
        self.config = str(folder / "config.json")
        with open(self.config, "w", encoding="utf-8") as file:
            json.dump({"general": {"download_dir": self.downloads, "db_path": self.db}}, file)

    def clear(self):
        """Remove what a daemon has left."""
        for path in (self.downloads, os.path.dirname(self.db)):
            shutil.rmtree(path)
            os.mkdir(path)

    def unit(self, *arguments):
        """Return what `dlserv --port 0 unit` prints; one process prints the files of all kinds."""
        if not self._printed:
            kinds = [(kind,) for kind in UNITS] + [(kind, "--user") for kind in FOR_USERS]
            words = [["-c", self.config, "--port", "0", "unit", *each] for each in kinds]
            texts = self._run("-c", PRINTER, self.program, json.dumps(words)).split("\0")
            self._printed = dict(zip(kinds, texts))
        return self._printed[arguments]

    def unit_now(self, *words):
        """Return what `dlserv` prints with these words while the folders are as they are now."""
        return self._run(self.program, "-c", self.config, *words)

    def _run(self, *arguments):
        done = subprocess.run([self.python, *arguments], env=self.environ, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60)
        assert (done.returncode, done.stderr) == (0, b""), done
        return done.stdout.decode()

    @property
    def command(self):
        """The words that start the daemon."""
        return [self.python, self.program, "-c", self.config, "--port", "0", "--db", self.db,
                "--download-dir", self.downloads]


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A function that returns the machine in the folder of this name, which is made once."""
    made = {}

    def machine(name, pyz, environ):
        if name not in made:
            made[name] = Box(tmp_path_factory.mktemp("box") / name, pyz, environ)
        made[name].clear()
        return made[name]
    return machine


@pytest.fixture(params=[HARD, PLAIN], ids=["hard", "plain"])
def box(request, machine, pyz, environ):
    """A machine whose paths are hard to quote, and one whose paths are not."""
    return machine(request.param, pyz, environ)


@pytest.fixture
def plain(machine, pyz, environ):
    return machine(PLAIN, pyz, environ)


@pytest.fixture
def put(tmp_path):
    """Put the text into a file of that name; return its path."""
    def put(name, text):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)
    return put


def run(arguments, **options):
    return subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                          universal_newlines=True, encoding="utf-8", **options)


class Started:
    """A daemon that a start-up file has started: its API, once it listens."""

    def __init__(self, arguments, **options):
        self.popen = subprocess.Popen(arguments, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                      universal_newlines=True, encoding="utf-8", **options)
        line = next((each for each in self.popen.stdout if "listening on" in each), "")
        self.url = line.rpartition(" ")[2].strip()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.popen.terminate()
        try:
            assert self.popen.wait(15) == 0
        finally:
            self.popen.kill()
            self.popen.wait()
            self.popen.stdout.close()


# -- systemd ------------------------------------------------------------------------------------

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


@pytest.mark.parametrize("arguments", [[], ["--download-dir", "/srv"], ["--download-dir", "/home"],
                                       ["--download-dir", "/nonexistent/downloads"]], ids=lambda each: each[-1:])
def test_the_unit_of_the_system_is_confined(plain, put, arguments):
    need("systemd-analyze")
    path = put("dlserv.service", plain.unit_now(*arguments, "unit", "systemd"))
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
    settings = settings_of(plain.unit_now("--token-file", path, "unit", "systemd"))
    assert settings["LoadCredential"] == ["token:" + path.replace("%", "%%")]
    assert "--token-file" not in command_of(settings["ExecStart"][0])
    settings = settings_of(plain.unit_now("--token-file", path, "unit", "systemd", "--user"))
    words = command_of(settings["ExecStart"][0])
    assert words[words.index("--token-file") + 1] == path


# -- shells ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("tool", PARSERS)
@pytest.mark.parametrize("kind", SHELL)
def test_shells_read_it(box, put, kind, tool):
    need(tool)
    text = box.unit(kind)
    if kind == "synology":      # a script without a first line, as its form wants it
        text = "#!/bin/sh\n" + text
    done = run(PARSERS[tool] + [put("file", text)])
    assert (done.returncode, done.stdout) == (0, "")


STUB = """
procd_open_instance() { :; }
procd_close_instance() { echo; }
for name in procd_set_param procd_add_restart_mount_trigger procd_send_signal checkpath %s; do
    eval "$name() { printf '%%s\\0' $name \\"\\$@\\"; printf '\\n\\0'; }"
done
RC_SVCNAME=dlserv
. "$0"
%s
"""


def calls(shell, path, then, more=""):
    """The calls that the file makes when the shell has done `then` with it, as lists of words."""
    done = run(shell + ["-c", STUB % (more, then), path])
    assert done.returncode == 0, done.stdout
    return [call.strip("\n").split("\0")[:-1] for call in done.stdout.split("\n\0")[:-1]]


@pytest.fixture(params=[["sh"], ["busybox", "ash"]], ids=lambda words: words[0])
def shell(request):
    need(request.param[0])
    return request.param


def test_procd_is_called_with_every_path(box, put, shell):
    made = calls(shell, put("dlserv", box.unit("procd")), "start_service; service_triggers; reload_service")
    parameters = {call[1]: call[2:] for call in made if call[0].endswith("set_param")}
    assert parameters["command"] == box.command and parameters["user"] == [getpass.getuser()]
    assert ["procd_add_restart_mount_trigger", box.downloads, os.path.dirname(box.db)] in made
    assert made[-1] == ["procd_send_signal", "dlserv", "*", "HUP"]


def test_openrc_evaluates_every_path(box, put):
    need("bash")        # which allows a function of that name
    start = "start_pre; eval supervise-daemon \\$RC_SVCNAME --start --user $command_user $command -- $command_args"
    made = calls(["bash"], put("dlserv", box.unit("openrc")), start, "supervise-daemon")
    words = made[-1]
    assert words[:4] == ["supervise-daemon", "dlserv", "--start", "--user"] and words[4] == getpass.getuser()
    assert [words[5]] + words[7:] == box.command and words[6] == "--"
    assert made[0][:2] == ["checkpath", "-f"] and len(made) == 2


@pytest.mark.parametrize("kind", ["procd", "openrc"])
def test_missing_folders_are_made_by_the_service(plain, put, tmp_path, kind):
    folder = tmp_path / "it's not" / "there"
    text = plain.unit_now("--download-dir", str(folder), "unit", kind)
    made = calls(["sh"], put("dlserv", text), "start_service" if kind == "procd" else "start_pre")
    if kind == "procd":
        assert folder.is_dir()
    else:
        assert ["checkpath", "-d", "-o", getpass.getuser(), str(folder)] in made


@pytest.mark.parametrize("kind", ["runit", "synology"])
def test_the_script_starts_the_daemon(box, put, kind):
    path = put("run", box.unit(kind))
    os.chmod(path, 0o755)
    environ = {name: box.environ[name] for name in ("PATH", "HOME")}
    with Started(["sh", path] if kind == "synology" else [path], env=environ, cwd="/") as daemon:
        with Api(daemon.url) as api:
            tid = api.add("http://127.0.0.1:1/a.iso", paused=True)
            assert api.status(tid)["state"] == "paused"
    assert os.path.exists(box.db)


# -- launchd, docker ------------------------------------------------------------------------------

@pytest.mark.parametrize("mode", [(), ("--user",)], ids=["system", "user"])
def test_a_property_list_has_every_path(box, mode):
    job = plistlib.loads(box.unit("launchd", *mode).encode())
    assert job["ProgramArguments"] == box.command and job["RunAtLoad"] is True
    assert job["KeepAlive"] == {"SuccessfulExit": False} and os.path.isdir(os.path.dirname(job["StandardErrorPath"]))
    assert job.get("UserName") == (None if mode else getpass.getuser())


def docker_of(text):
    """(the instructions as {name: value}, the commands of the comment as lists of words)."""
    instructions = dict(line.split(" ", 1) for line in text.split("\n") if line and line[0] != "#")
    commands = [shlex.split(line[1:]) for line in text.split("\n") if re.match("#   (cp|docker) ", line)]
    return instructions, commands


def test_a_container_is_built_and_run_with_every_path(box):
    instructions, (build, start) = docker_of(box.unit_now("--port", "7001", "unit", "docker"))
    assert build[:2] == ["cp", box.program] and instructions["COPY"].split()[0] == build[2]
    mount = next(csv.reader([start[start.index("--mount") + 1]]))
    assert mount == ["type=bind", "source=" + box.downloads, "target=/downloads"]
    assert json.loads(instructions["ENTRYPOINT"])[1] == instructions["COPY"].split()[1]
    assert "DLSERV_PORT=7001" in instructions["ENV"] and instructions["EXPOSE"] == "7001"
    assert json.loads(instructions["VOLUME"]) == ["/downloads", "/state"]


def test_the_check_of_the_container_tells_health(plain, process, folder):
    instructions, _ = docker_of(plain.unit("docker"))
    kind, _, words = instructions["HEALTHCHECK"].partition(" ")
    check = [sys.executable] + json.loads(words)[1:]
    assert kind == "CMD" and json.loads(words)[0] == "python3"
    daemon = process()
    environ = dict(plain.environ, DLSERV_PORT=daemon.url.rpartition(":")[2], http_proxy="http://127.0.0.1:1")
    assert run(check, env=environ).returncode == 0
    os.rename(str(folder), str(folder) + "-away")
    assert run(check, env=environ).returncode == 1
    os.rename(str(folder) + "-away", str(folder))
    daemon.stop()
    assert run(check, env=environ).returncode == 1


def test_a_checkout_can_be_started_too(environ, tmp_path, folder):
    command = [sys.executable, os.path.join(ROOT, "dlserv.py"), "--download-dir", str(folder),
               "--db", str(tmp_path / "x.db"), "unit"]
    words = run(command + ["runit"], env=environ).stdout.partition("\nset -- ")[2].split("\n")[0]
    assert shlex.split(words)[:2] == [sys.executable, os.path.join(ROOT, "dlserv.py")]
    text = run(command + ["docker"], env=environ).stdout
    assert all(os.path.exists(os.path.join(ROOT, line.split()[1])) for line in text.split("\n")
               if line.startswith("COPY "))
    assert "-f Containerfile " + ROOT in text


# -- all kinds --------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", UNITS)
def test_no_path_is_named_that_is_not_there(plain, kind):
    """But those where it is to be put, those inside of a container, and what it makes itself."""
    text = plain.unit(kind)
    lines = text.split("\n")
    if kind == "docker":
        lines = [line for line in lines if "docker run" in line or " cp " in line]
    made = ["/var/log/dlserv.log", "/downloads", "/state:", "/state"]
    words = [word for line in lines if "Put this" not in line and not re.match("#   |       ", line)
             for word in re.findall(r"(?:(?<=[\s'\"=>:])|^)/[^\s'\"<>,]+", line)]
    unknown = [word for word in words if not os.path.exists(word) and word not in made
               and os.path.dirname(word) != os.path.dirname(plain.db)]
    assert unknown in ([], ["/sbin/openrc-run"], ["/etc/rc.common"], ["//www.apple.com/DTDs/PropertyList-1.0.dtd"])
    assert plain.downloads in text


@pytest.mark.parametrize("kind", UNITS)
def test_the_first_lines_say_how_it_is_installed(plain, kind):
    lines = plain.unit(kind).split("\n")
    comments = [line.lstrip("#<!- ") for line in lines[:6] if line.startswith(("#", "<!--", "       "))]
    assert any(re.match("Put this into .*, then|Control Panel", line) for line in comments[:2])
    assert sum(bool(re.match("(systemctl|chmod|/etc|rc-|ln|launchctl|docker|cp|General|Task)", line))
               for line in comments) == 2


@pytest.mark.parametrize("kind", sorted(set(UNITS) - {"systemd", "launchd"}))
def test_only_some_have_services_of_users(run, kind):
    code, out, err = run("unit", kind, "--user")
    assert (code, out) == (2, "") and err == "dlserv: --user: %s has no services for single users; leave it out\n" % kind


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


def test_what_was_said_here_is_said_there(run, monkeypatch, tmp_path):
    monkeypatch.setenv("DLSERV_PORT", "7001")
    monkeypatch.chdir(tmp_path)
    code, out, err = run("--host", "0.0.0.0", "--no-token", "unit", "--download-dir", "down", "runit",
                         "--db", "x.db", "--log-level", "debug")
    words = shlex.split(out.partition("\nset -- ")[2].split("\n")[0])[2:]
    assert (code, err) == (0, "") and words == [
        "--host", "0.0.0.0", "--port", "7001", "--db", str(tmp_path / "x.db"),
        "--download-dir", str(tmp_path / "down"), "--log-level", "debug", "--no-token"]


def test_its_kinds_are_those_of_the_catalogue():
    from dlserv.commands import unit
    assert tuple(unit.KINDS) == UNITS
    assert [each.flags[0] for each in next(row for row in COMMANDS if row.name == "unit").arguments] == [
        "kind", "--user"]


def test_the_owner_of_the_downloads_runs_it(plain, folder):
    if not hasattr(os, "geteuid") or os.geteuid():
        pytest.skip("only root may print the unit of another user")
    import pwd
    other = next(each for each in pwd.getpwall() if each.pw_uid)
    os.chown(str(folder), other.pw_uid, other.pw_gid)
    done = run([plain.python, plain.program, "--download-dir", str(folder), "--db", "/var/lib/dlserv-none/x.db",
                "unit", "systemd"], env=plain.environ)
    assert "User=%s\n" % other.pw_name in done.stdout and "StateDirectory=dlserv-none\n" in done.stdout
