"""The digest algorithms that dlserv computes and compares."""

# Name: bytes of the digest; weakest first.
DIGEST_BYTES = {"md5": 16, "sha-1": 20, "sha-256": 32, "sha-512": 64}
