"""The boxes it lives on: Pythons with parts missing, disks without links, modes or room."""

import json
import os
import platform
import subprocess
import sys
import sysconfig

import pytest

from harness import Process, noise
from servers.origin import paced

DATA = noise(300000)

# What OpenWrt puts into packages of their own (names as in lib/python3.X), those we need left out.
ELSEWHERE = """webbrowser.py _osx_support.py asyncio cgi.py cgitb.py ctypes dbm decimal.py distutils idlelib
    tkinter turtledemo turtle.py lib2to3 lzma.py multiprocessing curses doctest.py pydoc.py pydoc_data unittest
    uuid.py venv ensurepip xml xmlrpc test site-packages sitecustomize.py""".split()
BINARY = """unicodedata _codecs_ _ctypes _dbm _gdbm _decimal _lzma _multiprocessing _curses readline _uuid
    _elementtree pyexpat""".split()
PACKAGES = {"openssl": ["_ssl", "_hashlib"], "sqlite3": ["_sqlite3", "sqlite3"], "codecs": ["unicodedata"]}


def lacks(name, kept):
    """Return whether a file or folder of the library is not on the box that has these packages."""
    for package, parts in PACKAGES.items():
        if any(name.startswith(part) for part in parts):
            return package not in kept
    return name in ELSEWHERE or any(name.startswith(part) for part in BINARY)


def make_box(folder, kept):
    """A library as on OpenWrt with python3-light, -urllib, -logging and the kept packages; its home."""
    source = sysconfig.get_path("stdlib")
    target = folder / "lib" / os.path.basename(source)
    (target / "lib-dynload").mkdir(parents=True)
    for where in ("", "lib-dynload"):
        for name in os.listdir(os.path.join(source, where)):
            if name != "lib-dynload" and not lacks(name, kept):
                os.symlink(os.path.join(source, where, name), str(target / where / name))
    built_in = [name for name in sys.builtin_module_names if lacks(name, kept)]
    (target / "sitecustomize.py").write_text(
        "import sys\nsys.modules.update(dict.fromkeys(%r))\n" % built_in)     # importing them fails
    return folder


def works(home):
    """Return whether this interpreter starts with that library, and really lacks what was left out."""
    code = "import os, json, urllib.request, logging; print(os.__file__)"
    done = subprocess.run([sys.executable, "-s", "-c", code], env=environ(home), stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)
    return done.returncode == 0 and done.stdout.decode().startswith(str(home))


def environ(home):
    # PYTHONPLATLIBDIR: some builds look for lib64 first.
    return dict(os.environ, PYTHONHOME=str(home), PYTHONDONTWRITEBYTECODE="1")


@pytest.fixture(scope="session")
def box(tmp_path_factory):
    """A function that makes the home of a box with these packages."""
    if platform.system() != "Linux" or sys.prefix != sys.base_prefix and not os.path.exists(sys.executable):
        pytest.skip("the library of this Python cannot be stripped here")
    made = {}

    def make(*kept):
        if kept not in made:
            made[kept] = make_box(tmp_path_factory.mktemp("box"), kept)
            if not works(made[kept]):
                pytest.skip("this Python does not run with another library (PYTHONHOME)")
        return made[kept]

    return make


def can_import(home, name):
    return subprocess.run([sys.executable, "-s", "-c", "import " + name], env=environ(home),
                          stderr=subprocess.DEVNULL).returncode == 0


@pytest.fixture
def start(process, pyz, box):
    """A function that starts the .pyz on a box."""
    def start(*kept, arguments=()):
        return process(*arguments, command=[sys.executable, "-s", pyz], environ=environ(box(*kept)))
    return start


@pytest.mark.parametrize("name, package", [
    ("ssl", "openssl"), ("sqlite3", "sqlite3"), ("unicodedata", "codecs")])
def test_the_box_is_as_poor_as_it_should_be(box, name, package):
    assert not can_import(box(), name)


@pytest.mark.parametrize("kept", [(), ("openssl",), ("sqlite3",), ("codecs",)])
def test_it_serves_and_fetches(start, origin, folder, kept):
    origin.put("/a.iso", DATA, script=[paced(3000000)])
    origin.put("/b.iso", DATA)
    daemon = start(*kept)
    first = daemon.api.add(origin.url("/a.iso"))
    second = daemon.api.add(origin.url("/b.iso", host="localhost"))
    for tid, name in ((first, "a.iso"), (second, "b.iso")):
        assert daemon.api.reach(tid, "finished")["filename"] == name
        assert (folder / name).read_bytes() == DATA
    waiting = daemon.api.add(origin.url("/c.iso"), paused=True)
    for path in ("/stats", "/metrics", "/openapi.json", "/health", "/task/tid/%s/file" % first):
        assert daemon.api.get(path).status == 200, path
    assert daemon.stop() == 0
    again = start(*kept)
    assert again.api.status(waiting)["state"] == "paused"
    assert again.api.get("/task/state_coutner")["detail"]["finished"] == 2


def test_each_lack_is_one_sentence(start, process, box, pyz, tmp_path):
    daemon = start()
    secure = daemon.api.add("https://127.0.0.1:1/x")
    assert "python3-openssl" in daemon.api.reach(secure, "invalid")["error"]
    refused = daemon.api.post("/task", {"url": "http://b\u00fccher.example/x"})
    assert "python3-codecs" in refused["errmsg"] and refused.status == 400
    assert "Traceback" not in daemon.log
    daemon.stop()
    with pytest.raises(AssertionError, match="python3-sqlite3"):
        Process(["--download-dir", str(tmp_path / "d"), "--db", str(tmp_path / "db")],
                [sys.executable, "-s", pyz], dict(environ(box()), DLSERV_DB_BACKEND="sqlite"))


def test_a_database_of_the_other_kind_names_the_package(start, process, folder):
    rich = start("sqlite3")
    rich.api.add("http://127.0.0.1:1/x", paused=True)
    rich.stop()
    with pytest.raises(AssertionError, match="python3-sqlite3"):
        start()


def test_the_command_line_works_there(start, box, pyz):
    daemon = start()
    daemon.api.add("http://127.0.0.1:1/x.iso", paused=True)
    listed = subprocess.run([sys.executable, "-s", pyz, "--url", daemon.url, "list"], env=environ(box()),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert listed.returncode == 0 and b"paused" in listed.stdout, listed.stderr


# -- poor disks -------------------------------------------------------------------------------

FAT = """
import errno, os
def refuse(*arguments, **options):
    raise OSError(errno.EPERM, "Operation not permitted")
os.link = refuse
os.supports_dir_fd.discard(os.link)
os.chmod = os.fchmod = lambda *arguments, **options: None
if hasattr(os, "O_TMPFILE"):
    del os.O_TMPFILE
"""

ANDROID = """
import os
os.supports_dir_fd.discard(os.link)
del os.link
"""

LINKAT = """
import errno, os
def link(old, new, *, src_dir_fd=None, dst_dir_fd=None, follow_symlinks=True):
    if src_dir_fd is not None or dst_dir_fd is not None:
        raise NotImplementedError("link: src_dir_fd and dst_dir_fd unavailable on this platform")
    raise OSError(errno.EACCES, "Permission denied")
os.link = link
"""

RUN = """
import runpy, sys
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(params=[FAT, ANDROID, LINKAT], ids=["fat", "android", "android without linkat"])
def poor(request, process, pyz, tmp_path):
    """The daemon where there are no hard links: a USB stick, which has no modes either, and Pythons for Android."""
    path = tmp_path / "poor.py"
    path.write_text(request.param + RUN)
    return process(command=[sys.executable, str(path), os.path.join(os.path.dirname(pyz), "dlserv.py")])


def test_a_disk_without_links_and_modes_gets_whole_files(poor, origin, folder):
    (folder / "a.iso").write_bytes(b"mine")
    for name, size in (("/a.iso", len(DATA)), ("/b.iso", 100)):
        origin.put(name, DATA[:size])
        poor.api.reach(poor.api.add(origin.url(name)), "finished")
    assert (folder / "a.iso").read_bytes() == b"mine"
    assert (folder / "a (1).iso").read_bytes() == DATA and (folder / "b.iso").read_bytes() == DATA[:100]
    assert sorted(each.name for each in folder.iterdir()) == ["a (1).iso", "a.iso", "b.iso"]


FULL = """
import os, resource, runpy, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = int(os.environ["LARGEST"])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no limit of that kind")
def test_a_file_too_large_for_the_file_system_is_told_so(process, pyz, origin, folder, tmp_path):
    """FAT32 ends at 4 GiB; here a process limit brings the same error."""
    path = tmp_path / "full.py"
    path.write_text(FULL)
    daemon = process(command=[sys.executable, str(path), os.path.join(os.path.dirname(pyz), "dlserv.py")],
                     environ=dict(os.environ, LARGEST="250000"))
    origin.put("/a.iso", DATA)
    origin.put("/b.iso", DATA[:200000])
    large = daemon.api.add(origin.url("/a.iso"))
    assert "too large for this file system" in daemon.api.reach(large, "invalid")["error"]
    assert daemon.api.reach(daemon.api.add(origin.url("/b.iso")), "finished")
    assert not (folder / "a.iso").exists() and "Traceback" not in daemon.log


@pytest.fixture
def tmpfs(tmp_path):
    """A small disk of its own, where this user may mount one."""
    path = tmp_path / "small"
    path.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path)], stderr=subprocess.DEVNULL) \
        if os.name != "nt" and os.geteuid() == 0 else None
    if mount is None or mount.returncode:
        pytest.skip("NOT TESTED: a full disk; this user may not mount a small one")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_full_disk_makes_a_task_wait(process, origin, tmpfs, tmp_path, backend):
    """Downloads and database on one small disk."""
    size = 3 * 2 ** 20
    origin.put("/large.iso", noise(size), headers={"Content-Length": None})     # the size is not told
    origin.put("/small.iso", DATA)
    daemon = Process(["--download-dir", str(tmpfs / "d"), "--db", str(tmpfs / "db")],
                     environ=dict(os.environ, DLSERV_RESERVE="0", DLSERV_DB_BACKEND=backend))
    try:
        large = daemon.api.add(origin.url("/large.iso"))
        waiting = daemon.api.reach_error(large, "waiting for room")
        assert waiting["state"] == "queued"
        assert daemon.api.get("/task/list").status == 200
        daemon.api.delete("/task/tid/%s?del_file=true" % large)
        daemon.api.reach(daemon.api.add(origin.url("/small.iso")), "finished")
        assert (tmpfs / "d" / "small.iso").read_bytes() == DATA
    finally:
        assert daemon.stop() == 0


# Run commands of a .pyz in one interpreter; print [[exit code, output, errors], ...].
ONE_BY_ONE = """
import contextlib, io, json, sys
pyz, commands = sys.argv[1], json.loads(sys.argv[2])
sys.path.insert(0, pyz)
from dlserv import cli
done = []
for arguments in commands:
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main(arguments)
        except SystemExit as ended:
            code = ended.code
    done.append([code or 0, out.getvalue(), err.getvalue()])
print(json.dumps(done))
"""


@pytest.mark.parametrize("kept", [(), ("openssl", "sqlite3", "codecs")])
def test_the_commands_work_there(box, pyz, origin, tmp_path, kept):
    origin.put("/a.iso", DATA)

    def run(*arguments):
        done = subprocess.run([sys.executable, "-s", pyz] + list(arguments), env=environ(box(*kept)),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=str(tmp_path))
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    assert run("get", origin.url("/a.iso")) == (0, "a.iso\n", "")
    printed = [["--help"], ["help", "get"], ["man"], ["completion", "bash"]]
    told = [(["get", origin.url("/a.iso")], "is here already"), (["lits"], "did you mean list?")]
    commands = json.dumps(printed + [arguments for arguments, _ in told])
    done = subprocess.run([sys.executable, "-s", "-c", ONE_BY_ONE, pyz, commands], cwd=str(tmp_path),
                          env=environ(box(*kept)), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    answers = json.loads(done.stdout)
    for code, out, err in answers[:len(printed)]:
        assert code == 0 and out and not err, err
    for (_, _, err), (_, words) in zip(answers[len(printed):], told):
        assert words in err
