"""--export and --import: tasks move from one database to another, whatever that is made of."""

import io
import json
import os
import re
import stat
import sys

import pytest

import forks
from dlserv import Daemon, cli
from dlserv.contract import tid_of
from harness import noise, until
from servers.origin import Gate

OTHER = {"sqlite": "file", "file": "sqlite"}
DATA = noise(300000)


@pytest.fixture
def arguments(folder):
    """A function that returns the command line of `dlserv --db DB …`."""
    def arguments(db, words):
        return ["--db", str(db), "--download-dir", str(folder)] + [str(each) for each in words]
    return arguments


@pytest.fixture
def move(arguments, monkeypatch, capsysbinary):
    """A function that runs `dlserv --db DB …` in this process; return (exit code, output, errors)."""
    def move(db, *words, backend="auto", text=b"", **environ):
        capsysbinary.readouterr()
        with monkeypatch.context() as patch:
            for name, value in dict(environ, DLSERV_DB_BACKEND=backend).items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
            code = cli.main(arguments(db, words))
        out, err = capsysbinary.readouterr()
        return code, out.decode(), err.decode()

    return move


@pytest.fixture
def move_apart(arguments):
    """The same in a process of its own."""
    def move(db, *words, text=b""):
        done = forks.run(arguments(db, words), text, timeout=20)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    return move


def records(daemon):
    return {task.tid: task.to_record() for task in daemon.list()}


def exported(path):
    with open(str(path), encoding="utf-8") as file:
        return json.load(file)


@pytest.fixture
def filled(settings, backend, origin):
    """A database with a finished task, one half fetched, and one that waits; gives (records, settings)."""
    settings["general"]["db_backend"] = backend
    origin.put("/whole.iso", DATA)
    origin.put("/half.iso", DATA, script=[Gate(after=150000)])
    with Daemon(settings) as daemon:
        daemon.wait(daemon.add(origin.url("/whole.iso")), 10)
        half = daemon.add(origin.url("/half.iso"), {"headers": {"Authorization": "Bearer secret"}, "connections": 1})
        until(lambda: daemon.get(half).downloaded >= 100000)
        daemon.pause(half)
        daemon.add(origin.url("/later.iso"), {"paused": True, "priority": 3, "filename": "ä.iso"})
        until(lambda: not daemon.report.running())
        found = records(daemon)
    return found, settings


# -- exports ----------------------------------------------------------------------------------

def test_tasks_go_to_the_other_kind_of_database_and_back(filled, move, tmp_path, backend, origin):
    if OTHER[backend] == "sqlite":
        pytest.importorskip("sqlite3")
    before, settings = filled
    db, other, back = settings["general"]["db_path"], tmp_path / "other.db", tmp_path / "back.db"
    first, second = tmp_path / "1.json", tmp_path / "2.json"
    assert move(db, "--export", first, backend=backend) == (0, "", "")
    assert stat.S_IMODE(os.stat(str(first)).st_mode) == 0o600
    assert "Bearer secret" in first.read_text(encoding="utf-8") and exported(first)["schema"] == 1
    assert move(other, "--import", first, backend=OTHER[backend]) == (0, "3 imported, 0 there already, 0 left out\n", "")
    assert move(other, "--export", second, backend=OTHER[backend])[0] == 0
    assert exported(first) == exported(second)
    assert move(back, "--import", second, backend=backend)[0] == 0
    settings["general"]["db_path"] = str(back)
    with Daemon(settings) as daemon:
        assert records(daemon) == before
        half = tid_of(origin.url("/half.iso"))
        daemon.resume(half)
        assert daemon.wait(half, 10).state == "finished", daemon.get(half).error
        assert "range" in origin.asked("/half.iso")[-1].headers, "its progress was believed"


def test_progress_without_its_part_begins_anew(filled, move, tmp_path, folder, origin):
    _, settings = filled
    move(settings["general"]["db_path"], "--export", tmp_path / "all.json")
    for name in os.listdir(str(folder)):
        os.unlink(str(folder / name))
    settings["general"].update(db_path=str(tmp_path / "new.db"), db_backend="auto")
    assert move(tmp_path / "new.db", "--import", tmp_path / "all.json")[0] == 0
    with Daemon(settings) as daemon:
        half = tid_of(origin.url("/half.iso"))
        daemon.resume(half)
        assert daemon.wait(half, 10).state == "finished"
    assert (folder / "half.iso").read_bytes() == DATA


def test_what_is_there_is_kept(filled, move, tmp_path):
    _, settings = filled
    db, path = settings["general"]["db_path"], tmp_path / "all.json"
    move(db, "--export", path)
    content = exported(path)
    for record in content["tasks"]:
        record["retries"] = 77
    path.write_text(json.dumps(content))
    assert move(db, "--import", path)[:2] == (0, "0 imported, 3 there already, 0 left out\n")
    assert move(db, "--export", path)[0] == 0
    assert 77 not in [record["retries"] for record in exported(path)["tasks"]]


def test_standard_streams_will_do(filled, move_apart, tmp_path):
    _, settings = filled
    code, text, _ = move_apart(settings["general"]["db_path"], "--export", "-")
    assert code == 0 and len(json.loads(text)["tasks"]) == 3
    assert move_apart(tmp_path / "new.db", "--import", "-", text=text.encode())[1].startswith("3 imported")


# -- refusals ---------------------------------------------------------------------------------

@pytest.mark.parametrize("flag", ["--export", "--import"])
def test_a_database_in_use_is_refused(process, move, tmp_path, flag):
    process()
    path = tmp_path / "x.json"
    path.write_text("http://localhost:1/x\n")
    code, out, errors = move(tmp_path / "state" / "dlserv.db", flag, path)
    assert (code, out) == (1, "") and re.fullmatch(r"dlserv: --db: .* in use by another dlserv\n", errors)
    assert path.read_text() == "http://localhost:1/x\n"


def test_there_must_be_something_to_export_and_a_place_for_it(move, tmp_path):
    code, _, errors = move(tmp_path / "none.db", "--export", tmp_path / "x.json")
    assert code == 1 and "there is no database" in errors and not (tmp_path / "none.db").exists()
    move(tmp_path / "a.db", "--import", "-", text=b"http://localhost:1/x")
    code, _, errors = move(tmp_path / "a.db", "--export", tmp_path / "none" / "x.json")
    assert code == 1 and "x.json cannot be written: No such file" in errors and errors.count("\n") == 1


@pytest.mark.parametrize("text, sentence", [
    (b'{"schema": 2, "tasks": []}', "was written by a newer dlserv"), (b'{"a": 1}', "is not an export"),
    (b'{"schema": true, "tasks": []}', "is not an export"), (b'{"schema": 1, "tasks": [', "is not JSON"),
    (b"{" * 100000, "is not JSON"), (b"\xffabc", "is not text"), (b"  out=x\n", "there is no URL above it")])
def test_what_is_neither_an_export_nor_a_list_is_refused(move, tmp_path, text, sentence):
    code, _, errors = move(tmp_path / "a.db", "--import", "-", text=text)
    assert code == 2 and sentence in errors and errors.count("\n") == 1
    assert not (tmp_path / "a.db").exists()


def spoil(record, where, value):
    *path, last = where.split(".")
    for name in path:
        record = record[name]
    if value is ...:
        del record[last]
    else:
        record[last] = value


@pytest.mark.parametrize("where, value", [
    ("url", "gopher://x"), ("url", 3), ("added", None), ("state", "lost"), ("state", ["queued"]), ("order", "1"),
    ("order", 10 ** 40), ("place", True), ("create_time", float("nan")), ("elapsed", "long"), ("log", [1]),
    ("log", [{"time": 1, "type": "debug", "msg": 3}]), ("error", "\ud800"), ("options", {"dir": "../x"}),
    ("options", {"nothing": 1}), ("options", []), ("progress.part", "../../x"), ("progress.target", ""),
    ("progress.done", [[5, 3]]), ("progress.done", [[0, 9], [3, 12]]), ("progress.done", [["a", "b"]]),
    ("progress.resource.etag", "a\r\nb"), ("progress.resource.total", "many"), ("progress.resource", None),
    ("progress.publishing", [1, 2]), ("flushed", {}), ("leaving", True), ("retries", ...), ("more", 1)])
def test_a_bad_record_is_told_and_left_out(spoilt, where, value):
    tasks, run = spoilt
    bad = json.loads(json.dumps(tasks[1]))
    spoil(bad, where, value)
    counts, told = run([tasks[0], bad, tasks[2], "x"])
    assert counts == (2, 0, 2)
    assert len(told) == 2 and told[0].startswith("task 1: ") and told[1].startswith("task 3: it is not a task")


@pytest.fixture
def spoilt(filled_once, tmp_path):
    """(records of an export, a function that imports records in this process)."""
    from dlserv.settings.config import Config
    from dlserv.tasks.export import import_tasks
    config = Config.parse({"general": {"db_path": str(tmp_path / "new.db"), "download_dir": str(tmp_path)}})

    def run(tasks):
        path, told = tmp_path / "x.json", []
        path.write_text(json.dumps({"schema": 1, "tasks": tasks}))
        return import_tasks(str(path), config.general, config.download, told.append), told

    return filled_once, run


@pytest.fixture
def filled_once():
    """Three records as an export has them; the second is half fetched."""
    from dlserv.settings.config import Config
    from dlserv.tasks.task import Task
    found = []
    for number in range(3):
        record = Task.new("http://localhost:1/%d" % number, {}, Config.parse({}).download).to_record()
        record.update(order=number + 1, place=number + 1, log=[{"time": 1, "type": "debug", "msg": "ä"}])
        resource = {"url": "http://localhost:1/x", "total": 9, "etag": '"v1"', "last_modified": None, "dated": False,
                    "ranges": True, "media_type": "", "disposition": None, "encoding": "", "digest": None}
        record.update(progress={"part": "x.part", "target": "x", "source": "http://localhost:1/x", "done": [[0, 5]],
                                "resource": resource, "publishing": None, "checksum": None}, flushed=[[0, 5]])
        found.append(record)
    return found


# -- lists ------------------------------------------------------------------------------------

LIST = """\ufeff# what to fetch
http://localhost:1/a.iso\thttp://localhost:2/a.iso
  out=b.iso
  dir=shelf
  header=X-A: 1
  header=X-B: 2
  checksum=sha-256=%s
# a comment
http://localhost:1/c.iso

\tfilename=d.iso
\tpriority=4
  pause=true
http://localhost:1/e.iso
http://localhost:1/e.iso
http://localhost:1/bad.iso
  dir=../..
gopher://localhost/bad
http://localhost:1/last.iso
""" % ("ab" * 32)


def test_a_list_of_urls_is_taken_with_its_options(move, tmp_path, settings):
    (tmp_path / "list.txt").write_text(LIST, encoding="utf-8")
    code, out, errors = move(tmp_path / "new.db", "--import", tmp_path / "list.txt")
    assert (code, out) == (1, "4 imported, 1 there already, 2 left out\n")
    first, second = errors.splitlines()
    assert re.match(r"dlserv: .*list.txt, line 16: options.dir: ", first)
    assert re.match(r"dlserv: .*list.txt, line 18: url: ", second)
    settings["general"].update(db_path=str(tmp_path / "new.db"))
    settings["download"]["max_concurrent"] = 1
    with Daemon(settings) as daemon:
        tasks = daemon.list()
        assert [task.url[-6:] for task in tasks] == ["/a.iso", "/c.iso", "/e.iso", "st.iso"]
        assert tasks[0].posted == {"filename": "b.iso", "dir": "shelf", "headers": {"X-A": "1", "X-B": "2"},
                                   "checksum": "sha-256=" + "ab" * 32, "mirrors": ["http://localhost:2/a.iso"]}
        assert tasks[1].state == "paused" and tasks[1].posted["priority"] == 4
        assert [task.order for task in tasks] == [1, 2, 3, 4]


def test_new_tasks_queue_behind_those_that_are_there(move, tmp_path, settings):
    text = b"http://localhost:1/%s\n pause=true\n"
    for name in (b"z", b"a"):
        assert move(tmp_path / "new.db", "--import", "-", text=text % name)[0] == 0
    code, _, errors = move(tmp_path / "new.db", "--import", "-", text=text % b"b", DLSERV_MAX_TASKS="2")
    assert code == 1 and "as many tasks as general.max_tasks allows" in errors
    settings["general"].update(db_path=str(tmp_path / "new.db"))
    with Daemon(settings) as daemon:
        assert [(task.url[-1], task.position) for task in daemon.list()] == [("z", 1), ("a", 2)]
