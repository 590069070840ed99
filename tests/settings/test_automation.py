"""The settings of hooks, webhooks, watched folders, the schedule and rules."""

import pytest

from dlserv.errors import InvalidValue
from dlserv.settings.config import Config


@pytest.mark.parametrize("section, value, sentence", [
    ("hooks", {"finished": "rm -r"}, "^hooks.finished: this is not a list of strings"),
    ("hooks", {"finished": ["bin/x"]}, "^hooks.finished: its first string is neither an absolute path"),
    ("webhooks", [{}], r"^webhooks\[0\].url: must be given"),
    ("webhooks", [{"url": "ftp://h/"}], r"^webhooks\[0\].url: it has the scheme"),
    ("webhooks", [{"url": "http://h/", "events": ["idle"]}], r'^webhooks\[0\].events: "idle" is not one of'),
    ("webhooks", [{"url": "http://h/", "secret": "whsec_?"}], r"^webhooks\[0\].secret: what follows whsec_"),
    ("webhooks", [{"url": "http://h/", "secret": "a b"}], r"^webhooks\[0\].secret: it is not made of visible"),
    ("watch", [{"dir": "lists"}], r'^watch\[0\].dir: "lists" is not an absolute path'),
    ("watch", [{"dir": "/l", "options": {"dri": "x"}}], r"^watch\[0\].options: dri: there is no such key"),
    ("schedule", [{"days": "mon-fry"}], r"^schedule\[0\].days: 'mon-fry' is not a list of days"),
    ("schedule", [{"from": "25:00"}], r"^schedule\[0\].from: '25:00' is not a time"),
    ("rules", [{"host": "h"}], r"^rules\[0\].options: must be given"),
    ("rules", [{"options": {"filename": "x"}}], r"^rules\[0\].options: filename belongs to a single download")])
def test_a_wrong_value_is_refused_by_its_name(section, value, sentence):
    with pytest.raises(InvalidValue, match=sentence):
        Config.parse({section: value})


def test_secrets_in_commands_and_addresses_are_masked():
    shown = Config.parse({
        "hooks": {"finished": ["/bin/x", "--token", "abc", "key=abc", "http://h/?sig=abc", "Cookie: abc", "-v", "done"]},
        "webhooks": [{"url": "https://h/services/abc", "secret": "abc"}],
        "rules": [{"options": {"password": "abc"}}]}).masked()
    assert shown["hooks"]["finished"] == ["/bin/x", "--token", "***", "key=***", "http://h/?sig=***", "Cookie: ***",
                                          "-v", "done"]
    assert (shown["webhooks"][0]["url"], shown["webhooks"][0]["secret"]) == ("https://h/***", "***")
    assert shown["rules"][0]["options"] == {"password": "***"}


def test_a_day_and_a_time_stay_as_they_are_written():
    window = Config.parse({"schedule": [{"days": "Sat,Sun", "from": "7:00", "ratelimit": "1K"}]}).schedule[0]
    assert window == {"days": "Sat,Sun", "from": "7:00", "to": "24:00", "ratelimit": 1024, "max_concurrent": None}
