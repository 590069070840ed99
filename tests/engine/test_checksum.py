"""Digests, promised by the task or told by the server, and pages that are not the file."""

import base64
import hashlib
import os
import threading

import pytest

from dlserv.engine import checksum
from dlserv.engine.checksum import WORTH_A_THREAD
from dlserv.errors import Permanent
from dlserv.net.digest_fields import content_md5, from_headers
from harness import noise, until
from servers.origin import Gate, Origin, chunked, drop, paced

DATA = noise(300000)
OTHER = noise(300000, seed=2)


def hexed(name, data=DATA):
    return "%s=%s" % (name, hashlib.new(name.replace("-", ""), data).hexdigest())


def based(name, data=DATA):
    return base64.b64encode(hashlib.new(name.replace("-", ""), data).digest()).decode()


# -- what the task promises --------------------------------------------------------------

@pytest.mark.parametrize("name", ["md5", "sha-1", "sha-256", "sha-512"])
def test_the_right_file_is_taken_and_its_sha_256_told(origin, attempt, folder, name):
    origin.put("/a", DATA)
    done = attempt(origin.url("/a"), checksum=hexed(name), settings={"hash": True}).run()
    assert (folder / "a").read_bytes() == DATA
    assert done.finished.checksum == hexed("sha-256")


@pytest.mark.parametrize("name", ["md5", "sha-256"])
def test_the_wrong_file_is_fetched_once_more_and_then_refused(origin, attempt, folder, name):
    origin.put("/a", OTHER)
    sentence = attempt(origin.url("/a"), checksum=hexed(name)).fails(Permanent)
    assert hexed(name) in sentence and hexed(name, OTHER) in sentence
    assert len(origin.asked("/a")) == 2
    assert not (folder / "a").exists()


@pytest.mark.parametrize("name", ["md5", "sha-256"])
def test_a_checksum_that_is_given_meanwhile_counts(origin, attempt, folder, name):
    gate = Gate(after=1000)
    origin.put("/a", OTHER, script=[gate])
    late, sentences = attempt(origin.url("/a")), []
    thread = threading.Thread(target=lambda: sentences.append(late.fails(Permanent)))
    thread.start()
    gate.reached.wait()
    late.download.adjust(late.download._options._replace(checksum=hexed(name)))
    gate.open()
    thread.join()
    assert hexed(name) in sentences[0] and not (folder / "a").exists()


def test_a_checksum_that_is_given_while_another_is_computed_counts(origin, attempt, folder, monkeypatch):
    finish = checksum.Verifier.finish

    def finish_late(self, *arguments):
        monkeypatch.undo()
        found = finish(self, *arguments)
        late.download.adjust(late.download._options._replace(checksum=hexed("md5")))
        return found
    monkeypatch.setattr(checksum.Verifier, "finish", finish_late)
    origin.put("/a", OTHER)
    late = attempt(origin.url("/a"))
    assert hexed("md5") in late.fails(Permanent)


def test_the_second_time_may_be_right(origin, attempt, folder):
    origin.put("/a", DATA, script=[chunked([OTHER])])
    done = attempt(origin.url("/a"), checksum=hexed("sha-256")).run()
    assert (folder / "a").read_bytes() == DATA
    assert "checksum does not match" in "".join(done.notes)


def test_another_mirror_is_asked_first(origin, attempt, folder):
    with Origin() as other:
        origin.put("/a", OTHER)
        other.put("/a", DATA)
        attempt(origin.url("/a"), checksum=hexed("sha-1"), mirrors=[other.url("/a")]).run()
        assert (folder / "a").read_bytes() == DATA
        assert len(origin.asked("/a")) == len(other.asked("/a")) == 1


def test_a_mirror_that_is_rotten_in_the_middle_spoils_one_try(origin, attempt, folder):
    """Whose bytes were wrong cannot be told; so the second time, all are from one."""
    data = noise(8 * 2 ** 20)
    rotten = bytearray(data)
    rotten[2 ** 20 + 1:-2 ** 15:2 ** 19] = bytes(len(rotten[2 ** 20 + 1:-2 ** 15:2 ** 19]))
    with Origin() as other:
        origin.put("/a", data, script=[paced(2 ** 22)] * 30)
        other.put("/a", bytes(rotten), script=[paced(2 ** 22)] * 30)
        done = attempt(origin.url("/a"), checksum=hexed("sha-256", data), mirrors=[other.url("/a")],
                       connections=4).run()
        assert other.sent > 2 ** 20 and "checksum does not match" in "".join(done.notes)
    assert (folder / "a").read_bytes() == data


def test_a_mirror_that_tells_another_digest_is_left_out(origin, attempt, folder):
    data = noise(8 * 2 ** 20)
    with Origin() as other:
        origin.put("/a", data, headers={"Digest": "sha-256=" + based("sha-256", data)},
                   script=[paced(2 ** 22)] * 30)
        other.put("/a", data, headers={"Digest": "sha-256=" + based("sha-256")})
        done = attempt(origin.url("/a"), mirrors=[other.url("/a")], connections=4).run()
        assert "another checksum" in "".join(done.notes) and len(other.asked("/a")) == 1
    assert (folder / "a").read_bytes() == data


def test_a_resumed_file_is_verified_as_a_whole(origin, attempt, folder):
    origin.put("/a", DATA, script=[drop(after=100000)])
    first = attempt(origin.url("/a"), checksum=hexed("sha-512"))
    with pytest.raises(Exception, match="closed"):
        first.run()
    path = next(folder.iterdir())
    with open(str(path), "r+b") as file:
        file.write(b"rot")      # the disk has gone bad where nothing is compared
    done = attempt(origin.url("/a"), checksum=hexed("sha-512"), kept=first.progress).run()
    assert (folder / "a").read_bytes() == DATA and "checksum" in "".join(done.notes)


def test_without_hashing_there_is_no_checksum(origin, attempt):
    origin.put("/a", DATA)
    assert attempt(origin.url("/a")).run().finished.checksum is None


@pytest.mark.parametrize("name", ["md5", "sha-1", "sha-256", "sha-512"])
def test_only_the_promised_algorithm_is_computed(origin, attempt, monkeypatch, name):
    computed, new = [], hashlib.new
    monkeypatch.setattr(hashlib, "new", lambda name, *data: computed.append(name) or new(name, *data))
    origin.put("/b", DATA)
    assert attempt(origin.url("/b"), checksum=hexed(name)).run().finished.checksum == hexed(name)
    assert set(computed) == {name.replace("-", "")}


def test_a_large_file_is_hashed_while_it_comes(origin, attempt, folder):
    data = noise(WORTH_A_THREAD + 12345)
    origin.put("/a", data, script=[paced(40 * 2 ** 20, piece=2 ** 18)])
    running = attempt(origin.url("/a"), settings={"hash": True})
    thread = threading.Thread(target=running.run)
    thread.start()
    until(lambda: any(each.name.endswith("-hash") for each in threading.enumerate()))
    thread.join()
    assert running.finished.checksum == hexed("sha-256", data)
    assert not any(each.name.endswith("-hash") for each in threading.enumerate())


def test_an_algorithm_that_is_missing_here_is_told(origin, attempt, monkeypatch):
    def new(name):
        raise ValueError("unsupported hash type " + name)
    monkeypatch.setattr(hashlib, "new", new)     # as a Python in FIPS mode says of md5
    origin.put("/a", DATA)
    assert "cannot compute" in attempt(origin.url("/a"), checksum="md5=" + 32 * "0").fails(Permanent)


# -- what the server tells -----------------------------------------------------------------

@pytest.mark.parametrize("name, value", [
    ("Repr-Digest", "sha-256=:%s:" % based("sha-256")), ("Content-Digest", "sha-512=:%s:" % based("sha-512")),
    ("Digest", "SHA-256=" + based("sha-256"))])
def test_a_digest_the_server_tells_is_checked_unasked(origin, attempt, folder, name, value):
    origin.put("/a", DATA, headers={name: value})
    attempt(origin.url("/a")).run()
    assert (folder / "a").read_bytes() == DATA
    origin.put("/b", OTHER, headers={name: value})
    assert "checksum" in attempt(origin.url("/b")).fails(Permanent)
    assert not (folder / "b").exists()


def test_a_wrong_content_md5_is_only_a_warning(origin, attempt, folder):
    for name, told, notes in (("a", based("md5"), 0), ("b", based("md5", OTHER), 1), ("c", "nonsense", 0)):
        origin.put("/" + name, DATA, headers={"Content-MD5": told})
        done = attempt(origin.url("/" + name), settings={"hash": True}).run()
        assert (folder / name).read_bytes() == DATA and done.finished.checksum == hexed("sha-256")
        assert len(done.notes) == notes and all("Content-MD5" in note for note in done.notes)


def test_a_content_md5_stays_known_over_a_resume(origin, attempt, folder):
    origin.put("/a", DATA, headers={"Content-MD5": based("md5", OTHER)}, script=[drop(after=100000)])
    first = attempt(origin.url("/a"))
    with pytest.raises(Exception, match="closed"):
        first.run()
    done = attempt(origin.url("/a"), kept=first.progress).run()
    assert (folder / "a").read_bytes() == DATA and "Content-MD5" in "".join(done.notes)


def test_a_digest_beside_a_content_md5_stays_hard(origin, attempt):
    headers = {"Content-MD5": based("md5"), "Digest": "SHA-256=" + based("sha-256", OTHER)}
    origin.put("/a", DATA, headers=headers)
    assert "checksum" in attempt(origin.url("/a")).fails(Permanent)
    origin.put("/b", DATA, headers={"Content-MD5": based("md5"), "Digest": "MD5=" + based("md5", OTHER)})
    assert "checksum" in attempt(origin.url("/b")).fails(Permanent)


def test_the_content_md5_of_a_mirror_leaves_no_one_out(origin, attempt, folder):
    data = noise(8 * 2 ** 20)
    with Origin() as other:
        origin.put("/a", data, headers={"Content-MD5": based("md5", data)}, script=[paced(2 ** 21)] * 30)
        other.put("/a", data, headers={"Content-MD5": based("md5")}, script=[paced(2 ** 21)] * 30)
        done = attempt(origin.url("/a"), mirrors=[other.url("/a")], connections=4).run()
        assert done.notes == [] and len(other.asked("/a")) > 1
    assert (folder / "a").read_bytes() == data


def test_a_content_md5_is_no_matter_where_md5_is_missing(origin, attempt, monkeypatch):
    told, real = based("md5", OTHER), hashlib.new

    def new(name):
        if name == "md5":       # as a Python in FIPS mode says
            raise ValueError("unsupported hash type " + name)
        return real(name)
    monkeypatch.setattr(hashlib, "new", new)
    origin.put("/a", DATA, headers={"Content-MD5": told})
    assert attempt(origin.url("/a")).run().notes == []


@pytest.mark.parametrize("value", ["sha-256=:AAAA:", "crc32=AAAA", "sha-256", "sha-256=" + "A" * 44, "=,;", ""])
def test_a_digest_that_says_nothing_is_no_digest(value):
    assert from_headers({"Repr-Digest": value}, whole=True) is None
    assert content_md5({"Content-MD5": value}) is None


def test_the_strongest_digest_counts():
    headers = {"Digest": "md5=%s,SHA=%s" % (based("md5"), based("sha-1"))}
    assert from_headers(headers, whole=False) == hexed("sha-1")


def test_the_digest_of_a_part_is_not_that_of_the_file():
    headers = {"Content-Digest": "sha-256=:%s:" % based("sha-256"), "Content-MD5": based("md5")}
    assert from_headers(headers, whole=False) is None


# -- that is not the file ------------------------------------------------------------------

PAGE = {"Content-Type": "text/html; charset=utf-8"}


@pytest.mark.parametrize("name", ["a.iso", "a.zip", "a.tar.gz", "a.mp4", "a.PDF"])
def test_a_login_page_is_not_the_file(origin, attempt, folder, name):
    origin.put("/" + name, b"<html>log in", headers=PAGE)
    assert "web page" in attempt(origin.url("/" + name)).fails(Permanent)
    assert not os.listdir(str(folder))


@pytest.mark.parametrize("name", ["index.html", "page", "a.htm"])
def test_a_page_that_was_asked_for_is(origin, attempt, folder, name):
    origin.put("/" + name, b"<html>", headers=PAGE)
    assert attempt(origin.url("/" + name)).run().finished.resource.media_type == "text/html"


def test_a_page_that_is_meant_to_be_saved_is(origin, attempt):
    headers = dict(PAGE, **{"Content-Disposition": "attachment; filename=a.iso"})
    origin.put("/a.iso", b"<html>", headers=headers)
    attempt(origin.url("/a.iso")).run()


def test_a_page_on_resume_is_not_the_rest(origin, attempt, folder):
    origin.put("/a", DATA, headers={"Content-Type": "application/x-thing"}, script=[drop(after=100000)])
    first = attempt(origin.url("/a"))
    with pytest.raises(Exception, match="closed"):
        first.run()
    origin.put("/a", b"<html>your session has ended", etag='"login"', headers=PAGE)
    second = attempt(origin.url("/a"), kept=first.progress)
    assert "web page" in second.fails(Permanent)
    assert second.progress.done, "what was here is kept for a fresh link"


def test_a_page_is_not_the_rest_of_a_file_without_a_type(origin, attempt, folder):
    origin.put("/a.mkv", DATA, script=[drop(after=100000)])
    first = attempt(origin.url("/a.mkv"))
    with pytest.raises(Exception, match="closed"):
        first.run()
    origin.put("/a.mkv", b"<html>", etag='"login"', headers=PAGE)
    assert "web page" in attempt(origin.url("/a.mkv"), kept=first.progress).fails(Permanent)
