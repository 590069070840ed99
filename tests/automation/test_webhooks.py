"""Webhooks: what is sent, signed how, how often, and what a restart sends."""

import base64
import hashlib
import hmac
import json

import pytest

from dlserv.automation.webhooks import Webhooks
from dlserv.net.network import Network
from dlserv.settings.config import Config
from dlserv.settings.current import Settings
from dlserv.tasks.registry import TaskRegistry
from dlserv.tasks.task import Task
from harness import noise, until
from servers.receiver import Receiver

DETAIL = {"filename": "a.iso", "title": "a", "total_bytes": 2048, "error": "it broke"}


@pytest.fixture
def sender():
    """A function that makes Webhooks with these in the settings, which try again at once; and a task."""
    made = []

    def make(*hooks, **download):
        settings = Settings(Config.parse({"webhooks": list(hooks), "download": download}))
        network = Network.of(settings, {}, None, tuple)
        made.append(Webhooks(settings, TaskRegistry(settings, "boot"), network, (0, 0.05, 0.05)))
        made[-1].start()
        return made[-1], Task.new("http://h/a.iso", {}, settings.download)

    yield make
    for each in made:
        each.stop()


def test_a_message_is_readable_by_people_chats_and_programs(configured, serve):
    with Receiver() as receiver:
        daemon = configured(webhooks=[{"url": receiver.url}])
        tid = daemon.api.add(serve("/a.bin", noise(5000)))
        message, = until(lambda: list(receiver.messages))
        said = json.loads(message.body)
        assert message.path == "/hook" and message.headers["content-type"] == "application/json"
        assert said["event"] == "finished" and said["text"] == said["content"] == "a.bin is finished: 4.9 KiB"
        assert said["detail"]["tid"] == tid and said["detail"]["state"] == "finished"
        assert abs(said["time"] - daemon.api.status(tid)["finish_time"]) < 5
        assert message.headers["webhook-id"].startswith(tid) and "webhook-signature" not in message.headers


@pytest.mark.parametrize("secret, key", [
    ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")),
    ("plain-words", b"plain-words")])
def test_a_secret_signs_id_time_and_body(sender, secret, key):
    with Receiver() as receiver:
        hooks, task = sender({"url": receiver.url, "secret": secret})
        hooks.put("failed", task, DETAIL)
        message, = until(lambda: list(receiver.messages))
        head = message.headers
        signed = ("%s.%s." % (head["webhook-id"], head["webhook-timestamp"])).encode() + message.body
        digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        assert head["webhook-signature"] == "v1," + digest
        assert json.loads(message.body)["text"] == "a.iso has failed: it broke"


def test_text_is_one_line_for_ntfy(sender):
    with Receiver() as receiver:
        hooks, task = sender({"url": receiver.url.replace("://", "://me:pa%3Ass@"), "as": "text"})
        hooks.put("finished", task, DETAIL)
        message, = until(lambda: list(receiver.messages))
        assert message.body == b"a.iso is finished: 2.0 KiB"
        assert message.headers["content-type"] == "text/plain; charset=utf-8"
        assert message.headers["authorization"] == "Basic " + base64.b64encode(b"me:pa:ss").decode()


@pytest.mark.parametrize("answers, count", [
    ([500, 503], 3), ([404, 200], 2), ([500, 500, 500], 3), ([301, 302, 307], 3), ([204], 1)])
def test_what_is_not_taken_is_tried_three_times(sender, answers, count, caplog):
    with Receiver(*answers) as receiver:
        hooks, task = sender({"url": receiver.url})
        hooks.put("finished", task, DETAIL)
        until(lambda: not task.deliveries)
        assert len(receiver.messages) == count
        assert {message.path for message in receiver.messages} == {"/hook"}, "a redirect was followed"
        assert len({message.headers["webhook-id"] for message in receiver.messages}) == 1
        told = [record.getMessage() for record in caplog.records if "was not told" in record.getMessage()]
        last = answers[-1] if len(answers) == 3 else 200
        assert [line.endswith("it answered %d" % last) for line in told] == [True] * (last >= 300)
        assert all("127.0.0.1" in line and "/hook" not in line for line in told)


def test_each_receiver_gets_its_events_and_delays_no_other(sender):
    with Receiver(None) as hangs, Receiver() as failures, Receiver() as everything:
        hooks, task = sender({"url": hangs.url}, {"url": failures.url, "events": ["failed"]}, {"url": everything.url})
        hooks.put("finished", task, DETAIL)
        hooks.put("failed", task, DETAIL)
        until(lambda: len(everything.messages) == 2 and failures.messages)
        assert [json.loads(each.body)["event"] for each in failures.messages] == ["failed"]
        until(lambda: len(task.deliveries) == 2)
        hooks.stop()
        assert len(task.deliveries) == 2, "what hangs is kept"


def test_each_event_has_its_own_secret_where_the_url_is_the_same(sender):
    with Receiver() as receiver:
        keys = {"finished": b"f" * 16, "failed": b"g" * 16}
        hooks, task = sender(*({"url": receiver.url, "events": [event], "secret": key.decode()}
                               for event, key in keys.items()))
        for number, event in enumerate(keys, 1):
            hooks.put(event, task, DETAIL)
            head, body = until(lambda: receiver.messages[number - 1:])[0][1:]
            signed = ("%s.%s." % (head["webhook-id"], head["webhook-timestamp"])).encode() + body
            digest = base64.b64encode(hmac.new(keys[event], signed, hashlib.sha256).digest()).decode()
            assert head["webhook-signature"] == "v1," + digest


def test_a_receiver_in_the_private_network_is_told_all_the_same(sender):
    with Receiver() as receiver:
        hooks, task = sender({"url": receiver.url}, deny_private=True)
        hooks.put("finished", task, DETAIL)
        until(lambda: receiver.messages)


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_what_was_not_sent_is_sent_after_the_next_start(configured, serve, end):
    with Receiver(None) as hangs:
        daemon = configured(webhooks=[{"url": hangs.url}])
        tid = daemon.api.add(serve("/a.bin", b"data"))
        first, = until(lambda: list(hangs.messages))
        daemon.api.reach(tid, "finished")
        until(lambda: daemon.api.put("/task/tid/%s?act=pause" % tid).status == 409)
        getattr(daemon, end)()
        port = hangs.server_address[1]
    with Receiver(port=port) as receiver:
        configured()
        second, = until(lambda: list(receiver.messages))
        assert second.headers["webhook-id"] == first.headers["webhook-id"]
        assert json.loads(second.body)["detail"]["tid"] == tid
        until(lambda: True)


def test_what_was_taken_is_not_sent_again_after_a_start(configured, serve):
    with Receiver() as receiver:
        def titles():
            return [json.loads(each.body)["detail"]["title"] for each in receiver.messages]

        daemon = configured(webhooks=[{"url": receiver.url}])
        for name in ("a", "b"):     # once the second is sent, the first is known to have been taken
            daemon.api.reach(daemon.api.add(serve("/" + name, b"a")), "finished")
            until(lambda: name in titles())
        daemon.stop()
        daemon = configured()
        daemon.api.reach(daemon.api.add(serve("/c", b"c")), "finished")
        until(lambda: "c" in titles())
        assert titles().count("a") == 1


def test_kills_at_any_moment_lose_no_message_and_repeat_no_hook(configured, program, origin, tmp_path):
    """A hook runs once at the most, a webhook is sent once at least, with one id for each event."""
    for number in range(36):
        if number % 3:
            origin.put("/%d" % number, b"data")
    hook = program("open(os.path.join(here, 'ran'), 'a').write(os.environ['DLSERV_TASK_TID'] + '\\n')")
    with Receiver() as receiver:
        daemon = configured(webhooks=[{"url": receiver.url}], hooks={"finished": [hook], "failed": [hook]})
        tids = []
        for start in range(0, 36, 6):
            added = [origin.url("/%d" % (start + number)) for number in range(6)]
            wanted = len(receiver.messages) + start // 6
            tids += daemon.api.post("/task/batch/add", {"tasks": added})["tids"]
            until(lambda: len(receiver.messages) >= wanted)
            daemon.kill()
            daemon = configured()
        until(lambda: {json.loads(each.body)["detail"]["tid"] for each in receiver.messages} == set(tids), 60)
    ids = {each.headers["webhook-id"] for each in receiver.messages}
    assert len(ids) == 36 and {each.split("-")[0] for each in ids} == set(tids)
    ran = (tmp_path / "ran").read_text().split()
    assert len(ran) == len(set(ran)) and set(ran) <= set(tids)


def test_urls_and_secrets_of_webhooks_are_not_shown(configured):
    daemon = configured(webhooks=[{"url": "https://u:p4ss@discord.com:444/api/webhooks/1/t0ken?x=t0ken",
                                   "secret": "s3cret"}])
    shown, = daemon.api.get("/config")["config"]["webhooks"]
    assert shown["url"] == "https://discord.com:444/***" and shown["secret"] == "***"


@pytest.mark.parametrize("hook, words", [
    ({}, "webhooks[0].url: must be given"), ({"url": "ftp://h/"}, "webhooks[0].url: it has the scheme"),
    ({"url": "x"}, "webhooks[0].url: it is not an absolute URL"), ({"url": 5}, "webhooks[0].url: it is not a string"),
    ({"url": "http://h", "events": ["done"]}, "webhooks[0].events: "),
    ({"url": "http://h", "secret": "whsec_?"}, "webhooks[0].secret: what follows whsec_"),
    ({"url": "http://h", "secret": ""}, "webhooks[0].secret: "), ({"url": "http://h", "as": "xml"}, "webhooks[0].as: "),
    ({"url": "http://h", "text": 1}, "webhooks[0].text: there is no such key"), ("http://h", "webhooks[0]: ")])
def test_a_wrong_webhook_is_a_sentence_that_names_the_key(hook, words):
    from dlserv.errors import InvalidValue
    with pytest.raises(InvalidValue) as caught:
        Config.parse({"webhooks": [hook]})
    assert str(caught.value).startswith(words)
