"""The settings of what the daemon does by itself: hooks, webhooks, watched folders, schedule, rules.

They come from the configuration file alone, else a user of the API could run commands.
"""

import os
import re

from . import options, token
from .. import urls
from ..errors import InvalidValue
from ..masking import MASK, hide, is_secret, is_sensitive, shown
from ..units import parse_clock, parse_days
from .schema import Field, Rows, Table
from .values import Choice, Integer, Items, Number, Optional, Refusal, Size, Text


def _command(value):
    if not isinstance(value, list) or not all(isinstance(each, str) and "\0" not in each for each in value):
        raise Refusal("this is not a list of strings such as [\"/usr/bin/notify\", \"done\"]")
    if value and (not value[0] or os.path.dirname(value[0]) and not os.path.isabs(value[0])):
        raise Refusal("its first string is neither an absolute path nor a plain name of a program")
    return value


def _words_shown(words):
    """Return a command with the mask for what looks secret: "--token X", "key=X", "Cookie: X" and in URLs."""
    masked, hides = [], False
    for word in words or ():
        match = re.fullmatch(r"([\w.-]+)([=:] *)(?!//)(.+)", word, re.DOTALL)
        if hides or match and (is_secret(match.group(1)) or is_sensitive(match.group(1))):
            masked.append(MASK if hides else match.group(1) + match.group(2) + MASK)
        else:
            masked.append(urls.shown(word) if "://" in word else word)
        hides = not match and word.startswith("-") and is_secret(word)
    return words and masked


def _web_address(value):
    try:
        urls.parse(value, ("http", "https"))
    except ValueError as error:
        raise Refusal("it %s" % error) from None
    return value.strip()


def _web_address_shown(value):
    """Return a webhook's URL without its secret, which often is its path."""
    url = urls.parse(value)
    return "%s://%s/%s" % (url.scheme, url.netloc, hide(url.target.lstrip("/")))


def _secret(value):
    token.key_of(token.check(value))
    return value


def _absolute(value):
    path = os.path.expanduser(Text(least=1)(value))
    if not os.path.isabs(path):
        raise ValueError(f"{shown(value)} is not an absolute path")
    return path


def _options(value):
    """Check the options that many tasks are to have."""
    try:
        parsed = options.parse(value)
    except InvalidValue as error:
        raise Refusal("%s: %s" % (error.key.partition(".")[2] or "it", error.reason)) from None
    for name in ("filename", "mirrors", "checksum", "not_before"):
        if name in parsed:
            raise Refusal("%s belongs to a single download; leave it out" % name)
    return parsed


def _written(parse):
    """Return a parser that keeps what `parse` takes as it is written."""
    def check(value):
        parse(Text()(value))
        return value
    return check


_command.json_schema = {"type": "array", "items": {"type": "string"}}
_options.json_schema = {"type": "object"}

_argv, _some_text = Optional(_command), Optional(Text(most=255, least=1))

TASK_EVENTS = ("finished", "failed")        # that a webhook tells
HOOK_EVENTS = (*TASK_EVENTS, "idle")        # that have a command each
_WHEN = ("a download is finished", "a download has failed for good",
         "nothing is queued or downloading any more")

AUTOMATION = {
    "hooks": Table(
        "hooks",
        *(Field(event, _argv, None, "command to run when " + when, _words_shown)
          for event, when in zip(HOOK_EVENTS, _WHEN)),
        Field("timeout", Number(1, 86400), 60, "seconds until a command and its children are killed"),
        Field("parallel", Integer(1, 32), 2, "commands that run at the same time"),
    ),
    "webhooks": Rows(
        "webhooks", 16, ("url",),
        Field("url", _web_address, None, "URL that the events are POSTed to", _web_address_shown),
        Field("events", Items(Choice(*TASK_EVENTS), 2), list(TASK_EVENTS), "which events to POST"),
        Field("secret", Optional(_secret), None, "key that signs the message, also \"whsec_…\"", hide),
        Field("as", Choice("json", "text"), "json", "json, which Discord and Slack read, or a line of text"),
    ),
    "watch": Rows(
        "watch", 16, ("dir",),
        Field("dir", _absolute, None, "folder whose lists of URLs are added"),
        Field("options", _options, {}, "options of its tasks; those in a list win", options.TABLE.masked),
    ),
    "schedule": Rows(
        "schedule", 64, (),
        Field("days", _written(parse_days), "mon-sun", "days on which the window begins, also \"sat,sun\""),
        Field("from", _written(parse_clock), "00:00", "local time at which it begins"),
        Field("to", _written(parse_clock), "24:00", "when it ends; on the next day unless later than `from`"),
        Field("ratelimit", Optional(Size()), None, "download.ratelimit during the window"),
        Field("max_concurrent", Optional(Integer(0, 1000)), None,
              "download.max_concurrent during the window, or 0"),
    ),
    "rules": Rows(
        "rules", 256, ("options",),
        Field("host", _some_text, None, "the URL's host, as in download.allow_hosts"),
        Field("name", _some_text, None, "the end of the URL's path, such as \"*.iso\""),
        Field("options", _options, None, "options of such tasks; posted ones win", options.TABLE.masked),
    ),
}
