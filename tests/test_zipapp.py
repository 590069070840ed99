"""The program in one file, driven as a stranger drives it."""

import glob
import os
import shutil
import stat
import subprocess
import sys
import zipfile

import pytest

from harness import ROOT, Process, noise
from servers.ftpd import Ftpd

from dlserv import zipped

DATA = noise(200000)


def build(folder):
    """`make pyz` in a copy of the sources; return the bytes."""
    shutil.copytree(os.path.join(ROOT, "dlserv"), str(folder / "dlserv"),
                    ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dlserv.py", "Makefile"):
        shutil.copy(os.path.join(ROOT, name), str(folder))
    (folder / "dlserv" / "__pycache__").mkdir()
    (folder / "dlserv" / "__pycache__" / "x.pyc").write_bytes(b"stale")
    subprocess.run(["make", "-s", "pyz", "PYTHON=" + sys.executable], cwd=str(folder), check=True,
                   stdout=subprocess.DEVNULL)
    return (folder / "dlserv.pyz").read_bytes()


def read(name):
    with open(os.path.join(ROOT, name), "rb") as file:
        return file.read()


def test_it_is_built_the_same_everywhere(tmp_path, pyz):
    if not shutil.which("make"):
        pytest.skip("there is no make here")
    elsewhere = build(tmp_path)
    with open(pyz, "rb") as file:
        assert elsewhere == file.read()
    assert os.stat(str(tmp_path / "dlserv.pyz")).st_mode & stat.S_IXUSR


@pytest.mark.skipif(not shutil.which("make") or not shutil.which("install"), reason="there is no make here")
def test_make_puts_it_in_place_and_removes_what_it_made(tmp_path):
    source, target = tmp_path / "source", tmp_path / "a place"
    source.mkdir()
    build(source)
    for goal in (["install", "PREFIX=%s" % target], ["clean"]):
        subprocess.run(["make", "-s", "PYTHON=" + sys.executable] + goal, cwd=str(source), check=True,
                       stdout=subprocess.DEVNULL)
    printed = subprocess.check_output([sys.executable, str(target / "bin" / "dlserv"), "--version"])
    assert printed.startswith(b"dlserv ") and os.access(str(target / "bin" / "dlserv"), os.X_OK)
    assert sorted(each.name for each in source.iterdir()) == ["Makefile", "dlserv", "dlserv.py"]
    assert not list(source.rglob("__pycache__"))


def test_it_holds_the_sources_as_they_are(pyz):
    """So that the lines of a traceback are those of the repository."""
    with zipfile.ZipFile(pyz) as archive:
        assert archive.read("__main__.py") == read("dlserv.py")
        held = {name: archive.read(name) for name in archive.namelist() if name.startswith("dlserv/")}
        finder = zipped.Finder("", archive.read("sources"))
    tracked = [os.path.relpath(path, ROOT) for path in glob.glob(os.path.join(ROOT, "dlserv", "**"), recursive=True)
               if os.path.isfile(path) and not path.endswith(".pyc")]
    assert len(tracked) > 50
    for name in tracked:
        assert (held[name] if name in held else finder.read(name)) == read(name), name


def test_it_is_small(pyz):
    assert os.path.getsize(pyz) <= 300000


def test_it_fetches_a_file(process, origin, pyz, folder):
    origin.put("/a.iso", DATA)
    daemon = process(command=[sys.executable, pyz])
    tid = daemon.api.add(origin.url("/a.iso"))
    assert daemon.api.reach(tid, "finished")["filename"] == "a.iso"
    assert (folder / "a.iso").read_bytes() == DATA
    assert daemon.stop() == 0


@pytest.mark.skipif(os.name == "nt", reason="there are no run bits")
def test_it_runs_by_itself(pyz, tmp_path):
    path = dict(os.environ, PATH=os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"])
    assert subprocess.check_output([pyz, "--version"], env=path).startswith(b"dlserv ")
    wrong = subprocess.run([pyz, "--port", "x"], env=path, stderr=subprocess.PIPE)
    assert wrong.returncode == 2 and b"--port" in wrong.stderr


@pytest.mark.parametrize("how", ["over it", "in its place"])
def test_a_new_version_beside_the_running_one_changes_nothing(tmp_path, folder, pyz, origin, how):
    """Modules and parts of the page that are loaded later come from memory."""
    mine, new = str(tmp_path / "mine.pyz"), str(tmp_path / "new.pyz")
    shutil.copy(pyz, mine)
    daemon = Process(["--download-dir", str(folder), "--db", str(tmp_path / "db")], [sys.executable, mine])
    try:
        with open(new, "wb") as file:
            file.write(noise(50000))
        shutil.copyfile(new, mine) if how == "over it" else os.replace(new, mine)
        origin.put("/a.iso", DATA)
        assert daemon.api.reach(daemon.api.add(origin.url("/a.iso")), "finished")
        with Ftpd({"b.iso": DATA}) as server:
            assert daemon.api.reach(daemon.api.add(server.url("/b.iso")), "finished")
        for path in ("/", "/app.js", "/style.css", "/task/list", "/openapi.json", "/metrics", "/stats", "/config"):
            assert daemon.api.get(path).status == 200, path
        assert daemon.api.post("/config", {"download": {"deny_private": True}}).status == 200
        assert daemon.api.post("/task", {"url": "http://a/", "optoins": {}}).status == 400
        refused = daemon.api.add(origin.url("/c.iso"), headers={"X-A": "1"})
        assert "not a public address" in daemon.api.reach(refused, "invalid")["error"]
    finally:
        assert daemon.stop() == 0
