"""The words of the wire contract that the daemon and its clients share.

States, and how a task's id follows from its URL; what may be done to a task is in acts.py.
"""

try:
    from _sha1 import sha1          # hashlib's own, without OpenSSL, which takes 4 MiB
except ImportError:
    from hashlib import sha1

STATES = ("downloading", "paused", "finished", "invalid", "queued")
# Cut off around a URL; not so the two separators of lines, which nobody types.
BLANKS = " \t\r\n\f\v\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006" \
    "\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
SETTLED = ("finished", "invalid", "paused")     # nothing more happens by itself


def tid_of(url):
    """Return the task's id: the SHA-1 of the URL without the blanks around it, in lower-case hex."""
    return sha1(url.strip(BLANKS).encode("utf-8", "surrogatepass")).hexdigest()
