"""The states, acts and task ids that the daemon and its clients agree on.

An act of ACTS needs an event in tasks/states.py, a method of Task, a row in tasks/operations.py, two
names in Daemon, a row /task/batch/<act> in api/routes.ROUTES, and for the command a row in
commands/catalogue.py and in commands/actions.TOLD.
"""

try:
    from _sha1 import sha1          # hashlib's own, without OpenSSL, which takes 4 MiB
except ImportError:
    from hashlib import sha1

STATES = DOWNLOADING, PAUSED, FINISHED, INVALID, QUEUED = "downloading", "paused", "finished", "invalid", "queued"
ENDED = FINISHED, INVALID
SETTLED = ENDED + (PAUSED,)         # the task does not go on by itself
ACTS = ("pause", "resume", "restart", "refresh", "verify")  # for one task, or many with /task/batch/<act>
MOVE = "move"                               # for one waiting task, to one of the PLACES or an index
PLACES = ("top", "bottom", "up", "down")    # of the queue, within a priority
# Stripped around a URL; U+2028 and U+2029, which are never typed, are not.
BLANKS = " \t\r\n\f\v\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006" \
    "\u2007\u2008\u2009\u200a\u202f\u205f\u3000"


def tid_of(url):
    """Return the id of the URL's task: the SHA-1 of the URL without surrounding blanks."""
    return sha1(url.strip(BLANKS).encode("utf-8", "surrogatepass")).hexdigest()
