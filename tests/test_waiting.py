"""Tasks that wait: for a server that asked to be left alone, for the next try, for this machine to be fit again."""

import os
import socket
import ssl
import threading
from unittest.mock import ANY

import pytest

from dlserv import Daemon
from dlserv.errors import Conflict
from dlserv.tasks.waits import Waits
from harness import ROOT, noise, until
from servers.island import run as run_on_island
from servers.origin import Gate, Origin, drop, raw, redirect, refuse

CERTS = os.path.join(ROOT, "tests", "certs")
DATA = noise(300000)
BUSY = refuse("429 Too Many Requests", Retry_After=3600)
DOWN = refuse("503 Service Unavailable")


def put(origin, *paths, script=()):
    for path in paths:
        origin.put(path, DATA, script=list(script))


def endpoint(origin):
    return origin.url("/").split("/")[2]


# -- a server that asked to be left alone -----------------------------------------------------

@pytest.fixture
def closed(daemon, origin):
    """The tid of a task that the origin has sent away for an hour."""
    put(origin, "/cause", script=[BUSY])
    put(origin, "/other")
    tid = daemon.add(origin.url("/cause"))
    until(lambda: daemon.get(tid).failures)
    until(lambda: daemon.get(tid).state == "queued")
    return tid


def held(daemon, origin, path="/other", **options):
    """The tid of a task that is held back."""
    tid = daemon.add(origin.url(path), options)
    until(lambda: daemon.get(tid).is_held_back)
    return tid


def test_who_is_held_back_says_for_whom_and_how_long(daemon, origin, closed):
    task = daemon.get(held(daemon, origin))
    expected = "waiting for %s, which asked to be left alone for another " % endpoint(origin)
    assert task.error.startswith(expected + ("59 min" if "59 min" in task.error else "1 h 0 min"))
    assert task.log[0]["msg"].startswith(expected) and task.retries == 0
    assert "429 Too Many Requests; the next try is in " in daemon.get(closed).error


def test_who_was_waiting_already_is_told_as_well(start_daemon, origin):
    daemon, asked, go_on = start_daemon(max_concurrent=1), threading.Event(), threading.Event()

    def send_away(exchange):
        asked.set()
        assert go_on.wait(10)
        BUSY(exchange)

    origin.put("/cause", DATA, script=[send_away])
    daemon.add(origin.url("/cause"))
    assert asked.wait(10)
    put(origin, "/other")
    tid = daemon.add(origin.url("/other"))
    with daemon.subscribe() as events:
        assert daemon.get(tid).error is None and daemon.get(tid).log == []
        go_on.set()
        until(lambda: events.get(1) == (ANY, "changed", tid, "queued"))
    assert endpoint(origin) in daemon.get(tid).error and endpoint(origin) in daemon.get(tid).log[0]["msg"]
    assert not origin.asked("/other")


def test_the_time_that_is_left_is_told_anew(daemon, origin, closed):
    task = daemon.get(held(daemon, origin))
    before = task.closed_for
    until(lambda: task.closed_for < before - 0.1)
    assert daemon.get(closed).delay < 3600


def test_a_restart_forgets_what_servers_asked(settings, origin):
    put(origin, "/cause", script=[BUSY])
    with Daemon(settings) as daemon:
        tid = daemon.add(origin.url("/cause"))
        until(lambda: daemon.get(tid).is_held_back)
    with Daemon(settings) as daemon:
        assert daemon.wait(tid, 10).state == "finished" and daemon.get(tid).error is None


@pytest.mark.parametrize("which", ["cause", "other"])
def test_an_explicit_resume_asks_at_once(daemon, origin, closed, which):
    tid = closed if which == "cause" else held(daemon, origin)
    daemon.resume(tid)
    assert daemon.wait(tid, 10).state == "finished" and daemon.get(tid).retries == 0


def test_a_pause_and_a_resume_ask_at_once(daemon, origin, closed):
    tid = held(daemon, origin)
    daemon.pause(tid)
    assert daemon.get(tid).error is None
    daemon.resume(tid)
    assert daemon.wait(tid, 10).state == "finished"


def test_an_explicit_resume_asks_once(daemon, origin, closed):
    put(origin, "/other", script=[BUSY] * 9)
    put(origin, "/third")
    tids = [held(daemon, origin), held(daemon, origin, "/third")]
    daemon.resume(tids[0])
    until(lambda: daemon.get(tids[0]).failures)
    until(lambda: daemon.get(tids[0]).is_held_back)
    assert len(origin.asked("/other")) == 1 and "429" in daemon.get(tids[0]).error
    assert daemon.get(tids[1]).is_held_back and not origin.asked("/third")


def test_many_resumes_ask_until_the_first_refusal(start_daemon, origin):
    daemon = start_daemon(max_concurrent=1)
    paths = ["/%d" % number for number in range(20)]
    put(origin, "/cause", *paths, script=[BUSY] * 9)
    daemon.add(origin.url("/cause"))
    until(lambda: daemon.counts()["queued"] and daemon.list()[0].is_held_back)
    tids = [held(daemon, origin, path) for path in paths]
    assert daemon.resume_all(tids) == []
    until(lambda: len(origin.requests) == 2)
    until(lambda: all(daemon.get(tid).is_held_back for tid in tids))
    assert len(origin.requests) == 2, "the others would have heard the same"


def test_what_waits_for_a_slot_alone_cannot_be_resumed(start_daemon, origin):
    daemon, gate = start_daemon(max_concurrent=1), Gate(after=1)
    put(origin, "/first", script=[gate])
    put(origin, "/second")
    daemon.add(origin.url("/first"))
    assert gate.reached.wait(10)
    tid = daemon.add(origin.url("/second"))
    with pytest.raises(Conflict, match="the task is queued"):
        daemon.resume(tid)


def test_deleting_the_cause_lets_the_others_go(daemon, origin, closed):
    tids = [held(daemon, origin), held(daemon, origin, "/none")]
    daemon.delete(closed)
    assert daemon.wait(tids[0], 10).state == "finished" and daemon.wait(tids[1], 10).state == "invalid"


def test_deleting_one_of_two_causes_lets_nobody_go(daemon, origin, closed):
    put(origin, "/cause2", script=[BUSY] * 9)
    second, tid = held(daemon, origin, "/cause2"), held(daemon, origin)
    daemon.resume(second)
    until(lambda: origin.asked("/cause2"))
    until(lambda: daemon.get(second).is_held_back)
    daemon.delete(closed)
    assert daemon.get(tid).is_held_back
    daemon.delete(second)
    assert daemon.wait(tid, 10).state == "finished"


def test_another_port_is_another_server(daemon, origin, closed):
    with Origin() as other:
        put(other, "/a")
        assert daemon.wait(daemon.add(other.url("/a")), 10).state == "finished"


def test_a_redirect_to_a_closed_server_costs_no_try(start_daemon, origin):
    daemon = start_daemon(retries=0)
    put(origin, "/cause", script=[BUSY])
    put(origin, "/there")
    cause = daemon.add(origin.url("/cause"), {"retries": 3})
    until(lambda: daemon.get(cause).is_held_back)
    with Origin() as front:
        put(front, "/a", script=[redirect(origin.url("/there"))] * 9)
        tid = daemon.add(front.url("/a"))
        until(lambda: endpoint(origin) in (daemon.get(tid).error or ""))
        assert daemon.get(tid).state == "queued" and len(front.requests) == 1
        assert (daemon.get(tid).retries, daemon.get(tid).failures) == (0, 0)
        daemon.delete(cause)
        assert daemon.wait(tid, 10).state == "finished"


def test_turning_a_limit_or_moving_is_no_reason_to_ask(daemon, origin, closed):
    asked = len(origin.requests)
    daemon.change(closed, posted={"priority": 5, "retries": 9})
    daemon.move(closed, "top")
    assert daemon.get(closed).delay > 3000 and len(origin.requests) == asked
    daemon.change(closed, posted={"user_agent": "another"})
    assert daemon.wait(closed, 10).state == "finished", "another request may get another answer"


# -- the next try -----------------------------------------------------------------------------

@pytest.mark.parametrize("retries", [0, 1, 3])
def test_retries_counts_what_was_repeated(daemon, origin, retries):
    put(origin, "/a", script=[DOWN] * 9)
    tid = daemon.add(origin.url("/a"), {"retries": retries})
    task = daemon.wait(tid, 10)
    assert (task.state, task.retries, len(origin.requests)) == ("invalid", retries, retries + 1)
    assert daemon.report.outcomes()["retried"] == retries
    assert task.error == "the server answered 503 Service Unavailable" and task.reason == "http"


def test_a_repeat_counts_when_it_begins(start_daemon, origin):
    daemon = start_daemon(retry_wait=30)
    put(origin, "/a", script=[DOWN, Gate(after=1)])
    tid = daemon.add(origin.url("/a"))
    until(lambda: daemon.get(tid).is_held_back)
    assert daemon.get(tid).retries == daemon.report.outcomes()["retried"] == 0
    assert "503 Service Unavailable; the next try is in " in daemon.get(tid).error
    daemon.change(tid, posted={"user_agent": "me"})
    until(lambda: len(origin.requests) == 2)
    assert daemon.get(tid).retries == daemon.report.outcomes()["retried"] == 1 and daemon.get(tid).error is None


def test_progress_starts_the_count_again(start_daemon, origin):
    daemon = start_daemon(retries=1)
    put(origin, "/a", script=[drop(after=100000), drop(after=50000), drop(after=50000), drop(after=20000)])
    tid = daemon.add(origin.url("/a"), {"connections": 1})
    assert daemon.wait(tid, 10).state == "finished" and daemon.report.outcomes()["retried"] >= 3


def test_failures_outlive_the_daemon(settings, origin):
    settings["download"].update(retries=2, retry_wait=60)
    put(origin, "/a", script=[DOWN] * 9)
    with Daemon(settings) as daemon:
        tid = daemon.add(origin.url("/a"))
        until(lambda: daemon.get(tid).failures == 1)
    for failures, state in ((2, "queued"), (3, "invalid")):
        with Daemon(settings) as daemon:
            until(lambda: daemon.get(tid).failures == failures and daemon.get(tid).state == state)
    assert daemon.get(tid).retries == 2 and len(origin.requests) == 3


# -- this machine's own trouble -----------------------------------------------------------------

def test_tasks_wait_for_the_network_and_for_names(settings, tmp_path):
    run_on_island("""
        settings = %r
        up()
        with Origin() as origin, Daemon(settings) as daemon:
            origin.put("/a", noise(1000))
            origin.put("/b", noise(1000))
            down()
            tids = [daemon.add(origin.url("/a")), daemon.add(origin.url("/b", host="files.example"))]
            for tid in tids:
                until(lambda: "waiting for the network: " in (daemon.get(tid).error or ""))
            assert [daemon.get(tid).reason for tid in tids] == ["network", "dns"]
            assert "Network is unreachable" in daemon.get(tids[0]).error

            up()
            assert daemon.wait(tids[0], 10).state == "finished"
            until(lambda: "files.example cannot be resolved" in (daemon.get(tids[1]).error or ""))
            task = daemon.get(tids[1])
            assert task.state != "invalid" and (task.retries, task.failures) == (0, 0)

            assert len(daemon.get(tids[1]).log) == 1, "it says so once"

            Waits.BEAT = 0.02
            with Dns() as dns:
                for dns.error in (SERVFAIL, REFUSED):
                    asked = dns.asked
                    until(lambda: dns.asked > asked + 50)       # many more tries than there are
                    until(lambda: "waiting for the network: " in (daemon.get(tids[1]).error or ""))
                dns.error = 0
                assert daemon.wait(tids[1], 10).state == "finished"
    """ % settings, tmp_path)


def test_what_is_not_this_machines_trouble_uses_up_tries(settings, tmp_path):
    run_on_island("""
        import socket
        settings = %r
        settings["download"]["retries"] = 1
        up()
        with socket.socket() as sock:       # bound, and nobody listens
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
            with Daemon(settings) as daemon, Dns():
                urls = {"http://127.0.0.1:%%d/" %% port: "refused", "http://files.example:%%d/" %% port: "refused",
                        "http://255.255.255.255/": "network", "http://224.0.0.1/": "network"}
                for url, reason in urls.items():
                    task = daemon.wait(daemon.add(url), 10)
                    assert (task.state, task.retries, task.reason) == ("invalid", 1, reason), task.error
    """ % settings, tmp_path)


def test_a_mirror_that_answers_shows_that_there_is_a_network(settings, tmp_path):
    run_on_island("""
        settings = %r
        settings["download"]["retries"] = 1
        up()
        with Origin() as origin, Daemon(settings) as daemon:
            origin.put("/here", noise(1000))
            nowhere = "http://nowhere.example/x"
            task = daemon.wait(daemon.add(nowhere, {"mirrors": [origin.url("/missing")]}), 10)
            assert task.state == "invalid" and "nowhere.example cannot be resolved" in task.error
            tid = daemon.add(nowhere + "2", {"mirrors": [origin.url("/here")]})
            assert daemon.wait(tid, 10).state == "finished"
    """ % settings, tmp_path)


def test_a_clock_that_is_wrong_is_waited_for(settings, tmp_path, monkeypatch):
    """The certificate begins in 2200, as any does where a machine believes that it is 1970."""
    monkeypatch.setattr(Waits, "BEAT", 0.1)
    authorities = tmp_path / "ca.pem"
    with open(os.path.join(CERTS, "future.pem")) as one, open(os.path.join(CERTS, "ca.pem")) as other:
        authorities.write_text("-----BEGIN CERT" + one.read().split("-----BEGIN CERT")[1] + other.read())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(CERTS, "future.pem"))
    settings["download"].update(ca_file=str(authorities), retries=0)
    with Origin(context) as origin, Daemon(settings) as daemon:
        put(origin, "/a")
        tid = daemon.add(origin.url("/a"))
        until(lambda: "waiting for the clock: the certificate is not valid yet" in (daemon.get(tid).error or ""))
        task = daemon.get(tid)
        assert (task.reason, task.retries, task.failures) == ("clock", 0, 0) and "clock says 2" in task.error
        context.load_cert_chain(os.path.join(CERTS, "server.pem"))
        assert daemon.wait(tid, 10).state == "finished"


# -- a word for it ------------------------------------------------------------------------------

def refused_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.mark.parametrize("script, options, reason", [
    (refuse("404 Not Found"), {}, "not_found"), (refuse("410 Gone"), {}, "not_found"), (refuse("403 Forbidden"), {}, "auth"),
    (refuse("401 Unauthorized"), {}, "auth"), (refuse("500 Oops"), {}, "http"), (refuse("418 Teapot"), {}, "http"),
    (refuse("408 Request Timeout"), {}, "timeout"), (Gate(after=1), {"timeout": 0.2}, "timeout"),
    (drop(after=10), {}, "network"), (drop(after=10, reset=True), {}, "network"), (raw(b"nonsense\r\n\r\n"), {}, "http"),
    (redirect("/a"), {}, "redirects"), (redirect("gopher://x"), {}, "redirects"),
    (None, {"checksum": "md5=" + 32 * "0"}, "checksum")])
def test_a_failure_has_a_word(settings, origin, script, options, reason):
    settings["download"]["retries"] = 0
    put(origin, "/a", script=[script] * 50 if script else [])
    with Daemon(settings) as daemon:
        task = daemon.wait(daemon.add(origin.url("/a"), options), 10)
        assert (task.state, task.reason) == ("invalid", reason), task.error
        daemon.resume(task.tid)
        assert task.reason in (None, reason)


@pytest.mark.parametrize("url, settings_, reason", [
    ("http://127.0.0.1:%d/" % refused_port(), {}, "refused"), ("http://no-such-host.invalid/", {}, "dns"),
    ("http://127.0.0.1:1/", {"deny_private": True}, "refused")])
def test_a_server_that_is_not_reached_has_one_too(settings, url, settings_, reason):
    settings["download"].update(settings_, retries=0)
    with Daemon(settings) as daemon:
        tid = daemon.add(url)
        until(lambda: daemon.get(tid).error)
        assert daemon.get(tid).reason == reason, daemon.get(tid).error


def test_what_is_in_the_way_here_has_one_too(settings, origin, folder, monkeypatch):
    monkeypatch.setattr(Waits, "BEAT", 0.1)
    settings["download"].update(overwrite="never", retries=0)
    put(origin, "/a", "/b")
    (folder / "a").write_bytes(b"mine")
    with Daemon(settings) as daemon:
        assert daemon.wait(daemon.add(origin.url("/a")), 10).reason == "exists"
        os.rename(str(folder), str(folder) + ".away")
        tid = daemon.add(origin.url("/b"))
        until(lambda: daemon.get(tid).error)
        assert daemon.get(tid).reason == "disk"
        os.rename(str(folder) + ".away", str(folder))
        daemon.wait(tid, 10)
        daemon.configure({"download": {"reserve": 2 ** 50}})
        put(origin, "/c")
        tid = daemon.add(origin.url("/c"))
        until(lambda: daemon.get(tid).error)
        assert daemon.get(tid).reason == "no_space"
    settings["download"]["reserve"] = 2 ** 50
    with Daemon(settings) as daemon:
        until(lambda: daemon.get(tid).error)
        assert daemon.get(tid).to_record()["reason"] == "no_space"
