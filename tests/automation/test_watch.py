"""Watched folders: which files become tasks, where they go, and what a bad one or a lost folder does."""

import json
import os
import plistlib
import shutil
import subprocess

import pytest

import forks
from dlserv import Daemon
from dlserv.errors import InvalidValue
from dlserv.automation.watch import Watch
from automation.conftest import EAGER
from disks import SmallDisk
from harness import until

FILES = {
    "a.txt": b"# two\n%s/1\n%s/2\n  out=two.bin\n",
    "a.url": b"[InternetShortcut]\r\nURL=%s/3\r\n",
    "a.desktop": b"[Desktop Entry]\nType=Link\nName=x\nURL=%s/4\n",
    "a.webloc": b'<?xml version="1.0"?>\n<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "x">\n<plist><dict>'
                b"<key>URL</key><string>%s/5</string></dict></plist>",
    "a.meta4": b'<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="six.bin"><url>%s/6</url></file></metalink>',
    "A.SESSION": b"%s/7\t%s/8\n dir=seven\n",
}


@pytest.fixture
def box(tmp_path):
    """The watched folder."""
    path = tmp_path / "in"
    path.mkdir()
    return path


@pytest.fixture
def watch(daemon, box):
    """A Watch of that folder, whose looks are ours."""
    return Watch({"dir": str(box), "options": {"paused": True}}, daemon.add_all)


@pytest.fixture
def often(monkeypatch, caplog):
    """The daemon looks every moment, and what it logs is heard."""
    monkeypatch.setattr(Watch, "EVERY", 0.05)
    caplog.set_level("INFO", "dlserv")


def put(path, data):
    """Put a whole file there at once."""
    made = path.parent / ".new"
    made.write_bytes(data)
    made.rename(path)


def look(watch, times=2):
    for _ in range(times):
        watch.look()


def names(folder):
    return sorted(os.path.relpath(os.path.join(here, name), str(folder))
                  for here, _, files in os.walk(str(folder)) for name in files)


def test_lists_of_every_kind_become_tasks(embedded, often, origin, box, folder):
    for number in range(1, 9):
        origin.put("/%d" % number, b"%d" % number)
    api = embedded(watch=[{"dir": str(box)}])
    for name, text in FILES.items():
        put(box / name, text.replace(b"%s", origin.url().encode()))
    (box / "iso").mkdir()
    put(box / "iso" / "b.txt", origin.url("/8").encode())
    until(lambda: len(names(folder)) == 8, 40)
    until(lambda: api.get("/task/state_counter")["detail"]["finished"] == 8)
    until(lambda: names(box) == sorted(["added/" + name for name in FILES] + ["added/b.txt"]))
    assert names(folder) == ["1", "3", "4", "5", "iso/8", "seven/7", "six.bin", "two.bin"]


def test_a_file_that_still_grows_is_left_alone(watch, box, daemon):
    for number in range(3):
        with open(str(box / "a.txt"), "a") as file:
            file.write("http://h/%d\n" % number)
        watch.look()
    assert names(box) == ["a.txt"] and not daemon.list()
    watch.look()
    assert names(box) == ["added/a.txt"] and len(daemon.list()) == 3
    assert {task.state for task in daemon.list()} == {"paused"}, "the folder's options count"


def test_other_files_are_left_alone(watch, box, daemon, tmp_path):
    (tmp_path / "outside.txt").write_text("http://h/x\n")
    for name in (".hidden.txt", "film.mkv", "a.txt.part", "x.aria2"):
        (box / name).write_text("http://h/x\n")
    os.symlink(str(tmp_path / "outside.txt"), str(box / "link.txt"))
    os.symlink(str(tmp_path), str(box / "folder"))
    os.mkfifo(str(box / "pipe.txt"))
    (box / ".git").mkdir()
    (box / ".git" / "a.txt").write_text("http://h/x\n")
    before = sorted(os.listdir(str(box)))
    look(watch)
    assert sorted(os.listdir(str(box))) == before and not daemon.list()


@pytest.mark.parametrize("name, data, words", [
    ("a.txt", b"", "there is no URL in it"), ("a.txt", b"# only\n", "there is no URL in it"),
    ("a.txt", b"\xff\xfe\0", "is not text in UTF-8"), ("a.txt", b"not a URL\n", "a.txt, line 1: url: "),
    ("a.txt", b"magnet:?xt=urn:btih:x\n", "is not an absolute URL"), ("a.txt", b"rsync://h/x\n", "has the scheme"),
    ("a.txt", b"http://h/\n dir=../up\n", 'line 1: options.dir: "../up" is not a folder below'),
    ("a.txt", b"http://h/\n color=red\n", "options.color: there is no such key"),
    ("a.txt", b" out=x\n", "there is no URL above it"), ("a.txt", b"http://h/\n" * 200000, "has more than 1048576 bytes"),
    ("a.url", b"[InternetShortcut]\nIconFile=x\n", "has no URL in it"),
    ("a.desktop", b"[Desktop Entry]\nExec=rm -rf /\n", "has no URL in it"),
    ("a.webloc", b"bplist00nonsense", "is not a shortcut"),
    ("a.webloc", plistlib.dumps({"URL": ["http://h/"]}, fmt=plistlib.FMT_BINARY), "is not a shortcut"),
    ("a.meta4", b'<!DOCTYPE x [<!ENTITY a "b">]><metalink/>', "document type definition"),
    ("a.meta4", b"<metalink><file>", "is not well-formed"), ("a.meta4", b"<html></html>", "neither a list"),
    ("a.meta4", b"<metalink><file name='../e'><url>http://h/</url></file></metalink>", "a.meta4, file 1: options.dir"),
    ("a.meta4", b"<metalink><file name='a'><url>rsync://h/</url></file></metalink>", "a.meta4, file 1: url: ")])
def test_a_bad_file_is_refused_with_the_reason(watch, box, daemon, name, data, words):
    (box / name).write_bytes(data)
    look(watch)
    assert names(box) == ["refused/" + name, "refused/%s.why" % name] and not daemon.list()
    assert words in (box / "refused" / (name + ".why")).read_text()
    assert (box / "refused" / name).read_bytes() == data


def test_the_good_lines_of_a_bad_list_are_added(watch, box, daemon):
    (box / "a.txt").write_text("http://h/1\nnonsense\nhttp://h/2\n")
    look(watch)
    why = (box / "refused" / "a.txt.why").read_text()
    assert len(daemon.list()) == 2 and why.count("\n") == 1 and why.startswith("a.txt, line 2: ")


def test_what_was_there_already_is_no_fault(watch, box, daemon):
    daemon.add("http://h/1", {"paused": True})
    (box / "a.txt").write_text("http://h/1\nhttp://h/2\nhttp://h/2\n")
    look(watch)
    assert names(box) == ["added/a.txt"] and len(daemon.list()) == 2


def test_nothing_is_overwritten(watch, box, daemon):
    for number in range(3):
        (box / "a.txt").write_text("http://h/%d\n" % number)
        look(watch, 3)
    assert names(box) == ["added/a (1).txt", "added/a (2).txt", "added/a.txt"] and len(daemon.list()) == 3


def test_a_full_daemon_takes_a_list_bit_by_bit_each_url_once(settings, box):
    settings["general"]["max_tasks"] = 2
    with Daemon(settings) as daemon:
        watch = Watch({"dir": str(box), "options": {"paused": True}}, daemon.add_all)
        (box / "a.txt").write_text("".join("http://h/%d\n" % number for number in range(5)) + "nonsense\n")
        look(watch)
        for numbers in ([0, 1], [2, 3], [4]):
            assert [task.url for task in daemon.list()] == ["http://h/%d" % number for number in numbers]
            look(watch)
            assert names(box) == (["refused/a.txt", "refused/a.txt.why"] if numbers == [4] else ["a.txt"])
            daemon.delete_all([task.tid for task in daemon.list()])
            look(watch, 1)
        assert (box / "refused" / "a.txt.why").read_text().startswith("a.txt, line 6: ")


def test_a_list_that_waited_and_changed_is_a_new_one(settings, box):
    settings["general"]["max_tasks"] = 1
    with Daemon(settings) as daemon:
        watch = Watch({"dir": str(box), "options": {"paused": True}}, daemon.add_all)
        (box / "a.txt").write_text("http://h/1\nhttp://h/2\n")
        look(watch)
        daemon.delete(daemon.list()[0].tid)
        (box / "a.txt").write_text("http://h/1\n")
        look(watch)
        assert names(box) == ["added/a.txt"] and [task.url for task in daemon.list()] == ["http://h/1"]


@pytest.mark.parametrize("stem", ["x" * 251, "\u00fc" * 125, os.fsdecode(b"\xff" * 251)], ids=["ascii", "utf-8", "bytes"])
def test_a_name_without_room_for_an_ending_is_cut(watch, box, daemon, stem):
    for _ in range(2):
        (box / (stem + ".txt")).write_text("nonsense\n")
        look(watch)
    assert len(names(box)) == 4 and all(name.startswith("refused/" + stem[:50]) for name in names(box))


def test_a_folder_that_goes_away_is_found_again(embedded, often, box, caplog):
    api = embedded(watch=[{"dir": str(box), "options": {"paused": True}}])
    shutil.move(str(box), str(box) + ".away")
    until(lambda: "cannot be watched" in caplog.text, 30)
    shutil.move(str(box) + ".away", str(box))
    put(box / "a.txt", b"http://h/1\n")
    until((box / "added" / "a.txt").exists, 30)
    assert api.get("/task/list")["detail"]
    assert caplog.text.count("cannot be watched") == caplog.text.count("is watched again") == 1


def test_a_file_system_that_comes_goes_and_is_read_only(configured, box):
    daemon = configured(command=EAGER, watch=[{"dir": str(box), "options": {"paused": True}}])

    def tasks():
        return len(daemon.api.get("/task/list")["detail"])

    with SmallDisk(box) as disk:
        (box / "a.txt").write_text("http://h/1\n")
        until(lambda: names(box) == ["added/a.txt"], 40)
        assert tasks() == 1
        subprocess.run(["umount", disk.path], check=True, timeout=30)       # it is not kept busy
    assert names(box) == []
    with SmallDisk(box) as disk:
        (box / "a.txt").write_text("http://h/2\n")
        subprocess.run(["mount", "-o", "remount,ro", disk.path], check=True, timeout=30)
        until(lambda: "cannot be watched: Read-only file system" in daemon.log, 40)
        assert tasks() == 2
        subprocess.run(["mount", "-o", "remount,rw", disk.path], check=True, timeout=30)
        until(lambda: names(box) == ["added/a.txt"], 40)
        assert tasks() == 2


def test_a_full_file_system_does_not_collect_reasons(watch, box):
    with SmallDisk(box, "64k") as disk:
        (box / "a.txt").write_text("magnet:x\n")
        junk = disk.fill()
        look(watch, 1)
        for _ in range(3):
            with pytest.raises(OSError):
                watch.look()
        assert names(box) == ["a.txt", "junk"]
        os.remove(junk)
        look(watch, 1)
        assert names(box) == ["refused/a.txt", "refused/a.txt.why"]
        assert "magnet:x" in (box / "refused" / "a.txt.why").read_text()


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_cannot_be_moved_is_added_once(watch, box, daemon):
    (box / "a.txt").write_text("http://h/1\n")
    box.chmod(0o555)
    with pytest.raises(OSError):
        look(watch)
    daemon.delete(daemon.list()[0].tid)
    with pytest.raises(OSError):
        look(watch)
    assert not daemon.list()
    box.chmod(0o755)
    look(watch)
    assert names(box) == ["added/a.txt"]


def test_a_file_in_the_way_of_added_lets_the_list_in_once(watch, box, daemon):
    (box / "added").write_text("in the way")
    (box / "a.txt").write_text("http://h/1\n")
    for _ in range(2):
        with pytest.raises(OSError):
            look(watch)
        assert len(daemon.list()) == 1
    os.remove(str(box / "added"))
    look(watch)
    assert names(box) == ["added/a.txt"] and len(daemon.list()) == 1


def test_a_kill_at_any_moment_adds_each_url_once(configured, box):
    daemon = configured(command=EAGER, watch=[{"dir": str(box), "options": {"paused": True}}])
    (box / "a.txt").write_text("".join("http://h/%d\n" % number for number in range(2000)))
    until(lambda: "added" in daemon.log, 30)
    daemon.kill()
    daemon = configured(command=EAGER)
    until(lambda: names(box) == ["added/a.txt"], 30)
    assert daemon.api.get("/task/state_counter")["detail"]["all"] == 2000


@pytest.mark.parametrize("make, words", [
    (lambda box, folder: str(box / "none"), "there is no folder"), (lambda box, folder: "in", "is not an absolute path"),
    (lambda box, folder: str(folder), "; name another folder"),
    (lambda box, folder: str(folder.parent), "; name another folder"),
    (lambda box, folder: os.path.abspath(__file__), "there is no folder")])
def test_a_start_names_the_folder_that_cannot_be_watched(tmp_path, box, folder, make, words):
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"watch": [{"dir": make(box, folder)}]}))
    done = forks.run(["-c", path, "--port", "0", "--download-dir", folder, "--db", tmp_path / "db"], timeout=30)
    assert done.returncode == 2 and ("watch[0].dir: " in done.stderr.decode()) and words in done.stderr.decode()


@pytest.mark.parametrize("below", ["", "night"])
def test_a_folder_that_is_watched_within_another_is_refused(settings, box, below):
    """Both would take its lists, and the upper one those that were added below."""
    inner = box / below
    inner.mkdir(exist_ok=True)
    outer = {"dir": os.path.join(str(box), "")}
    with pytest.raises(InvalidValue, match=r"^watch\[0\]\.dir: .* is in .*; name another folder$"):
        Daemon(dict(settings, watch=[outer, {"dir": str(inner)}])).start()
    (box.parent / "in2").mkdir()
    with Daemon(dict(settings, watch=[outer, {"dir": str(box) + "2"}])):
        pass
