"""The words of the wire contract that the daemon and its clients share.

States, and how a task's id follows from its URL; what may be done to a task is in acts.py.
"""

import hashlib

STATES = ("downloading", "paused", "finished", "invalid", "queued")
SETTLED = ("finished", "invalid", "paused")     # nothing more happens by itself


def tid_of(url):
    """Return the task's id: the SHA-1 of the URL without the blanks around it, in lower-case hex."""
    return hashlib.sha1(url.strip().encode("utf-8", "surrogatepass")).hexdigest()
