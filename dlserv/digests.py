"""The digest algorithms that a user, a server or a Metalink may name, and their spellings."""

import re
import sys

from .errors import Exhausted

# Name: bytes of the digest; weakest first.
DIGEST_BYTES = {"md5": 16, "sha-1": 20, "sha-256": 32, "sha-512": 64}


def digest_name(text):
    """Return "sha-256", as DIGEST_BYTES spells it, for "SHA256" or the like."""
    return re.sub(r"^sha-?(?=\d)", "sha-", text.strip().lower())


def hashlib_name(name):
    return name.replace("-", "")


def load_hashlib():
    """Return hashlib, which takes 4 MiB with OpenSSL. Raise Exhausted.

    It leaves out for good what it has no memory for, so it is loaded again then.
    """
    import hashlib
    if all(hasattr(hashlib, hashlib_name(name)) for name in DIGEST_BYTES):
        return hashlib
    sys.modules.pop("hashlib", None)
    raise Exhausted("memory")
