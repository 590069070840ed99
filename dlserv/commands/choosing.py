"""Which tasks the words on the command line mean."""

import re

from ..client import STATES, tid_of
from ..errors import InvalidValue, Refused

LEAST_DIGITS = 4


def choose(client, words, all_of=STATES):
    """The tids of what the words name, each once: tids, prefixes of some, URLs, states, "all".

    "all" is every task in one of the states `all_of`. Raises InvalidValue for a word that
    is none of these, Refused where no task or more than one begins with a prefix.
    """
    known = {}      # the rows of the daemon's list, once they are needed

    def rows():
        if not known:
            known.update((row["tid"], row) for row in client.get("/task/list")["detail"])
        return known

    return list(dict.fromkeys(tid for word in words for tid in _tids(word, rows, all_of)))


def _tids(word, rows, all_of):
    if word == "all" or word in STATES:
        states = all_of if word == "all" else (word,)
        return [tid for tid, row in rows().items() if row["state"] in states]
    if "://" in word:
        return [tid_of(word)]
    prefix = word.lower()
    if re.fullmatch("[0-9a-f]{40}", prefix):
        return [prefix]
    if re.fullmatch("[0-9a-f]{%d,}" % LEAST_DIGITS, prefix) is None:
        raise InvalidValue("task", "%r is not a tid or its first %d or more digits, a URL, a state or \"all\""
                           % (word, LEAST_DIGITS))
    return [_only(prefix, [tid for tid in rows() if tid.startswith(prefix)])]


def _only(prefix, found):
    if not found:
        raise Refused("there is no task %s" % prefix, 404)
    if len(found) > 1:
        raise Refused("%d tasks begin with %s; give more digits of %s"
                      % (len(found), prefix, " or ".join(tid[:12] for tid in found[:3])), 409)
    return found[0]
