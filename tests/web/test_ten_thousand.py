"""Ten thousand tasks in the list: which rows are in the document, and what they cost."""

import json

import pytest

from web.conftest import EXPOSE
from web.steps import NOWHERE


@pytest.fixture
def daemon(site):
    """The module's daemon; its tasks stay from one test to the next."""
    return site[1]


def fill(daemon):
    """Add ten thousand tasks, unless they are there."""
    if not daemon.list():
        daemon.add_all([(NOWHERE + "file-%05d.bin" % number, {"paused": True}, ()) for number in range(10000)])


def test_ten_thousand_tasks(load, daemon, api):
    page = load(api.url + "/")
    page.until("view.known")
    fill(daemon)
    page.until("tasks.size === 10000 && view.rows.length === 10000")
    assert page.run("document.querySelectorAll('tbody tr').length") < 60
    slowest = page.run("""(async () => {
        let slowest = 0;
        for (let step = 1; step <= 30; step += 1) {
            scrollTo(0, step * document.documentElement.scrollHeight / 30);
            await new Promise(requestAnimationFrame);
            const began = performance.now();
            paint();
            slowest = Math.max(slowest, performance.now() - began);
        }
        return slowest;
    })()""")
    assert slowest < 100
    assert page.run("document.querySelector('tbody').lastChild.ariaRowIndex") == "10001"
    tid = page.run("document.querySelector('tbody').lastChild.dataset.tid")
    page.run("window.touched = new Set(); new MutationObserver(changes => changes.forEach(change => {"
             " const tr = change.target.parentElement.closest('tr') || change.target;"
             " touched.add(tr.dataset?.tid || tr.tagName); })).observe(document.querySelector('tbody'),"
             " {subtree: true, childList: true, characterData: true, attributes: true})")
    page.run("take({...tasks.get(%s), downloaded_bytes: 5000, percent: '5.0%%'}), paint()" % json.dumps(tid))
    page.until("touched.size")
    assert page.run("[...touched]") == [tid]
    page.press("Home")
    page.until("document.activeElement.ariaRowIndex === '2' && scrollY < 200")
    page.press("Control+a")
    page.until("document.querySelector('.count').textContent === '10000 selected'")


def test_ten_thousand_rows_cost_the_first_second_little(visit, daemon, api):
    fill(daemon)
    page = visit("about:blank")
    page.call("Performance.enable", timeDomain="threadTicks")   # processor time: the tests beside do not count
    page.go(api.url + "/")
    page.run(EXPOSE)
    page.until("tasks.size === 10000 && document.querySelectorAll('tbody tr').length > 10")
    spent = {each["name"]: each["value"] for each in page.call("Performance.getMetrics")["metrics"]}
    assert 0 < spent["TaskDuration"] < 1       # seconds; it is 0.15
    page.until("document.querySelector('[data-filter=all] b').textContent === '10000'")
