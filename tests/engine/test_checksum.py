"""Checksums, and hashing a file while it comes."""

import hashlib
import threading

import pytest

from dlserv.engine.checksum import WORTH_A_THREAD
from dlserv.errors import Permanent
from harness import noise, until
from servers.origin import drop, paced

DATA = noise(300000)


def hexed(name, data=DATA):
    return "%s=%s" % (name, hashlib.new(name.replace("-", ""), data).hexdigest())


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
