"""A source's bytes are compared before it delivers ranges beside the first."""

import base64
import hashlib

import pytest

from harness import noise
from servers.origin import Origin, paced

MIB = 2 ** 20
DATA = noise(8 * MIB)


def whole(folder, name="a"):
    return (folder / name).read_bytes() == DATA


def test_mirrors_are_used_beside_the_url(origin, other, attempt, folder):
    origin.put("/a", DATA, script=[paced(2 * MIB)] * 9)
    other.put("/m", DATA, etag='"mirror"', modified=None, script=[paced(2 * MIB)] * 9)
    attempt(origin.url("/a"), mirrors=[other.url("/m")], connections=4).run()
    assert whole(folder) and origin.sent > MIB and other.sent > MIB


@pytest.mark.parametrize("mirror, reason", [
    (noise(8 * MIB, seed=2), "bytes differ"), (DATA + b"x", "another size")])
def test_a_mirror_of_another_file_is_left_out(origin, other, attempt, folder, mirror, reason):
    origin.put("/a", DATA, script=[paced(8 * MIB)] * 9)
    other.put("/m", mirror)
    done = attempt(origin.url("/a"), mirrors=[other.url("/m")], connections=4).run()
    assert whole(folder) and reason in "".join(done.notes)
    assert other.url("/m").split("/")[2] in "".join(done.notes)


def based(name, data=DATA):
    return base64.b64encode(hashlib.new(name.replace("-", ""), data).digest()).decode()


def test_a_mirror_that_tells_another_digest_is_left_out(origin, attempt, folder):
    data = noise(8 * 2 ** 20)
    with Origin() as other:
        origin.put("/a", data, headers={"Digest": "sha-256=" + based("sha-256", data)},
                   script=[paced(2 ** 22)] * 30)
        other.put("/a", data, headers={"Digest": "sha-256=" + based("sha-256", b"other")})
        done = attempt(origin.url("/a"), mirrors=[other.url("/a")], connections=4).run()
        assert "another checksum" in "".join(done.notes) and len(other.asked("/a")) == 1
    assert (folder / "a").read_bytes() == data


def test_the_content_md5_of_a_mirror_leaves_no_one_out(origin, attempt, folder):
    data = noise(8 * 2 ** 20)
    with Origin() as other:
        origin.put("/a", data, headers={"Content-MD5": based("md5", data)}, script=[paced(2 ** 21)] * 30)
        other.put("/a", data, headers={"Content-MD5": based("md5", b"other")}, script=[paced(2 ** 21)] * 30)
        done = attempt(origin.url("/a"), mirrors=[other.url("/a")], connections=4).run()
        assert done.notes == [] and len(other.asked("/a")) > 1
    assert (folder / "a").read_bytes() == data
