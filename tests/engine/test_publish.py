"""Names, the part file's creation, and its final name, over crashes too."""

import os

import pytest

from dlserv.engine.folder import Folder
from dlserv.errors import Permanent, Stopped, Unavailable
from harness import noise
from servers.origin import OLD, Gate, raw, refuse

DATA = noise(300000)


@pytest.mark.parametrize("path, disposition, name", [
    ("/film.iso", None, "film.iso"), ("/film.iso?x=1", 'attachment; filename="other.iso"', "film.iso"),
    ("/", 'attachment; filename="other.iso"', "other.iso"), ("/", None, "m"), ("/..", None, "m")])
def test_a_file_from_a_mirror_has_the_tasks_name(origin, other, attempt, folder, path, disposition, name):
    origin.put(path, script=[refuse("503 Service Unavailable")])
    other.put("/m", DATA, headers={"Content-Disposition": disposition} if disposition else {})
    done = attempt(origin.url(path), mirrors=[other.url("/m")]).run()
    assert done.finished.name == name and (folder / name).read_bytes() == DATA


def listing(folder):
    return sorted(os.listdir(folder))


@pytest.mark.parametrize("path, name", [
    ("/%E4%20b.iso", "%E4 b.iso"), ("/%C3%A4.iso", "ä.iso"), ("/a%ff%00%2Fb", "a%ff__b"),
    ("/%e2%82.zip", "%e2%82.zip")])
def test_escapes_that_are_no_text_stay_in_the_name(origin, attempt, folder, path, name):
    origin.put(path, DATA)
    assert attempt(origin.url(path)).run().finished.name == name
    assert listing(folder) == [name]


def test_a_name_that_is_taken_gets_a_number(origin, attempt, folder):
    origin.put("/x.tar.gz", DATA)
    (folder / "x.tar.gz").write_text("mine")
    (folder / "x (1).tar.gz").symlink_to("/etc/passwd")
    (folder / "x (2).tar.gz.part").write_text("mine too")
    assert attempt(origin.url("/x.tar.gz")).run().finished.name == "x (3).tar.gz"
    assert (folder / "x.tar.gz").read_text() == "mine"
    assert (folder / "x (2).tar.gz.part").read_text() == "mine too"


def test_hundreds_of_taken_names_are_passed_over(origin, attempt, folder):
    for number in range(300):
        (folder / ("a (%d).iso" % number if number else "a.iso")).write_bytes(b"")
    (folder / "a (17).iso").unlink()
    origin.put("/a.iso", DATA)
    assert attempt(origin.url("/a.iso")).run().finished.name == "a (17).iso"
    assert attempt(origin.url("/a.iso")).run().finished.name == "a (300).iso"


def test_a_name_that_is_taken_meanwhile_is_not_overwritten(origin, attempt, folder):
    gate = Gate(after=1000)
    origin.put("/x.iso", DATA, script=[gate])
    slow = attempt(origin.url("/x.iso"))
    thread = slow.begin()
    gate.reached.wait()
    (folder / "x.iso").write_text("mine")
    gate.open()
    thread.join()
    assert slow.finished.name == "x (1).iso"
    assert (folder / "x.iso").read_text() == "mine"


def test_a_number_that_is_taken_meanwhile_is_skipped(origin, attempt, folder):
    origin.put("/x.tar.gz", b"small")
    (folder / "x.tar.gz").touch()
    second = attempt(origin.url("/x.tar.gz"))
    second.publishing = lambda progress: (folder / "x (1).tar.gz").touch    # another task's, as small
    assert second.run().finished.name == "x (2).tar.gz"


def test_overwrite_never_gives_up_instead(origin, attempt, folder):
    origin.put("/x.iso", DATA)
    (folder / "x.iso").write_text("mine")
    sentence = attempt(origin.url("/x.iso"), settings={"overwrite": "never"}).fails(Permanent)
    assert sentence == "a file named x.iso is there already"
    assert listing(folder) == ["x.iso"]


def test_the_server_names_the_file_unless_the_task_does(origin, attempt, folder):
    origin.put("/get?id=1", DATA, headers={"Content-Disposition": "attachment; filename*=UTF-8''%C3%A4.bin"})
    assert attempt(origin.url("/get?id=1")).run().finished.name == "ä.bin"
    assert attempt(origin.url("/get?id=1"), filename="mine.bin").run().finished.name == "mine.bin"


def test_a_page_without_a_name_is_called_after_its_host(origin, attempt, folder):
    origin.put("/", b"<html>", headers={"Content-Type": "text/html; charset=utf-8"})
    origin.put("/?json", b"{}", headers={"Content-Type": "application/json"})
    assert attempt(origin.url("/")).run().finished.name == "127.0.0.1.html"
    assert attempt(origin.url("/?json")).run().finished.name == "127.0.0.1.json"


def about_to_publish(origin, attempt, data=DATA):
    """The record that was stored just before the file was renamed, and the file."""
    origin.put("/a.iso", data)
    first = attempt(origin.url("/a.iso")).run()
    origin.requests.clear()
    progress = first.plans[-1][0]
    assert progress.publishing is not None
    return progress


def test_a_crash_after_the_rename_is_recognised(origin, attempt, folder):
    progress = about_to_publish(origin, attempt)
    again = attempt(origin.url("/a.iso"), kept=progress).run()
    assert again.finished.name == "a.iso" and origin.requests == []


def test_a_crash_between_link_and_unlink_is_mended(origin, attempt, folder):
    progress = about_to_publish(origin, attempt)
    os.link(folder / "a.iso", folder / "a.iso.part")
    again = attempt(origin.url("/a.iso"), kept=progress).run()
    assert again.finished.name == "a.iso" and listing(folder) == ["a.iso"]


def test_a_crash_before_the_rename_is_made_up_for(origin, attempt, folder):
    progress = about_to_publish(origin, attempt)
    os.rename(folder / "a.iso", folder / "a.iso.part")
    attempt(origin.url("/a.iso"), kept=progress).run()
    assert listing(folder) == ["a.iso"] and origin.requests == []


@pytest.mark.parametrize("data", [DATA, b""])
@pytest.mark.parametrize("has_name", [True, False])
def test_after_a_crash_a_strangers_part_file_is_not_ours(origin, attempt, folder, data, has_name):
    progress = about_to_publish(origin, attempt, data)
    (folder / "a.iso.part").write_text("theirs")
    if not has_name:
        (folder / "a.iso").unlink()
    again = attempt(origin.url("/a.iso"), kept=progress).run()
    assert (folder / again.finished.name).read_bytes() == data
    assert (folder / "a.iso.part").read_text() == "theirs" and len(listing(folder)) == 2
    assert origin.requests == [] if has_name else origin.requests


def test_a_crash_on_a_disk_without_links_leaves_no_empty_file(origin, attempt, folder, without_links):
    progress = about_to_publish(origin, attempt)
    os.rename(folder / "a.iso", folder / "a.iso.part")
    (folder / "a.iso").touch()
    attempt(origin.url("/a.iso"), kept=progress).run()
    assert listing(folder) == ["a.iso"] and (folder / "a.iso").read_bytes() == DATA


def test_a_small_file_gets_its_name_where_nothing_can_be_linked(origin, attempt, folder, without_links):
    """As on Android, which has unnamed files, but lets nobody name them."""
    at_once = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nLast-Modified: %s\r\n\r\nsmall" % OLD.encode()
    origin.put("/a.txt", script=[raw(at_once)])
    (folder / "a.txt").touch()
    (folder / "a (1).txt.part").touch()
    small = attempt(origin.url("/a.txt")).run()
    assert small.finished.name == "a (2).txt" and (folder / "a (2).txt").read_bytes() == b"small"
    assert small.finished.identity.matches(os.stat(folder / "a (2).txt"))
    assert os.stat(folder / "a (2).txt").st_mtime == 1704067200
    assert listing(folder) == ["a (1).txt.part", "a (2).txt", "a.txt"]
    plan = small.plans[-1][0]
    assert plan.part == "a (2).txt.part" and plan.node == plan.publishing[:2] == small.finished.identity[:2]


def test_a_small_file_that_can_have_no_name_at_all_is_told(origin, attempt, folder, without_links, monkeypatch):
    origin.put("/a.txt", script=[raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsmall")])

    def refuse(self, name):
        raise Unavailable("%s: the file system is read-only" % name)
    monkeypatch.setattr(Folder, "create", refuse)
    assert "read-only" in attempt(origin.url("/a.txt")).fails(Unavailable)


def test_where_links_work_an_empty_file_is_not_ours(origin, attempt, folder):
    progress = about_to_publish(origin, attempt)
    os.rename(folder / "a.iso", folder / "a.iso.part")
    (folder / "a.iso").touch()
    attempt(origin.url("/a.iso"), kept=progress).run()
    assert listing(folder) == ["a (1).iso", "a.iso"] and (folder / "a.iso").stat().st_size == 0


def test_a_stop_while_a_slow_disk_notes_the_name_leaves_no_file(origin, attempt, folder):
    origin.put("/a.iso", DATA)
    late = attempt(origin.url("/a.iso"))
    late.publishing = lambda progress: late.download.stop
    late.fails(Stopped)
    assert "a.iso" not in listing(folder)
