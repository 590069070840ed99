"""The checksums that a file must match, and hashing it while it comes."""

import base64
import hashlib
import threading

import pytest

from dlserv.engine import checksum
from dlserv.engine.checksum import WORTH_A_THREAD
from dlserv.errors import Permanent
from harness import noise, until
from servers.origin import Gate, chunked, drop, paced

MIB = 2 ** 20
DATA = noise(300000)
OTHER = noise(300000, seed=2)


def hexed(name, data=DATA):
    return "%s=%s" % (name, hashlib.new(name.replace("-", ""), data).hexdigest())


def based(name, data=DATA):
    return base64.b64encode(hashlib.new(name.replace("-", ""), data).digest()).decode()


@pytest.mark.parametrize("name", ["md5", "sha-1", "sha-256", "sha-512"])
def test_the_right_file_is_taken_and_its_sha_256_told(origin, attempt, folder, name):
    origin.put("/a", DATA)
    done = attempt(origin.url("/a"), checksum=hexed(name), settings={"hash": True}).run()
    assert (folder / "a").read_bytes() == DATA
    assert done.finished.checksum == hexed("sha-256")


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


def test_a_large_file_is_hashed_while_it_comes(origin, attempt, folder):
    data = noise(WORTH_A_THREAD + 12345)
    origin.put("/a", data, script=[paced(40 * 2 ** 20, piece=2 ** 18)])
    running = attempt(origin.url("/a"), settings={"hash": True})
    thread = running.begin()
    until(lambda: any(each.name.endswith("-hash") for each in threading.enumerate()))
    thread.join()
    assert running.finished.checksum == hexed("sha-256", data)
    assert not any(each.name.endswith("-hash") for each in threading.enumerate())


def test_a_file_that_changes_meanwhile_is_hashed_from_its_start(origin, attempt, folder, monkeypatch):
    monkeypatch.setattr(checksum.Verifier, "PAUSE", 0.01)
    monkeypatch.setattr(checksum, "WORTH_A_THREAD", 1000)
    old, new = noise(4 * MIB), noise(4 * MIB, seed=2)
    origin.put("/a", old, script=[drop(after=2 * MIB)])
    first = attempt(origin.url("/a"))
    with pytest.raises(Exception, match="closed"):
        first.run()

    def a_little(exchange):
        start, _ = exchange.wanted()
        exchange.head("206 Partial Content", {"Content-Length": MIB, "ETag": '"v1"', "Content-Range":
                                              "bytes %d-%d/%d" % (start, start + MIB - 1, len(old))})
        exchange.send(old[start:start + MIB])

    def another(exchange):
        exchange.origin.closing.wait(0.3)       # the bytes on disk are hashed meanwhile
        file.data, file.etag = new, '"v2"'
        exchange.answer()

    file = origin.put("/a", old, script=[a_little, another])
    done = attempt(origin.url("/a"), kept=first.progress, settings={"hash": True}).run()
    assert (folder / "a").read_bytes() == new and done.finished.checksum == hexed("sha-256", new)


def test_an_algorithm_that_is_missing_here_is_told(origin, attempt, monkeypatch):
    def new(name):
        raise ValueError("unsupported hash type " + name)
    monkeypatch.setattr(hashlib, "new", new)     # as a Python in FIPS mode says of md5
    origin.put("/a", DATA)
    assert "cannot compute" in attempt(origin.url("/a"), checksum="md5=" + 32 * "0").fails(Permanent)


# -- promises -----------------------------------------------------------------------------------------

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
    late.download.adjust(late.options._replace(checksum=hexed(name)))
    gate.open()
    thread.join()
    assert hexed(name) in sentences[0] and not (folder / "a").exists()


def test_a_checksum_given_while_another_is_computed_counts(origin, attempt, folder, monkeypatch):
    finish = checksum.Verifier.finish

    def finish_late(self, *arguments):
        monkeypatch.undo()
        found = finish(self, *arguments)
        late.download.adjust(late.options._replace(checksum=hexed("md5")))
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


def test_a_content_md5_is_no_matter_where_md5_is_missing(origin, attempt, monkeypatch):
    told, real = based("md5", OTHER), hashlib.new

    def new(name):
        if name == "md5":       # as a Python in FIPS mode says
            raise ValueError("unsupported hash type " + name)
        return real(name)
    monkeypatch.setattr(hashlib, "new", new)
    origin.put("/a", DATA, headers={"Content-MD5": told})
    assert attempt(origin.url("/a")).run().notes == []
