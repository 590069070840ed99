"""The digests in a response's head."""

import base64
import hashlib

import pytest

from dlserv.net.digest_fields import content_md5, from_headers
from harness import noise

DATA = noise(300000)


def hexed(name, data=DATA):
    return "%s=%s" % (name, hashlib.new(name.replace("-", ""), data).hexdigest())


def based(name, data=DATA):
    return base64.b64encode(hashlib.new(name.replace("-", ""), data).digest()).decode()


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
