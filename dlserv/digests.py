"""The digest algorithms that a user, a server or a Metalink may name, and their spellings."""

import re

# Name: bytes of the digest; weakest first.
DIGEST_BYTES = {"md5": 16, "sha-1": 20, "sha-256": 32, "sha-512": 64}


def digest_name(text):
    """Return an algorithm's name as DIGEST_BYTES spells it: "SHA256" and "sha-256" are one."""
    return re.sub(r"^sha-?(?=\d)", "sha-", text.strip().lower())


def hashlib_name(name):
    """Return what hashlib calls an algorithm of DIGEST_BYTES."""
    return name.replace("-", "")
