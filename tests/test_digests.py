"""The digest algorithms: their spellings, and hashlib when it is needed."""

import pytest

from dlserv.digests import DIGEST_BYTES, digest_name, hashlib_name, load_hashlib


@pytest.mark.parametrize("text, name", [
    ("SHA256", "sha-256"), ("sha-256", "sha-256"), (" Sha-1 ", "sha-1"), ("sha1", "sha-1"), ("MD5", "md5"),
    ("sha512/256", "sha-512/256"), ("", "")])
def test_an_algorithm_has_one_spelling(text, name):
    assert digest_name(text) == name


@pytest.mark.parametrize("name", DIGEST_BYTES)
def test_hashlib_has_every_algorithm_with_its_size(name):
    assert getattr(load_hashlib(), hashlib_name(name))(b"").digest_size == DIGEST_BYTES[name]


def test_the_weakest_algorithm_comes_first():
    assert list(DIGEST_BYTES.values()) == sorted(DIGEST_BYTES.values())
