"""Which values are secret, and how they are shown."""

import json

import pytest

from dlserv.masking import MASK, hide, is_secret, is_sensitive, mask_headers, shown


@pytest.mark.parametrize("name", ["token", "access_token", "X-Amz-Signature", "api_key", "apiKey", "key", "sig",
                                  "password", "passphrase", "pwd", "auth", "client_secret", "sid", "jwt", "pass"])
def test_names_of_secrets_are_known(name):
    assert is_secret(name) and is_secret(name.upper())


@pytest.mark.parametrize("name", ["id", "monkey", "design", "page", "keyboard", "side", "compass", "q", ""])
def test_other_names_are_none(name):
    assert not is_secret(name)


def test_headers_with_credentials_are_masked():
    headers = {"Authorization": "Basic x", "cookie": "a=1", "X-Api-Key": "k", "Accept": "*/*"}
    assert mask_headers(headers) == {"Authorization": MASK, "cookie": MASK, "X-Api-Key": MASK, "Accept": "*/*"}
    assert not is_sensitive("Accept") and is_sensitive("SESSION-ID")


def test_nothing_is_shown_as_nothing():
    assert (hide("x"), hide(""), hide(None)) == (MASK, "", None)


def test_a_value_is_shown_short_in_ascii_and_as_json():
    assert shown("\u00e4\n") == '"\\u00e4\\n"' and json.loads(shown([1, None])) == [1, None]
    assert len(shown("x" * 500)) == 80 and shown("x" * 500, 10) == '"xxxxxxxx\u2026'
    assert "object" in shown(object())
