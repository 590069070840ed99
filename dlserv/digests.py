"""The digests that dlserv computes and compares: one table of names and lengths."""

# Bytes of each digest, weakest first.
DIGEST_BYTES = {"md5": 16, "sha-1": 20, "sha-256": 32, "sha-512": 64}
