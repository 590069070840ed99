"""unit: start-up files that are read back by what reads them, and run."""

import csv
import getpass
import json
import os
import plistlib
import re
import shlex
import sys

import pytest

from forks import DLSERV
from harness import ROOT, Api
from startup import Started, need, run

from dlserv.commands.catalogue import UNITS

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs paths of POSIX")

SHELL = ("procd", "openrc", "runit", "synology")
PARSERS = {"sh": ["sh", "-n"], "dash": ["dash", "-n"], "busybox": ["busybox", "ash", "-n"],
           "shellcheck": ["shellcheck", "-s", "sh"]}
# The first line and the variables are for others to read; a "$" in a path stands between single quotes.
NOT_MEANT = {"procd": "SC1008,SC2016,SC2034", "openrc": "SC1008,SC2016,SC2034", "runit": "SC2016", "synology": "SC2016"}


# -- shells ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("tool", PARSERS)
@pytest.mark.parametrize("kind", SHELL)
def test_shells_read_it(box, put, kind, tool):
    need(tool)
    text = box.unit(kind)
    if kind == "synology":      # a script without a first line, as its form wants it
        text = "#!/bin/sh\n" + text
    others = ["-e", NOT_MEANT[kind]] if tool == "shellcheck" else []
    done = run(PARSERS[tool] + others + [put("file", text)])
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
    command = DLSERV + ["--download-dir", str(folder),
               "--db", str(tmp_path / "x.db"), "unit"]
    words = run(command + ["runit"], env=environ).stdout.partition("\nset -- ")[2].split("\n")[0]
    assert shlex.split(words)[:2] == DLSERV
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
