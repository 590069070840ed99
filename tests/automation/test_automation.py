"""What the daemon does by itself, as one: it follows the settings."""

import json
import signal

from automation.conftest import EAGER
from harness import until
from servers.receiver import Receiver


def test_sighup_watches_other_folders(configured, tmp_path):
    box, other = tmp_path / "in", tmp_path / "other"
    box.mkdir(), other.mkdir()
    daemon = configured(command=EAGER, watch=[{"dir": str(box)}])
    configured.path.write_text(json.dumps({"watch": [{"dir": str(other), "options": {"paused": True}}]}))
    daemon.popen.send_signal(signal.SIGHUP)
    until(lambda: daemon.api.get("/config")["config"]["watch"][0]["dir"] == str(other))
    (other / "a.txt").write_text("http://h/1\n")
    (box / "a.txt").write_text("http://h/2\n")
    until(lambda: (other / "added" / "a.txt").exists(), 30)
    assert [each.name for each in box.iterdir()] == ["a.txt"]


def test_sighup_starts_a_webhook_that_was_not_there(configured, serve):
    daemon = configured(webhooks=[])
    with Receiver() as receiver:
        configured.path.write_text(json.dumps({"webhooks": [{"url": receiver.url}]}))
        daemon.popen.send_signal(signal.SIGHUP)
        until(lambda: daemon.api.get("/config")["config"]["webhooks"])
        tid = daemon.api.add(serve("/a", b"a"))
        message, = until(lambda: list(receiver.messages))
        assert json.loads(message.body)["detail"]["tid"] == tid
