"""Rules: options that tasks get by the host and the name in their URL. The first that fits counts.

They are looked up for the URL that a task has now, and not stored with it, so that a password is
sent to no other host, and is in the configuration file alone.
"""

from .. import urls
from ..host_patterns import names_host


def find(rules, url):
    """Return (a name of the rule for the log, its options), or (None, {}). The URL may be None."""
    for number, rule in enumerate(rules if url is not None else (), 1):
        if _fits(rule, url):
            what = " and ".join("%s %s" % (key, rule[key]) for key in ("host", "name") if rule[key])
            return "rule %d (%s)" % (number, what or "for all"), rule["options"]
    return None, {}


def _fits(rule, url):
    if rule["host"]:
        there = urls.parse(url)
        if not names_host(rule["host"], there.host, there.port, there.host):
            return False
    if rule["name"]:
        from fnmatch import fnmatchcase
        return fnmatchcase(urls.file_name(url).lower(), rule["name"].lower())
    return True
