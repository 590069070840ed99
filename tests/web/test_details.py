"""The details of a task: beside the list or in a dialog, what they tell, and a fresh link."""

import threading

from harness import PATIENCE, until
from servers.origin import OLD, Gate
from web.steps import DATA, NOWHERE, add_paused, choose, seen, state_of, texts, wait_for_rows


def value(key):
    return "document.querySelector('[data-key=%s]')?.offsetParent && " \
           "document.querySelector('[data-key=%s] span').textContent" % (key, key)


def open_details(page, index=0):
    page.click("tbody .text", index, count=2)
    page.until("document.querySelector('#details .acts button')?.offsetParent")


def test_a_failed_task_gets_a_fresh_link_and_goes_on(page, api, origin):
    origin.put("/film.bin", DATA)
    tid = api.add(origin.url("/gone.bin"))
    api.reach(tid, "invalid")
    page.until(state_of("gone.bin") + " === 'invalid'")
    open_details(page)
    page.until("document.querySelector('.log li')")
    assert "404" in texts(page, "#details .reason")[0] and "404" in texts(page, ".log li")[0]
    assert texts(page, "#details .state") == ["Failed"]
    choose(page, "Fresh link or limits", "#details")
    page.until("document.activeElement.name === 'url'")
    assert texts(page, "#change .buttons button") == ["Cancel", "Save and resume", "Save"]
    page.type(origin.url("/film.bin"))
    page.press("Enter")
    page.until("!document.querySelector('#change').open")
    page.until("(%s || '').startsWith('sha-256=')" % value("checksum"))
    assert api.status(tid)["state"] == "finished"


def test_limits_are_filled_in_and_changed(page, api):
    tid = api.add(NOWHERE + "a.bin", paused=True, ratelimit=2 ** 20, dir="films", connections=2)
    wait_for_rows(page, 1)
    page.click("tbody .menu")
    choose(page, "Fresh link or limits")
    page.until("document.querySelector('#change').open")
    held = page.run("[...document.querySelectorAll('#change [name]')].map(each => each.name + '=' + each.value)")
    assert held == ["url=", "filename=", "dir=films", "ratelimit=1 MiB", "connections=2", "priority="]
    page.run("Object.assign(document.querySelector('#change [name=connections]'), {value: ''})")
    page.run("Object.assign(document.querySelector('#change [name=ratelimit]'), {value: '1.5M'})")
    page.run("Object.assign(document.querySelector('#change [name=dir]'), {value: 'series'})")
    page.click("#change [value=save]")
    page.until("!document.querySelector('#change').open")
    options = api.get("/task/tid/%s/info" % tid)["detail"]["options"]
    assert options == {"paused": True, "ratelimit": 3 * 2 ** 19, "dir": "series"}
    assert api.status(tid)["state"] == "paused"


def test_they_tell_of_the_file_as_soon_as_it_is_known(page, api, origin):
    answered = threading.Event()
    origin.put("/film.bin", DATA, script=[lambda exchange: (answered.wait(PATIENCE), exchange.answer())])
    tid = api.add(origin.url("/film.bin"), ratelimit=100000, paused=True, headers={"X-One": "a", "X-Two": "b"})
    wait_for_rows(page, 1)
    open_details(page)
    api.put("/task/tid/%s?act=resume" % tid)
    page.until("document.querySelector('#details .state').textContent === 'Downloading'")
    assert not page.run(value("last_modified"))
    answered.set()
    page.until(value("last_modified") + " === '%s'" % OLD)
    page.until("/^\\d+\\.\\d%, .* of 293 KiB · .*\\/s · .* left$/"
               ".test(document.querySelector('#details .summary').textContent)")
    rows = dict(zip(texts(page, ".given dt"), texts(page, ".given dd")))
    assert rows == {"ratelimit": "97.7 KiB/s", "paused": "yes", "headers": "X-One: a\nX-Two: b"}
    page.until("document.querySelector('#details canvas').offsetParent"
               " && / at most$/.test(document.querySelector('#details canvas').ariaLabel)")


def test_they_lie_beside_the_list_and_follow_it(page, api):
    add_paused(api, "a.zip", "b.zip", "c.zip")
    wait_for_rows(page, 3)
    open_details(page)
    assert page.run("document.querySelector('#list').getBoundingClientRect().right"
                    " < document.querySelector('#details').getBoundingClientRect().left")
    page.click("tbody .text", 1)
    page.until("document.querySelector('#details h2').textContent === 'b.zip'")
    page.press("ArrowDown")
    page.until("document.querySelector('#details h2').textContent === 'c.zip'")
    page.resize(800, 800)
    page.until("document.querySelector('#sheet').open && document.querySelector('#sheet #details').offsetParent")
    page.resize(1280, 800)
    page.until("!document.querySelector('#sheet').open && document.querySelector('#aside #details').offsetParent")
    page.click("#details [data-close]")
    page.until("!document.querySelector('#details').offsetParent")


def test_a_finished_file_is_saved_first_and_removed_last(page, api, origin):
    origin.put("/film.mp4", DATA)
    api.reach(api.add(origin.url("/film.mp4")), "finished")
    page.until(state_of("film.mp4") + " === 'finished'")
    open_details(page)
    acts = texts(page, "#details .acts button")
    assert acts[:2] == ["Save", "Play or show"] and acts[-2:] == ["Restart", "Remove"]
    choose(page, "Remove", "#details .acts")
    page.until("document.querySelector('#remove').open")
    page.press("Enter")
    wait_for_rows(page, 0)
    page.until("!document.querySelector('#details').offsetParent")


def test_the_log_is_in_view(page, api, origin):
    origin.put("/half.bin", DATA, script=[Gate(1000)])
    api.add(origin.url("/half.bin"))
    page.until("view.rows[0]?.downloaded_bytes")
    open_details(page)
    page.until("document.querySelector('.log').getBoundingClientRect().top < innerHeight - 100")
    assert seen(page, "#details h3")[0] == "Log"


def test_the_curve_of_the_speed_survives_a_reload(page, api, origin):
    origin.put("/quick.bin", DATA)
    api.reach(api.add(origin.url("/quick.bin")), "finished")
    until(lambda: any(api.get("/stats?history=true")["history"]["speed"]))
    page.go(api.url + "/")
    page.until("/, [1-9].*\\/s at most$/.test(document.querySelector('#graph').ariaLabel)")
