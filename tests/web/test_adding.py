"""The box for links: what is added, and what stays in it with a reason."""

import json
from urllib.parse import quote

import pytest

from harness import until
from servers.origin import Gate
from web.steps import DATA, NOWHERE, add_paused, seen, state_of, texts, wait_for_rows

BOX = "document.querySelector('#links').value"


def fill(page, text):
    """Type into the empty box and press Add."""
    page.click("#links")
    page.type(text)
    page.click("#add .primary")


def add_paused_option(page):
    page.click("summary")
    page.click("#options [name=paused]")


def test_add_progress_pause_resume_finish(page, origin, folder):
    gate = Gate(100000)
    origin.put("/film.bin", DATA, script=[gate])
    page.click("#links")
    page.type(origin.url("/film.bin"))
    page.press("Enter")
    page.until("document.querySelector('tbody progress')?.value > 30")
    assert page.run(BOX) == ""
    page.until("/^3\\d% · .* · dlserv$/.test(document.title)")
    page.click(".quick")
    page.until(state_of("film.bin") + " === 'paused'")
    page.until("document.querySelector('td.state').textContent === 'Paused'")
    page.click(".quick")
    page.until(state_of("film.bin") + " === 'finished'")
    assert (folder / "film.bin").read_bytes() == DATA
    page.until("document.querySelector('[data-filter=finished] b').textContent === '1'")
    page.until("document.querySelector('#said').textContent === '1 finished'")
    page.until("document.title === 'dlserv'")


def test_many_links_with_a_pattern_and_options(page, api):
    page.click("#links")
    page.type("# mine\n%sdisk[08-10].zip\n%sother.zip" % (NOWHERE, NOWHERE))
    assert texts(page, "#preview") == ["4 links: %sdisk08.zip … %sother.zip" % (NOWHERE, NOWHERE)]
    assert page.run("document.querySelector('#options [name=filename]').disabled")
    page.click("summary")
    for name, text in (("dir", "films"), ("connections", "2"), ("ratelimit", "1M"), ("headers", "X-One: a:b")):
        page.click("#options [name=%s]" % name)
        page.type(text)
    page.click("#options [name=paused]")
    page.click("#add .primary")
    wait_for_rows(page, 4)
    info = api.get("/task/tid/%s/info" % api.get("/task/list")["detail"][0]["tid"])["detail"]
    assert info["options"] == {"dir": "films", "connections": 2, "ratelimit": 2 ** 20,
                               "headers": {"X-One": "a:b"}, "paused": True}


def test_nothing_that_was_typed_is_lost(page):
    add_paused_option(page)
    fill(page, "%sgood.zip\nmagnet:?xt=urn:btih:1234\nbuy milk\nftp:/typo\n%snew.zip and more words\n"
               "sftp://host/file" % (NOWHERE, NOWHERE))
    wait_for_rows(page, 2)
    page.until("!document.querySelector('#refused').hidden")
    assert page.run(BOX).split("\n") == ["magnet:?xt=urn:btih:1234", "buy milk", "ftp:/typo", "and more words",
                                         "sftp://host/file"]
    told = texts(page, "#refused li")
    assert len(told) == 5
    assert "magnet links are not for dlserv" in told[0] and "this is not a link buy milk" == told[1]
    assert "sftp links are not for dlserv" in told[4]
    page.click("#add .primary")         # nor when it is pressed again
    assert page.run(BOX).count("\n") == 4 and page.run("tasks.size") == 2


@pytest.mark.parametrize("typed,url", [
    ("example.invalid/f.zip", "https://example.invalid/f.zip"), ("localhost:1/a", "https://localhost:1/a"),
    ("[::1]:1/c", "https://[::1]:1/c"),
    ("example.invalid", "https://example.invalid")])
def test_a_host_without_a_scheme_gets_https(page, api, typed, url):
    add_paused_option(page)
    fill(page, typed)
    wait_for_rows(page, 1)
    assert api.status(page.run("view.rows[0].tid"))["url"] == url
    assert page.run(BOX) == "" and seen(page, "#refused li") == []


def test_where_there_is_no_https_it_is_http(page, daemon, api, origin, folder):
    daemon.configure({"download": {"timeout": 0.5}})
    origin.put("/plain.bin", DATA)
    fill(page, origin.url("/plain.bin").partition("//")[2])
    page.until(state_of("plain.bin") + " === 'finished'")
    assert (folder / "plain.bin").read_bytes() == DATA
    assert api.status(page.run("view.rows[0].tid"))["url"] == origin.url("/plain.bin")


def test_what_is_refused_says_why_and_stays_in_the_box(page, api):
    secret = NOWHERE.replace("//", "//me:secret@")
    api.add(secret + "kept.zip", paused=True)
    add_paused(api, "there.zip")
    wait_for_rows(page, 2)
    add_paused_option(page)
    fill(page, "%sthere.zip %snew.zip\n%skept.zip" % (NOWHERE, NOWHERE, secret))
    wait_for_rows(page, 3)
    page.until("!document.querySelector('#refused').hidden")
    told = texts(page, "#refused li")
    assert len(told) == 2 and all("already" in each for each in told)
    assert page.run(BOX).split("\n") == [NOWHERE + "there.zip", secret + "kept.zip"]


def test_what_could_not_be_sent_stays_in_the_box(load, process):
    running = process()
    page = load(running.url + "/")
    page.until("view.known")
    running.kill()
    fill(page, NOWHERE + "late.zip\nbuy milk")
    page.until("document.querySelector('.toast.bad')")
    assert "does not answer" in texts(page, ".toast span")[0]
    page.until("%s === %s" % (BOX, json.dumps(NOWHERE + "late.zip\nbuy milk")))     # the toast may be the stream's


def archived(daemon, api, origin, names):
    """Download these files and remove their tasks, with the archive on; return the URLs."""
    daemon.configure({"general": {"archive": True}})
    urls = []
    for name in names:
        origin.put("/" + name, DATA)
        urls.append(origin.url("/" + name))
        tid = api.add(urls[-1])
        api.reach(tid, "finished")
        api.delete("/task/tid/" + tid)
    return urls


def test_what_was_had_already_is_said_and_offered_again(page, daemon, api, origin):
    old = archived(daemon, api, origin, ["a.zip?token=secret1", "b[1].zip", "c.zip"])
    fill(page, "\n".join([NOWHERE + "new.zip", *old, "magnet:x"]))
    wait_for_rows(page, 1)
    page.until("!document.querySelector('#refused').hidden")
    assert texts(page, ".toast span")[-1] == "1 added." and page.run(BOX) == "magnet:x"
    assert texts(page, "#refused li")[0] == "3 had already been downloaded. Add again"
    assert texts(page, "#refused li")[1].endswith("magnet:x")
    page.run("document.querySelector('#links').value += '\\n%slater.zip'" % NOWHERE)
    page.click("#refused button")
    wait_for_rows(page, 4)
    page.until("[...document.querySelectorAll('.toast span')].at(-1).textContent === '3 added.'")
    assert page.run(BOX) == "magnet:x\n%slater.zip" % NOWHERE, "only those are added that the offer is of"
    assert sorted(task["url"] for task in api.get("/task/list?exerpt=false")["detail"] if "new" not in task["url"]) \
        == sorted(url.replace("secret1", "***") for url in old)
    assert seen(page, "#refused li") == []


def test_links_typed_while_others_are_sent_stay_in_the_box(page):
    page.run("window.real = fetch; fetch = (...all) => String(all[0]).endsWith('batch/add')"
             " ? new Promise(resolve => { window.answer = () => resolve(real(...all)); }) : real(...all)")
    add_paused_option(page)
    fill(page, NOWHERE + "one.zip")
    page.click("#links")
    page.type("buy milk")
    page.click("#add .primary")         # sends nothing twice
    page.run("answer()")
    wait_for_rows(page, 1)
    page.until("%s === 'buy milk'" % BOX)


def test_a_wrong_option_is_told_at_its_field(page):
    page.click("summary")
    page.click("#options [name=checksum]")
    page.type("sha-256=short")
    fill(page, NOWHERE + "a.zip")
    page.until("document.activeElement.matches('[name=checksum][aria-invalid=true]')")
    assert "64 hexadecimal digits" in texts(page, "#at-checksum")[0]
    page.run("document.querySelector('#options [name=checksum]').value = ''")
    page.click("#options [name=headers]")
    page.type("X-One 1")
    page.click("#add .primary")
    page.until("document.activeElement.matches('[name=headers][aria-invalid=true]')")
    assert seen(page, "#at-checksum") == [] and page.run("tasks.size") == 0
    assert page.run(BOX) == NOWHERE + "a.zip"


def test_a_folder_can_be_chosen_from_those_there(page, api, folder):
    (folder / "films" / "2024").mkdir(parents=True)
    api.add(NOWHERE + "a.mp3", paused=True, dir="music")
    page.click("summary")
    page.until("document.querySelectorAll('#folders option').length === 3")
    assert page.run("[...document.querySelector('#options [name=dir]').list.options].map(each => each.value)") \
        == ["films", "films/2024", "music"]


def test_a_link_to_the_page_fills_the_box_and_adds_nothing(load, api):
    page = load(api.url + "/?add=" + quote(NOWHERE + "offered.zip", safe=""))
    page.until("view.known && %s === %s" % (BOX, json.dumps(NOWHERE + "offered.zip")))
    assert page.run("location.search") == ""
    assert api.get("/task/list")["detail"] == []


def test_paste_and_drop(page):
    page.run("(() => { const data = new DataTransfer(); data.setData('text/plain', 'http://a.example/1');"
             " document.body.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true}));"
             " const drop = new DataTransfer();"
             " drop.items.add(new File(['http://a.example/2\\nmagnet:x'], 'list.txt'));"
             " document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: drop, bubbles: true})); })()")
    page.until(BOX + " === 'http://a.example/1\\nhttp://a.example/2\\nmagnet:x'")
    assert "magnet links are not for dlserv" in texts(page, "#refused li")[0]


def test_a_thousand_links_are_added_in_steps(page, api):
    add_paused_option(page)
    fill(page, NOWHERE + "file[0001-1200].bin")
    until(lambda: len(api.get("/task/list")["detail"]) == 1200)
    page.until("tasks.size === 1200 && %s === ''" % BOX)
    assert "1200 added." in texts(page, ".toast span")
