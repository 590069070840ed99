"""The stream of events: shared by tabs, let go by hidden ones, lost and found, and behind a token."""

import pytest

from harness import Api, until
from servers.origin import Gate
from web.steps import DATA, NOWHERE, add_paused, texts, wait_for_rows

from dlserv import Daemon, Server
from dlserv.api import assets, sse

NO_WORKER = "delete window.SharedWorker"


@pytest.fixture
def served(site, daemon):
    """The module's daemon behind a server of its own, to look at its readers."""
    with Server(daemon, "127.0.0.1", 0) as server, Api(server.url) as client:
        yield server, client


def test_seven_tabs_share_one_stream(visit, served):
    server, api = served
    add_paused(api, "a.zip")
    tabs = [visit(server.url + "/")]
    for _ in range(6):
        tabs.append(visit(server.url + "/", beside=tabs[0]))
    for tab in tabs:
        tab.show()
        wait_for_rows(tab, 1)
        assert server.feed.readers == 1
    tabs[6].click("tbody .text", count=2)
    tabs[6].until("document.querySelector('[data-key=url] span').textContent.endsWith('a.zip')")
    add_paused(api, "b.zip")
    wait_for_rows(tabs[6], 2)
    tabs[0].show()
    wait_for_rows(tabs[0], 2)


def test_two_tabs_see_the_same_and_one_may_go(visit, served):
    server, api = served
    first = visit(server.url + "/")
    second = visit(server.url + "/", beside=first)
    add_paused(api, "a.zip")
    wait_for_rows(second, 1)
    second.call("Page.close")
    first.show()
    add_paused(api, "b.zip")
    wait_for_rows(first, 2)
    assert server.feed.readers == 1


class ShortHold:
    """The loader of the page, which asks for the stream for a sixth of the time."""

    real = assets.__loader__

    def get_data(self, path):
        data, usual = self.real.get_data(path), b"HOLD = 10000, AGAIN = 4000;"
        assert usual in data or not path.endswith("app.js")
        return data.replace(usual, b"HOLD = 1600, AGAIN = 400;")


def test_a_hidden_tab_lets_its_stream_go(visit, served, monkeypatch):
    monkeypatch.setattr(assets, "__loader__", ShortHold())
    monkeypatch.setattr(sse, "LOOK", 0.05)
    server, api = served
    pages = [visit(server.url + "/", before=before) for before in ("", NO_WORKER)]
    for page in pages:
        page.until("view.known")
    until(lambda: server.feed.readers == 2)
    for page in pages:
        page.hide()
    until(lambda: server.feed.readers == 0)
    add_paused(api, "missed.zip")
    for page in pages:
        assert page.run("document.title") == "dlserv" and page.run("tasks.size") == 0
        page.show()
        wait_for_rows(page, 1)
    until(lambda: server.feed.readers == 2)


def test_a_tab_without_the_worker_has_a_stream_of_its_own(visit, served, origin):
    server, api = served
    page = visit(server.url + "/", before=NO_WORKER)
    page.until("view.known")
    origin.put("/film.bin", DATA, script=[Gate(100000)])
    api.add(origin.url("/film.bin"))
    page.until("view.rows[0]?.downloaded_bytes")


def test_an_answer_that_does_not_come_is_told(visit, served):
    server, api = served
    page = visit(server.url + "/", before="const real = AbortSignal.timeout;"
                                          " AbortSignal.timeout = ms => real.call(AbortSignal, ms / 50)")
    page.until("view.known")
    page.run("fetch = (path, {signal}) => new Promise((resolve, reject) => {"
             " signal.onabort = () => reject(signal.reason); })")
    page.click("#open-settings")
    page.until("document.querySelector('.toast.bad')")
    assert "did not answer within 15 s" in texts(page, ".toast span")[0]


def test_it_comes_back_after_a_restart(load, process):
    first = process()
    port = first.url.rpartition(":")[2]
    tid = first.api.add(NOWHERE + "kept.zip", paused=True)
    page = load(first.url + "/")
    wait_for_rows(page, 1)
    page.click("tbody .text", count=2)
    page.until("document.querySelector('[data-key=url] span').textContent")
    first.kill()
    page.until("!document.querySelector('#offline').hidden")
    assert "does not answer" in texts(page, "#offline span")[0]
    second = process("--port", port)
    second.api.add(NOWHERE + "more.zip", paused=True)
    second.api.request("PATCH", "/task/tid/" + tid, {"options": {"filename": "better.zip"}})
    page.click("#offline button")
    wait_for_rows(page, 2)
    page.until("document.querySelector('#details h2').textContent === 'better.zip'")
    page.until("document.querySelector('#offline').hidden")


def test_too_many_guesses_are_told(load, settings):
    settings["server"]["token"] = "s3cret-and-16-more"
    with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", 0) as server, Api(server.url) as stranger:
        page = load(server.url + "/")
        page.until("document.activeElement.name === 'token'")
        until(lambda: stranger.get("/stats", Authorization="Bearer guess").status == 429)
        page.type("wrong")
        page.press("Enter")
        page.until("document.querySelector('#at-token')?.textContent.startsWith('too many wrong tokens')")


def test_a_token_is_asked_for_once_for_all_tabs(visit, settings):
    settings["server"]["token"] = "s3cret-and-16-more"
    with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", 0) as server:
        page = visit(server.url + "/")
        page.until("document.activeElement.name === 'token'")
        page.type("wrong")
        page.press("Enter")
        page.until("document.querySelector('#at-token')?.textContent.startsWith('this is not the token')")
        page.run("document.activeElement.select()")
        page.type("s3cret-and-16-more")
        page.press("Enter")
        page.until("view.known && !document.querySelector('#token').open")
        page.until("performance.getEntriesByType('resource')"
                   ".some(each => each.initiatorType === 'xmlhttprequest')")
        assert page.run("fetch('stats').then(reply => reply.status)") == 200    # links and films work too
        other = visit(server.url + "/", beside=page)
        other.until("view.known && document.querySelector('#place').textContent")
        assert not other.run("document.querySelector('#token').open")


def test_a_token_that_is_not_given_can_be_given_later(load, settings):
    settings["server"]["token"] = "s3cret-and-16-more"
    with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", 0) as server:
        page = load(server.url + "/")
        page.until("document.querySelector('#token').open")
        page.press("Escape")
        page.until("!document.querySelector('#offline').hidden")
        assert "Without its token" in texts(page, "#offline span")[0]
        page.click("#offline button")
        page.until("document.activeElement.name === 'token'")
        page.type("s3cret-and-16-more")
        page.press("Enter")
        page.until("view.known && document.querySelector('#offline').hidden")


def test_it_works_below_a_prefix(load, settings):
    settings["server"]["prefix"] = "/down/loads"
    with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", 0) as server:
        daemon.add(NOWHERE + "a", {"paused": True})
        page = load(server.url.rstrip("/") + "/")
        wait_for_rows(page, 1)
        page.click("tbody .text", count=2)
        page.until("document.querySelector('[data-key=url] span').textContent")
