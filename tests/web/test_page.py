"""The page in a real browser, against a real daemon: what a person can do with it."""

import json
import threading
from urllib.parse import quote

import pytest

from harness import PATIENCE, Api, noise, until
from servers.origin import Gate, paced

from dlserv import Daemon, Server

NOWHERE = "http://127.0.0.1:1/"
DATA = noise(300000)


def state_of(title):
    return "[...tasks.values()].find(task => task.title === %s)?.state" % json.dumps(title)


def texts(page, selector):
    return page.run("[...document.querySelectorAll(%s)].map(each => each.textContent)" % json.dumps(selector))


def add_paused(api, *names):
    for name in names:
        api.add(NOWHERE + name, paused=True)


def wait_for_rows(page, count):
    page.until("view.length === %d && body.children.length === %d" % (count, count))


# -- adding -----------------------------------------------------------------------------

def test_add_progress_pause_resume_finish(page, origin, folder):
    gate = Gate(100000)
    origin.put("/film.bin", DATA, script=[gate])
    page.click("#links")
    page.type(origin.url("/film.bin"))
    page.press("Enter")
    page.until("document.querySelector('tbody progress')?.value > 30")
    assert page.run("document.querySelector('#links').value") == ""
    page.until("/^3\\d% · .* · dlserv$/.test(document.title)")
    page.click(".quick")
    page.until(state_of("film") + " === 'paused'")
    page.until("document.querySelector('td.state').textContent === 'Paused'")
    page.click(".quick")
    page.until(state_of("film") + " === 'finished'")
    assert (folder / "film.bin").read_bytes() == DATA
    page.until("document.querySelector('[data-filter=finished] b').textContent === '1'")
    page.until("document.querySelector('#said').textContent === '1 finished'")
    page.until("document.title === 'dlserv'")


def test_many_links_with_a_pattern_and_options(page, api):
    page.click("#links")
    page.type("# mine\n%sdisk[08-10].zip\n%sother.zip" % (NOWHERE, NOWHERE))
    assert texts(page, "#preview") == ["4 links: %sdisk08.zip … %sother.zip" % (NOWHERE, NOWHERE)]
    assert page.run("document.querySelector('#option-filename').disabled")
    page.click("summary")
    for name, text in (("dir", "films"), ("connections", "2"), ("ratelimit", "1M"), ("headers", "X-One: a:b")):
        page.click("#option-" + name)
        page.type(text)
    page.click("#option-paused")
    page.click(".primary")
    wait_for_rows(page, 4)
    info = api.get("/task/tid/%s/info" % api.get("/task/list")["detail"][0]["tid"])["detail"]
    assert info["options"] == {"dir": "films", "connections": 2, "ratelimit": 2 ** 20,
                               "headers": {"X-One": "a:b"}, "paused": True}


def test_what_is_refused_says_why_and_stays_in_the_box(page, api):
    add_paused(api, "there.zip")
    wait_for_rows(page, 1)
    page.click("#links")
    page.type("%sthere.zip %snew.zip" % (NOWHERE, NOWHERE))
    page.click("summary")
    page.click("#option-paused")
    page.click(".primary")
    wait_for_rows(page, 2)
    page.until("!document.querySelector('#refused').hidden")
    assert "there.zip" in texts(page, "#refused li")[0]
    assert page.run("document.querySelector('#links').value") == NOWHERE + "there.zip"


def test_a_wrong_option_is_told_at_its_field(page):
    page.run("fillBox('%sa.zip')" % NOWHERE)
    page.click("summary")
    page.click("#option-checksum")
    page.type("sha-256=short")
    page.click(".primary")
    page.until("document.activeElement.matches('#option-checksum[aria-invalid=true]')")
    assert "64 hexadecimal digits" in texts(page, "#option-checksum-error")[0]
    page.run("document.querySelector('#option-checksum').value = ''")
    page.click("#option-headers")
    page.type("X-One 1")
    page.click(".primary")
    page.until("document.activeElement.matches('#option-headers[aria-invalid=true]')")
    assert page.run("tasks.size") == 0


def test_a_link_to_the_page_fills_the_box_and_adds_nothing(visit, api):
    page = visit(api.url + "/?add=" + quote(NOWHERE + "offered.zip", safe=""))
    page.until("known && document.querySelector('#links').value === %s" % json.dumps(NOWHERE + "offered.zip"))
    assert page.run("location.search") == ""
    assert api.get("/task/list")["detail"] == []


def test_paste_and_drop(page):
    page.run("(() => { const data = new DataTransfer(); data.setData('text/plain', 'http://a.example/1');"
             " document.body.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true}));"
             " const drop = new DataTransfer();"
             " drop.items.add(new File(['http://a.example/2\\n'], 'list.txt'));"
             " document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: drop, bubbles: true})); })()")
    page.until("document.querySelector('#links').value === 'http://a.example/1\\nhttp://a.example/2'")


# -- the list ---------------------------------------------------------------------------

def test_filter_search_sort(page, api):
    add_paused(api, "pear.zip", "apple.zip", "fig.zip")
    api.add(NOWHERE + "plum.zip", retries=0)
    page.until("document.querySelector('[data-filter=invalid] b').textContent === '1'")
    page.click("[data-filter=paused]")
    page.until("body.children.length === 3")
    page.click("th.title button")
    page.until("body.querySelector('.name').textContent === 'apple'")
    page.click("th.title button")
    page.until("body.querySelector('.name').textContent === 'pear'")
    assert page.run("document.querySelector('th.title').ariaSort") == "descending"
    page.press("/")
    page.type("IG")
    page.until("body.children.length === 1 && body.querySelector('.name').textContent === 'fig'")
    page.type("x")
    page.until("!document.querySelector('#empty').hidden")
    page.click("#empty button")
    page.until("body.children.length === 4")
    page.go(api.url + "/")
    page.until("known && body.querySelector('.name')?.textContent === 'plum'")       # the order is kept


def test_a_hostile_title_stays_text(page, api):
    api.add(NOWHERE + "a", filename="<img src=x onerror=alert(1)>.<b>", paused=True)
    wait_for_rows(page, 1)
    assert texts(page, "tbody .name") == ["<img src=x onerror=alert(1)>"]
    page.press("ArrowDown", "Enter")
    page.until("document.querySelector('dialog.details dd')")
    assert page.run("document.querySelectorAll('main img, dialog img, b[onerror]').length") == 0


def test_ten_thousand_tasks(page, daemon):
    daemon.add_all([(NOWHERE + "file-%05d.bin" % number, {"paused": True}, ()) for number in range(10000)])
    page.until("tasks.size === 10000 && view.length === 10000")
    assert page.run("body.children.length") < 60
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
    assert page.run("body.lastChild.ariaRowIndex") == "10001"
    tid = page.run("body.lastChild.dataset.tid")
    page.run("window.touched = new Set(); new MutationObserver(changes => changes.forEach(change => {"
             " const tr = change.target.parentElement.closest('tr') || change.target;"
             " touched.add(tr.dataset?.tid || tr.tagName); })).observe(body,"
             " {subtree: true, childList: true, characterData: true, attributes: true})")
    page.run("take({...tasks.get(%s), downloaded_bytes: 5000, percent: '5.0%%'}), paint()" % json.dumps(tid))
    page.until("touched.size")
    assert page.run("[...touched]") == [tid]
    page.press("Home")
    page.until("document.activeElement.ariaRowIndex === '2' && scrollY < 200")
    page.press("Control+a")
    page.until("document.querySelector('.chosen').textContent === '10000 selected'")


# -- acts -------------------------------------------------------------------------------

def test_select_a_range_and_delete_with_files(page, api, origin, folder):
    names = ["one.bin", "two.bin", "three.bin"]
    for name in names:
        origin.put("/" + name, DATA)
        api.reach(api.add(origin.url("/" + name)), "finished")
    wait_for_rows(page, 3)
    page.click("td.select")
    page.click("td.select", 1, modifiers=["Shift"])
    page.until("document.querySelector('.chosen').textContent === '2 selected'")
    chosen = page.run("[...selected].map(tid => tasks.get(tid).filename)")
    page.click("#acts [data-act=delete]")
    page.click("#delete-files")
    page.until("document.querySelectorAll('.files li').length === 2")
    assert sorted(texts(page, ".files li")) == sorted(chosen)
    page.click(".danger")
    wait_for_rows(page, 1)
    page.until("document.activeElement.dataset.tid === view[0].tid")
    until(lambda: [path.name for path in folder.iterdir()] == [name for name in names if name not in chosen])


def test_nothing_is_deleted_before_its_files_are_named(page, api):
    add_paused(api, "one.zip")
    wait_for_rows(page, 1)
    page.run("filesOf = () => new Promise((resolve, reject) => Object.assign(window, {resolve, reject})), 0")
    page.press("ArrowDown", "Delete")
    page.click("#delete-files")
    page.click(".danger")
    assert texts(page, ".delete .note") == ["Connecting…"]
    page.run("resolve(['one.zip.part'])")
    page.until("document.querySelector('.files li')?.textContent === 'one.zip.part'")
    page.press("Escape", "Delete")
    page.run("reject(new Trouble('it is gone'))")
    page.until("!document.querySelector('dialog') && document.querySelector('.toast.bad')")
    assert page.run("tasks.size") == 1


def test_the_part_file_is_named_before_it_is_deleted(page, api, origin):
    origin.put("/big.bin", DATA, script=[Gate(100000)])
    tid = api.add(origin.url("/big.bin"))
    until(lambda: api.status(tid)["downloaded_bytes"])
    page.until("view[0]?.downloaded_bytes")
    assert files_that_go(page) == [api.status(tid)["tmpfilename"]]


def test_so_is_the_file_that_a_restart_has_not_replaced_yet(page, api, origin, folder):
    origin.put("/big.bin", DATA)
    tid = api.add(origin.url("/big.bin"))
    api.reach(tid, "finished")
    origin.put("/big.bin", DATA, script=[Gate(100000)])
    api.put("/task/tid/%s?act=restart" % tid)
    until(lambda: api.status(tid)["downloaded_bytes"] == 100000)
    page.until("view[0]?.state === 'downloading'")
    assert files_that_go(page) == ["big.bin", "big.bin.part"]
    removed = api.delete("/task/tid/%s?del_file=true" % tid)["detail"]
    assert sorted(removed["deleted"]) == ["big.bin", "big.bin.part"] and not list(folder.iterdir())


def files_that_go(page):
    """What the dialog says would be deleted with the only task."""
    page.press("ArrowDown", "Delete")
    page.click("#delete-files")
    page.until("document.querySelector('.files li')")
    names = texts(page, ".files li")
    page.press("Escape")
    page.until("!document.querySelector('dialog') && document.activeElement.dataset.tid")
    return names


def test_move_in_the_queue(page, api):
    add_paused(api, "a", "b", "c", "d")
    wait_for_rows(page, 4)
    page.click("td.select", 2)
    page.click("td.select", 3)
    order = "[...body.querySelectorAll('.name')].map(each => each.textContent).join('')"
    page.click("#acts [data-act=up]")
    page.until(order + " === 'acdb'")
    page.click("#acts [data-act=top]")
    page.until(order + " === 'cdab'")
    page.press("Alt+ArrowUp", "Alt+End")
    page.until(order + " === 'abcd'")


def test_details_change_and_log(page, api, origin):
    origin.put("/film.bin", DATA)
    tid = api.add(origin.url("/gone.bin"))
    api.reach(tid, "invalid")
    page.until("document.querySelector('.open')")
    page.click(".open")
    page.until("document.querySelector('.log li')")
    assert "404" in page.run("document.querySelector('[data-key=error]').textContent")
    assert "404" in texts(page, ".log li")[0]
    page.run("[...document.querySelectorAll('.details .acts button')].pop().click()")
    page.type(origin.url("/film.bin"))
    page.press("Enter")
    page.until("!document.querySelector('dialog.change')")
    page.click(".details .acts button")      # Resume
    page.until("document.querySelector('[data-key=checksum] span')?.textContent.startsWith('sha-256=')")
    assert api.status(tid)["state"] == "finished"


def test_details_tell_of_the_file_as_soon_as_it_is_known(page, api, origin):
    answered = threading.Event()
    origin.put("/film.bin", DATA, script=[lambda exchange: (answered.wait(PATIENCE), exchange.answer())])
    tid = api.add(origin.url("/film.bin"), ratelimit=100000, paused=True)
    wait_for_rows(page, 1)
    page.click(".open")
    page.until("document.querySelector('[data-key=url]')")
    api.put("/task/tid/%s?act=resume" % tid)
    page.until("document.querySelector('.details [data-key=state]').textContent === 'Downloading'")
    assert not page.run("document.querySelector('[data-key=etag]')")
    answered.set()
    page.until("document.querySelector('[data-key=etag]')?.textContent === '\"v1\"'")
    assert texts(page, ".details [data-key=state]") == ["Downloading"]


def test_a_picture_is_shown(page, api, origin):
    origin.put("/dot.svg.png", bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
        "0000000a49444154789c63000100000500010d0a2db40000000049454e44ae426082"),
        headers={"Content-Type": "image/png"})
    api.reach(api.add(origin.url("/dot.svg.png")), "finished")
    page.until("view[0]?.state === 'finished'")
    page.run("perform('show', view)")
    page.until("document.querySelector('.player img')?.naturalWidth === 1")


def test_settings_and_their_errors(page, daemon):
    page.run("Promise.all([openSettings(), openSettings()]).then(() => 0)")     # as a double click does
    page.until("document.querySelectorAll('dialog').length === 1")
    page.run("toast('in nobody\\'s way')")
    assert not page.run("document.querySelector('#server-port, #general-db_path')")
    page.run("document.querySelector('#download-max_concurrent').value = '0'")
    page.click("dialog .primary")
    page.until("document.activeElement.matches('#download-max_concurrent[aria-invalid=true]')")
    assert "0" in texts(page, "#download-max_concurrent-error")[0]
    page.run("document.querySelector('#download-max_concurrent').value = '2'")
    page.run("document.querySelector('#download-ratelimit').value = '2M'")
    page.run("document.querySelector('#download-hash').checked = false")
    page.run("document.querySelector('#download-allow_hosts').value = 'a.example, .b.example'")
    page.click("dialog .primary")
    page.until("!document.querySelector('dialog')")
    download = daemon.config.download
    assert (download.max_concurrent, download.ratelimit, download.hash) == (2, 2 ** 21, False)
    assert list(download.allow_hosts) == ["a.example", ".b.example"]


# -- the keyboard alone -----------------------------------------------------------------

def test_keyboard_only(page, api):
    page.press("n")
    page.type(NOWHERE + "[1-5]")
    page.press("Tab", "Tab", "Enter", *["Tab"] * 6)
    page.until("document.activeElement.id === 'option-paused'")
    page.press(" ", *["Shift+Tab"] * 7)
    page.until("document.activeElement.matches('.primary')")
    page.press("Enter")
    wait_for_rows(page, 5)
    page.press("Escape", "ArrowDown", "Shift+ArrowDown")
    assert page.run("selected.size") == 2
    page.press("j", " ")
    assert page.run("selected.size") == 3
    page.press("p", "Control+a", "Escape")
    assert page.run("selected.size") == 0
    page.press("Enter")
    page.until("document.querySelector('dialog.details h3')")
    page.press("Escape", "Delete")
    page.until("document.activeElement.id === 'delete-files'")
    page.press("Enter")
    wait_for_rows(page, 4)
    page.press("?")
    page.until("document.querySelector('dialog.help kbd')")
    page.click("#page-singleKeys")
    page.press("Escape", "n")
    assert page.run("document.activeElement.id") != "links"


# -- trouble ----------------------------------------------------------------------------

def test_it_comes_back_after_a_restart(visit, process):
    first = process()
    port = first.url.rpartition(":")[2]
    tid = first.api.add(NOWHERE + "kept.zip", paused=True)
    page = visit(first.url + "/")
    wait_for_rows(page, 1)
    page.click(".open")
    page.until("document.querySelector('[data-key=url]')")
    first.kill()
    page.until("!document.querySelector('#offline').hidden")
    second = process("--port", port)
    second.api.add(NOWHERE + "more.zip", paused=True)
    second.api.request("PATCH", "/task/tid/" + tid, {"options": {"filename": "better.zip"}})
    page.run("wake()")
    wait_for_rows(page, 2)
    page.until("document.querySelector('.details h2').textContent === 'better'")
    assert page.run("document.querySelector('#offline').hidden")


def test_a_token_is_asked_for(visit, settings):
    settings["server"]["token"] = "s3cret"
    with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", 0) as server:
        page = visit(server.url + "/")
        page.until("document.activeElement.id === 'token'")
        page.type("wrong")
        page.press("Enter")
        page.until("document.querySelector('#token-error').textContent.startsWith('this is not the token')")
        with Api(server.url) as stranger:
            until(lambda: stranger.get("/stats", Authorization="Bearer guess").status == 429)
        page.press("Enter")
        page.until("document.querySelector('#token-error').textContent.startsWith('too many wrong tokens')")
        page.run("document.activeElement.select()")
        page.type("s3cret")
        page.press("Enter")
        page.until("known && !document.querySelector('dialog')")
        page.until("performance.getEntriesByType('resource')"
                   ".some(each => each.initiatorType === 'xmlhttprequest')")
        assert page.run("fetch('stats').then(reply => reply.status)") == 200    # links and films work too


def test_it_works_below_a_prefix(visit, settings):
    settings["server"]["prefix"] = "/down/loads"
    with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", 0) as server:
        daemon.add(NOWHERE + "a", {"paused": True})
        page = visit(server.url.rstrip("/") + "/")
        wait_for_rows(page, 1)
        page.click(".open")
        page.until("document.querySelector('dialog dd')")


# -- accessibility ----------------------------------------------------------------------

@pytest.mark.parametrize("scheme,width", [("light", 1280), ("dark", 320)])
def test_axe_finds_nothing(visit, api, origin, axe, scheme, width):
    origin.put("/film.bin", DATA, script=[paced(20000)] * 9)
    origin.put("/done.bin", DATA)
    done = api.add(origin.url("/done.bin"))
    api.reach(done, "finished")
    add_paused(api, *["disk%d.zip" % number for number in range(9)])
    api.add(origin.url("/gone.bin"))
    api.add(origin.url("/film.bin"))
    page = visit(api.url + "/", width=width, scheme=scheme)
    page.until("body.children.length === 12 && inState('invalid').length")
    page.run(axe + ";0")

    def check():
        found = page.run("axe.run().then(found => found.violations.map(each => each.id + ': '"
                         " + each.nodes.map(node => node.html + ' ' + node.any.map(any => any.message))))")
        assert found == []

    check()
    page.run("selectAll(true)")
    page.run("fillBox('http://a.example/[1-9]'); document.querySelector('#options').open = true")
    check()
    assert page.run("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    for opened in ("openDetails('%s')" % done, "perform('delete', view)", "openSettings()", "openHelp()",
                   "askChange(view)"):
        page.run(opened)
        page.until("document.querySelector('dialog .body').textContent.length > 60")
        check()
        page.run("document.querySelector('dialog').close()")
    page.run("toast('An error', true), showOnly('queued'), paint()")
    check()
    page.run("[...tasks.keys()].forEach(forget), showOnly('all'), paint()")
    check()
