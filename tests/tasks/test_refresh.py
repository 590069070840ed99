"""Refreshing finished files: what is asked, what is replaced, and what stays whatever goes wrong."""

import base64
import hashlib
import json
import os
import random
import threading

import pytest

from dlserv import Client, Daemon
from dlserv.errors import Conflict
from dlserv.settings.config import Config
from dlserv.tasks import export
from disks import SmallDisk
from harness import noise, until
from servers.ftpd import Ftpd
from servers.origin import OLD, Gate, Origin, accept_and_sleep, chunked, drop, raw, redirect, refuse, whole

DATA, NEWS = noise(300000), noise(310000, seed=2)
NEWER = "Mon, 08 Jan 2024 00:00:00 GMT"


@pytest.fixture
def settings(settings):
    settings["download"]["retries"] = 1
    return settings


def fetched(daemon, origin, path="/a.iso", data=DATA, task=(), **options):
    """Return (the tid of a finished task, its origin's File)."""
    file = origin.put(path, data, **options)
    tid = daemon.add(origin.url(path), dict(task))
    assert daemon.wait(tid, 15).state == "finished"
    return tid, file


def refreshed(daemon, tid):
    """Refresh the task; return the Task when that is over."""
    daemon.refresh(tid)
    return daemon.wait(tid, 15)


def change(file, data=NEWS, etag='"v2"', modified=NEWER):
    file.data, file.etag, file.modified = data, etag, modified


def hexed(data):
    return "sha-256=" + hashlib.sha256(data).hexdigest()


def last(task):
    return task.log[0]["msg"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# -- what is unchanged --------------------------------------------------------------------------

@pytest.mark.parametrize("etag, modified, field, value", [
    ('"v1"', OLD, "if-none-match", '"v1"'), ('W/"v1"', OLD, "if-none-match", 'W/"v1"'),
    ('"\xe9"', None, "if-none-match", '"\xc3\xa9"'),
    (None, OLD, "if-modified-since", OLD), ("no quotes", OLD, "if-modified-since", OLD)])
def test_a_304_leaves_the_file_as_it_is(daemon, origin, folder, etag, modified, field, value):
    tid, file = fetched(daemon, origin, etag=etag, modified=modified, conditions=True)
    before, status = daemon.get(tid), os.stat(str(folder / "a.iso"))
    finish_time, known = before.finish_time, before.file
    sent = origin.sent
    task = refreshed(daemon, tid)
    asked = origin.asked("/a.iso")[-1].headers
    assert {name for name in asked if name.startswith("if-")} == {field}
    if value.isascii():
        assert asked[field] == value
        assert last(task) == "unchanged: the server answered 304 Not Modified"
        assert origin.sent - sent < 1000
    assert task.file == known and task.finish_time == finish_time and (task.error, task.reason) == (None, None)
    assert os.stat(str(folder / "a.iso"))[:9] == status[:9]
    assert last(task).startswith("unchanged")


@pytest.mark.parametrize("etag, modified, then, word", [
    ('"v1"', OLD, {}, "ETag"), ('"v1"', OLD, {"ETag": 'W/"v1"'}, "ETag"),
    ('W/"v1"', OLD, {"ETag": '"v1"', "Last_Modified": NEWER}, "ETag"), (None, OLD, {}, "date"),
    ('"v1"', OLD, {"ETag": None}, "date"), (None, None, {}, "names no version"),
    ('"v1"', OLD, {"ETag": '"v2"', "Repr_Digest": "digest"}, "checksum")])
def test_a_200_of_the_same_version_is_not_downloaded(daemon, origin, etag, modified, then, word):
    data = noise(8 * 2 ** 20)
    told = "sha-256=:%s:" % base64.b64encode(hashlib.sha256(data).digest()).decode()
    headers = {"Repr-Digest": told} if "Repr_Digest" in then else {}
    then = {name: told if value == "digest" else value for name, value in then.items()}
    tid, file = fetched(daemon, origin, data=data, etag=etag, modified=modified, headers=headers)
    gate = Gate(1000)

    def fault(exchange):
        begin = exchange.begin
        exchange.begin = lambda **more: begin(**dict(then, **more))
        gate(exchange)

    file.script = [fault]
    task = refreshed(daemon, tid)
    assert last(task).startswith("unchanged") and word in last(task) and task.state == "finished"
    assert gate.reached.wait(15), "the head came, and the client hung up"


def test_an_ftp_file_of_the_same_date_and_size_is_unchanged(daemon, folder):
    with Ftpd({"/a.iso": DATA}) as server:
        tid = daemon.add(server.url("//a.iso"))
        assert daemon.wait(tid, 15).state == "finished"
        server.commands.clear()
        assert last(refreshed(daemon, tid)) == "unchanged: the file on the server has the same date"
        assert not [line for line in server.commands if line.startswith(("RETR", "EPSV", "PASV"))]
        server.files["/a.iso"] = NEWS
        assert refreshed(daemon, tid).total == len(NEWS)
        server.files["/a.iso"], server.modified = DATA[::-1] + NEWS[len(DATA):], "20240201000000"
        assert refreshed(daemon, tid).state == "finished"
        assert (folder / "a.iso").read_bytes() == server.files["/a.iso"] and names(folder) == ["a.iso"]


def test_a_redirect_and_a_login_are_asked_like_any_file(daemon, origin):
    origin.put("/old.iso", script=[redirect("/a.iso")] * 2)
    origin.put("/a.iso", DATA, conditions=True)
    tid = daemon.add(origin.url("/old.iso"))
    assert daemon.wait(tid, 15).state == "finished"
    assert "304" in last(refreshed(daemon, tid))


def test_nobody_is_told_that_an_unchanged_file_has_finished(process, tmp_path, origin, folder):
    hook, ran = tmp_path / "hook", tmp_path / "ran"
    hook.write_text("#!/bin/sh\necho $DLSERV_EVENT >> %s\n" % ran)
    hook.chmod(0o755)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"hooks": {"finished": [str(hook)], "failed": [str(hook)]}}))
    api = process("-c", str(config)).api
    file = origin.put("/a.iso", DATA, conditions=True)
    tid = api.add(origin.url("/a.iso"), retries=0)
    until(lambda: ran.exists() and ran.read_text() == "finished\n")
    for script in ([], [refuse("404 Not Found")]):
        file.script = list(script)
        asked = len(origin.asked("/a.iso"))
        assert api.put("/task/tid/%s?act=refresh" % tid).status == 200
        until(lambda: len(origin.asked("/a.iso")) > asked and api.status(tid)["state"] == "finished")
    change(file)
    assert api.put("/task/tid/%s?act=refresh" % tid).status == 200
    until(lambda: ran.read_text() != "finished\n")
    assert ran.read_text() == "finished\nfinished\n" and (folder / "a.iso").read_bytes() == NEWS


# -- what has changed ---------------------------------------------------------------------------

@pytest.mark.parametrize("before, after", [
    (dict(), dict()), (dict(etag=None), dict(etag=None)), (dict(etag=None, modified=None), dict()),
    (dict(etag=None, modified=None), dict(etag=None, modified=None)), (dict(), dict(modified=OLD)),
    (dict(), dict(data=DATA[::-1], modified=OLD)), (dict(), dict(etag='"v1"', data=DATA + b"!")),
    (dict(), dict(etag=None, modified=None, data=DATA[::-1]))])
def test_a_changed_file_replaces_the_old_one(daemon, origin, folder, before, after):
    tid, file = fetched(daemon, origin, **before)
    first = daemon.get(tid).finish_time
    change(file, **after)
    asked = len(origin.requests)
    task = refreshed(daemon, tid)
    assert (task.state, task.error) == ("finished", None) and task.finish_time > first
    assert (folder / "a.iso").read_bytes() == file.data and names(folder) == ["a.iso"]
    assert "range" not in origin.requests[asked].headers, "the answer that tells of the change is used"
    assert last(refreshed(daemon, tid)).startswith("unchanged") or file.etag is None


def test_a_file_of_unknown_size_and_version_is_fetched_again(daemon, origin, folder):
    bare = dict(script=[chunked([DATA]), chunked([DATA[:9], DATA[9:]])], etag=None, modified=None)
    tid, file = fetched(daemon, origin, **bare)
    assert refreshed(daemon, tid).file is not None and not file.script
    assert (folder / "a.iso").read_bytes() == DATA and names(folder) == ["a.iso"]


def test_the_old_file_is_there_and_served_until_the_new_one_is(daemon, api, origin, folder):
    tid, file = fetched(daemon, origin)
    gate = Gate(100000)
    file.script = [gate]
    change(file)
    daemon.refresh(tid)
    until(lambda: daemon.get(tid).downloaded >= 90000)
    assert (folder / "a.iso").read_bytes() == DATA
    answer = api.get("/task/tid/%s/file" % tid)
    assert answer.status == 200 and answer.body == DATA
    gate.open()
    assert daemon.wait(tid, 15).state == "finished" and (folder / "a.iso").read_bytes() == NEWS
    assert api.get("/task/tid/%s/file" % tid).body == NEWS


@pytest.mark.parametrize("theirs", [b"mine now", None])
def test_a_file_the_user_changed_or_removed_is_not_overwritten(daemon, origin, folder, theirs):
    tid, file = fetched(daemon, origin)
    (folder / "a.iso").unlink()
    if theirs is not None:
        (folder / "a.iso").write_bytes(theirs)
    assert last(refreshed(daemon, tid)).startswith("unchanged"), "the server's file is what counts"
    change(file)
    task = refreshed(daemon, tid)
    expected = "a.iso" if theirs is None else "a (1).iso"
    assert task.filename == expected and (folder / expected).read_bytes() == NEWS
    assert theirs is None or (folder / "a.iso").read_bytes() == theirs


def test_a_fresh_link_is_compared_and_not_believed(daemon, origin, folder):
    """Another URL's ETag says nothing unless the size agrees too; a mirror's word is no word at all."""
    tid, _ = fetched(daemon, origin)
    origin.put("/b.iso", NEWS, conditions=True)         # with the same ETag
    daemon.change(tid, origin.url("/b.iso"))
    assert refreshed(daemon, tid).total == len(NEWS) and (folder / "a.iso").read_bytes() == NEWS
    origin.put("/c.iso", NEWS)
    daemon.change(tid, origin.url("/c.iso"))
    assert "same version" in last(refreshed(daemon, tid))


def test_a_file_that_verify_found_damaged_is_always_fetched(daemon, origin, folder):
    tid, _ = fetched(daemon, origin, conditions=True, task={"checksum": hexed(DATA)})
    status = os.stat(str(folder / "a.iso"))
    with open(str(folder / "a.iso"), "r+b") as file:
        file.write(b"rot")
    os.utime(str(folder / "a.iso"), ns=(status.st_atime_ns, status.st_mtime_ns))
    daemon.verify(tid)
    until(lambda: daemon.get(tid).error)
    task = refreshed(daemon, tid)
    assert task.error is None and (folder / "a.iso").read_bytes() == DATA and names(folder) == ["a.iso"]


# -- what goes wrong ----------------------------------------------------------------------------

def is_as_before(task, file, folder, reason):
    """Assert that the task has its old file and says why it has no other."""
    assert (task.state, task.file, task.reason) == ("finished", file, reason), task.error
    assert task.error.startswith("the file stays as it was, because it could not be refreshed: ")
    assert last(task) == task.error and task.log[0]["type"] == "error"
    assert (folder / "a.iso").read_bytes() == DATA


@pytest.mark.parametrize("fault, reason", [
    (refuse("404 Not Found"), "not_found"), (refuse("410 Gone"), "not_found"), (refuse("403 Forbidden"), "auth"),
    (refuse("500 Internal Server Error"), "http"), (refuse("412 Precondition Failed"), "http"),
    (raw(b""), "network"), (redirect("/a.iso"), "redirects"), (accept_and_sleep, "timeout"),
    (whole(ETag='"page"', Content_Type="text/html"), "http")])
def test_a_refresh_that_fails_leaves_the_file_and_says_why(daemon, origin, folder, fault, reason):
    tid, file = fetched(daemon, origin)
    daemon.configure({"download": {"timeout": 0.2 if reason == "timeout" else 5}})
    known = daemon.get(tid).file
    file.script = [fault] * 30
    if reason == "http" and fault is not None:
        file.data = b"<html>log in</html>" + b" " * 1000
    is_as_before(refreshed(daemon, tid), known, folder, reason)
    assert names(folder) == ["a.iso"]
    file.script, file.data = [], DATA
    daemon.configure({"download": {"timeout": 5}})
    task = refreshed(daemon, tid)
    assert last(task).startswith("unchanged") and task.error is None


@pytest.mark.parametrize("status", ["404 Not Found", "503 Service Unavailable"])
def test_a_new_file_that_breaks_off_leaves_the_old_one(daemon, origin, folder, status):
    tid, file = fetched(daemon, origin)
    known = daemon.get(tid).file
    change(file)
    file.script = [drop(100000)] + [refuse(status)] * 30
    task = refreshed(daemon, tid)
    assert (task.state, task.file) == ("finished", known) and (folder / "a.iso").read_bytes() == DATA
    assert names(folder) == ["a.iso"] + ["a.iso.part"] * status.startswith("503")
    asked = len(origin.requests)
    file.script = []
    assert refreshed(daemon, tid).error is None
    assert (folder / "a.iso").read_bytes() == NEWS and names(folder) == ["a.iso"]
    assert ("range" in origin.requests[asked].headers) == status.startswith("503"), "it goes on where it was"


def test_what_is_left_of_a_failed_refresh_goes_with_the_task(daemon, origin, folder):
    tid, file = fetched(daemon, origin)
    change(file)
    file.script = [drop(100000)] + [refuse("503 Busy")] * 30
    assert refreshed(daemon, tid).error
    assert len(names(folder)) == 2
    daemon.delete(tid, del_file=True)
    assert names(folder) == []


def test_a_checksum_of_the_old_file_alone_refuses_another(daemon, origin, folder):
    tid, file = fetched(daemon, origin, task={"checksum": hexed(DATA)}, conditions=True)
    known = daemon.get(tid).file
    assert "304" in last(refreshed(daemon, tid))
    change(file)
    sent = origin.sent
    task = refreshed(daemon, tid)
    is_as_before(task, known, folder, "checksum")
    assert "take the checksum off" in task.error
    assert origin.sent - sent < 2 * len(NEWS)
    daemon.change(tid, posted={"checksum": hexed(NEWS)})
    assert refreshed(daemon, tid).file.checksum == hexed(NEWS) and (folder / "a.iso").read_bytes() == NEWS


def test_a_new_file_with_a_wrong_digest_is_not_kept(daemon, origin, folder):
    tid, file = fetched(daemon, origin)
    known = daemon.get(tid).file
    change(file)
    file.headers = {"Repr-Digest": "sha-256=:%s:" % ("A" * 43 + "=")}
    is_as_before(refreshed(daemon, tid), known, folder, "checksum")
    assert names(folder) == ["a.iso"]


def test_no_mirror_tells_whether_the_file_has_changed(daemon, origin, folder):
    origin.put("/mirror.iso", NEWS)
    tid, file = fetched(daemon, origin, task={"mirrors": [origin.url("/mirror.iso")]})
    known, file.script = daemon.get(tid).file, [refuse("404 Not Found")]
    before = len(origin.asked("/mirror.iso"))
    is_as_before(refreshed(daemon, tid), known, folder, "not_found")
    assert len(origin.asked("/mirror.iso")) == before


def test_a_server_that_is_gone_for_good_costs_only_the_tries(daemon, folder):
    with Origin() as origin:
        tid, _ = fetched(daemon, origin)
        known = daemon.get(tid).file
    daemon.configure({"download": {"timeout": 5}})      # which closes the idle connection
    is_as_before(refreshed(daemon, tid), known, folder, "refused")


@pytest.mark.parametrize("script", [[], [chunked([NEWS])]])
def test_a_full_disk_ends_a_refresh_and_gets_its_room_back(settings, origin, tmp_path, script):
    with SmallDisk(tmp_path / "disk", "500k") as disk:
        settings["general"]["download_dir"] = disk.path
        settings["download"]["reserve"] = 0
        with Daemon(settings) as daemon:
            tid, file = fetched(daemon, origin)
            known = daemon.get(tid).file
            change(file)
            file.script = script
            is_as_before(refreshed(daemon, tid), known, tmp_path / "disk", "no_space")
            assert names(tmp_path / "disk") == ["a.iso"]
            disk.resize("1m")
            assert refreshed(daemon, tid).error is None
            assert (tmp_path / "disk" / "a.iso").read_bytes() == NEWS


# -- what users do meanwhile ----------------------------------------------------------------------

def test_only_a_finished_file_can_be_refreshed(daemon, api, origin):
    tid, file = fetched(daemon, origin)
    other = api.add(origin.url("/b.iso"), paused=True)
    gone = api.add(origin.url("/none"))
    until(lambda: api.status(gone)["state"] == "invalid")
    for each, state in ((other, "paused"), (gone, "invalid")):
        answer = api.put("/task/tid/%s?act=refresh" % each)
        assert (answer.status, answer["code"]) == (409, "conflict")
        assert answer["errmsg"] == "the task is %s; it cannot be refreshed" % state
    assert api.put("/task/tid/%s?act=refresh" % ("0" * 40)).status == 404
    answer = api.post("/task/batch/refresh", {"tids": [tid, other, gone, "f" * 40]})
    assert answer.status == 207 and [each for each, _ in answer["detail"]] == [other, gone, "f" * 40]
    assert "unchanged" in api.reach(tid, "finished")["log"][0]["msg"]
    assert api.post("/task/batch/refresh", [tid]).status == 200
    assert api.post("/task/batch/refresh", []).status == 200
    assert api.post("/task/batch/refresh", {}).status == 400
    with Client(api.url) as client:
        api.reach(tid, "finished")
        client.refresh(tid)
        assert client.wait(tid)["log"][0]["msg"].startswith("unchanged")
        assert client.act_on_all("refresh", [other]) == [
            (other, "the task is paused; it cannot be refreshed")]


@pytest.mark.parametrize("changed", [True, False])
def test_a_refresh_can_be_paused_and_goes_on(daemon, origin, folder, changed):
    tid, file = fetched(daemon, origin)
    gate = Gate(100000 if changed else 0)
    file.script = [gate if changed else accept_and_sleep]
    if changed:
        change(file)
    daemon.refresh(tid)
    until(lambda: gate.reached.is_set() if changed else not file.script)
    daemon.pause(tid)
    with pytest.raises(Conflict):
        daemon.refresh(tid)
    assert daemon.get(tid).state == "paused" and (folder / "a.iso").read_bytes() == DATA
    daemon.resume(tid)
    task = daemon.wait(tid, 15)
    assert (task.state, task.refreshing) == ("finished", False)
    assert (folder / "a.iso").read_bytes() == file.data and names(folder) == ["a.iso"]
    assert changed or last(task).startswith("unchanged")


def test_a_file_that_is_refreshed_stays_in_its_folder(daemon, origin, folder):
    tid, file = fetched(daemon, origin)
    file.script = [accept_and_sleep]
    daemon.refresh(tid)
    until(lambda: daemon.get(tid).state == "downloading")
    with pytest.raises(Conflict, match="dir cannot be changed"):
        daemon.change(tid, posted={"dir": "elsewhere"})


@pytest.mark.parametrize("del_file", [True, False])
def test_a_task_can_be_deleted_while_it_is_refreshed(daemon, origin, folder, del_file):
    tid, file = fetched(daemon, origin)
    change(file)
    file.script = [Gate(100000)]
    daemon.refresh(tid)
    until(lambda: "a.iso.part" in names(folder))
    daemon.delete(tid, del_file)
    until(lambda: names(folder) == ([] if del_file else ["a.iso", "a.iso.part"]))
    assert del_file or (folder / "a.iso").read_bytes() == DATA


def test_a_file_being_verified_is_not_refreshed_meanwhile(daemon, origin, folder):
    tid, _ = fetched(daemon, origin, data=noise(2 ** 20) * 64)
    daemon.verify(tid)
    try:
        daemon.refresh(tid)
    except Conflict as refusal:
        assert str(refusal) == "the file is being verified; refresh it when that is done"
    until(lambda: not daemon.get(tid).verifying)
    assert daemon.wait(tid, 15).file.checksum


# -- crashes --------------------------------------------------------------------------------------

@pytest.mark.parametrize("after", [0, 100000, len(NEWS) - 1])
def test_a_kill_leaves_the_old_file_until_the_new_one_is_whole(process, origin, folder, backend, after):
    environ = dict(os.environ, DLSERV_DB_BACKEND=backend, DLSERV_RETRY_WAIT="0.05")
    first = process(environ=environ)
    file = origin.put("/a.iso", DATA)
    tid = first.api.add(origin.url("/a.iso"))
    first.api.reach(tid, "finished")
    change(file)
    gate = Gate(after)
    file.script = [gate] * 2
    assert first.api.put("/task/tid/%s?act=refresh" % tid).status == 200
    assert gate.reached.wait(15)
    first.kill()
    assert (folder / "a.iso").read_bytes() == DATA
    second = process(environ=environ)
    until(lambda: second.api.status(tid)["state"] in ("downloading", "finished"))
    assert (folder / "a.iso").read_bytes() in (DATA, NEWS)
    gate.open()
    second.api.reach(tid, "finished")
    assert (folder / "a.iso").read_bytes() == NEWS and names(folder) == ["a.iso"]


def test_kills_at_any_moment_leave_one_of_both_files(process, origin, folder):
    """The old file or the new one, whole, and a task that says which."""
    dice = random.Random(1)
    environ = dict(os.environ, DLSERV_RETRY_WAIT="0.05")
    versions = [noise(200000 + number, seed=number) for number in range(8)]
    running = process(environ=environ)
    file = origin.put("/a.iso", versions[0])
    tid = running.api.add(origin.url("/a.iso"))
    running.api.reach(tid, "finished")
    for number, data in enumerate(versions[1:], 1):
        change(file, data, '"v%d"' % number)
        assert running.api.put("/task/tid/%s?act=refresh" % tid).status == 200
        killer = threading.Timer(dice.random() * 0.08, running.popen.kill)
        killer.start()
        killer.join()
        running.kill()
        assert (folder / "a.iso").read_bytes() in versions[:number + 1]
        running = process(environ=environ)
        until(lambda: running.api.status(tid)["state"] == "finished")
        assert (folder / "a.iso").read_bytes() == data and names(folder) == ["a.iso"]
        assert running.api.get("/task/tid/%s/info" % tid)["detail"]["etag"] == '"v%d"' % number


def test_a_stop_and_a_start_go_on_with_a_refresh(settings, origin, folder):
    with Daemon(settings) as daemon:
        tid, file = fetched(daemon, origin, conditions=True)
        file.script = [accept_and_sleep]
        daemon.refresh(tid)
        until(lambda: not file.script)
    with Daemon(settings) as daemon:
        task = daemon.wait(tid, 15)
        assert task.state == "finished" and "304" in last(task)


def test_an_import_takes_a_refresh_over(settings, origin, tmp_path, folder):
    with Daemon(settings) as daemon:
        tid, file = fetched(daemon, origin, conditions=True)
        file.script = [accept_and_sleep]
        daemon.refresh(tid)
        until(lambda: not file.script)
    config = Config.parse(settings)
    path = str(tmp_path / "tasks.json")
    assert export.export_tasks(path, config.general, config.download) == 1
    settings["general"]["db_path"] = str(tmp_path / "other.db")
    config = Config.parse(settings)
    assert export.import_tasks(path, config.general, config.download, pytest.fail) == (1, 0, 0)
    with Daemon(settings) as daemon:
        assert "304" in last(daemon.wait(tid, 15))
