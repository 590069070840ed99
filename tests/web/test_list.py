"""The list: order, names, sizes, selection, the keyboard."""

import json
import re
import threading

from harness import PATIENCE, until
from servers.origin import Gate, chunked
from web.steps import DATA, NAMES, NOWHERE, add_paused, choose, seen, state_of, texts, wait_for_rows

SELECTED = "[...selected].map(tid => tasks.get(tid).name).sort().join()"


def test_filter_search_sort(page, api):
    add_paused(api, "pear.zip", "apple.zip", "fig.zip")
    api.add(NOWHERE + "plum.zip", retries=0)
    page.until("document.querySelector('[data-filter=invalid] b').textContent === '1'")
    page.click("[data-filter=paused]")
    page.until("document.querySelectorAll('tbody tr').length === 3")
    page.click("th.name button")
    page.until(NAMES + "[0] === 'apple.zip'")
    page.click("th.name button")
    page.until(NAMES + "[0] === 'pear.zip'")
    assert page.run("document.querySelector('th.name').ariaSort") == "descending"
    page.press("/")
    page.type("IG.Z")
    page.until(NAMES + ".join() === 'fig.zip'")
    page.type("x")
    page.until("document.querySelector('#no-match').offsetParent")
    page.click("#no-match button")
    wait_for_rows(page, 4)
    page.go(api.url + "/")
    page.until(NAMES + "[0] === 'plum.zip'")        # the order is kept


def test_names_keep_their_extensions(page, api, origin):
    origin.put("/film.mkv", DATA)
    origin.put("/film.srt", DATA[:1000])
    api.reach(api.add(origin.url("/film.mkv")), "finished")
    api.add(origin.url("/film.srt"), paused=True)
    wait_for_rows(page, 2)
    assert texts(page, "tbody .text") == ["film.srt", "film.mkv"]
    assert page.run("document.querySelector('tbody input').ariaLabel") == "Select film.srt"
    assert page.run("document.querySelector('.quick').title") == "Resume: film.srt"
    page.click("tbody tr", count=2)
    page.until("document.querySelector('#details h2').textContent === 'film.srt'")
    page.press("Delete")
    page.until("document.querySelector('#remove').open")
    assert texts(page, "#remove .names li") == ["film.srt"]


def test_a_hostile_name_stays_text(page, api):
    api.add(NOWHERE + "a", filename="<img src=x onerror=alert(1)>.<b>", paused=True)
    wait_for_rows(page, 1)
    assert texts(page, "tbody .text") == ["_img src=x onerror=alert(1)_._b_"]      # as the file will be called
    page.press("ArrowDown", "Enter")
    page.until("document.querySelector('#details dd')?.offsetParent")
    assert page.run("document.querySelectorAll('table img, #details img, b[onerror]').length") == 0


def test_unknown_sizes_are_told_so_far_and_sorted_last(page, api, origin):
    opened = threading.Event()
    stream = chunked(piece for piece in (DATA[:100000], b"rest") if piece != b"rest" or opened.wait(PATIENCE))
    origin.put("/stream.bin", DATA, script=[stream])
    origin.put("/known.bin", DATA, script=[Gate(150000)])
    for name in ("/stream.bin", "/known.bin"):
        api.add(origin.url(name), connections=1)
    add_paused(api, "none.bin")
    page.until("view.rows.length === 3 && view.rows.filter(task => task.downloaded_bytes > 50000).length === 2")
    page.until("document.querySelector('progress:indeterminate')")
    cells = {name: page.run("[...[...document.querySelectorAll('tbody tr')].find(tr => tr.textContent.includes(%s))"
                            ".querySelectorAll('.part, .total_bytes, .eta')].map(each => each.textContent)"
                            % json.dumps(name)) for name in ("stream", "known", "none")}
    assert re.fullmatch(r"\d+(\.\d)? KiB so far", cells["stream"][0]) and cells["stream"][1:] == ["–", "–"]
    assert cells["known"][1].endswith(" of 293 KiB")
    assert cells["none"] == ["0.0%", "–", ""]
    for way in ("ascending", "descending"):
        page.click("th.total_bytes button")
        page.until("document.querySelector('th.total_bytes').ariaSort === '%s' && %s[0] === 'known.bin'" % (way, NAMES))
    opened.set()


def test_clicks_select_as_in_a_file_manager(page, api):
    add_paused(api, *"abcde")
    wait_for_rows(page, 5)
    page.click("tbody .text", 1)
    page.until(SELECTED + " === 'b'")
    page.click("tbody .text", 3, modifiers=["Control"])
    page.until(SELECTED + " === 'b,d'")
    page.click("tbody .state", 3, modifiers=["Control"])
    page.until(SELECTED + " === 'b'")
    page.click("tbody .text", 0)
    page.click("tbody .text", 2, modifiers=["Shift"])
    page.until(SELECTED + " === 'a,b,c'")
    page.click("tbody .select", 4)
    page.until(SELECTED + " === 'a,b,c,e'")
    page.click("tbody .part", 3)
    page.until(SELECTED + " === 'd'")
    assert not page.run("document.querySelector('#details').offsetParent")
    page.click("tbody .text", 2, count=2)
    page.until("document.querySelector('#details h2').textContent === 'c'")
    page.click("#acts .none")
    page.until("document.querySelector('#acts').hidden && !selected.size")


def test_the_row_has_a_menu_and_so_has_a_right_click(page, api):
    add_paused(api, "a.zip", "b.zip")
    wait_for_rows(page, 2)
    page.click("tbody .menu", 1)
    page.until("document.activeElement.textContent === 'Details'")
    items = texts(page, "#menu button")
    assert items[:2] == ["Details", "Resume"] and items[-1] == "Remove" and "Copy link" in items
    page.press("ArrowUp")
    assert page.run("document.activeElement.textContent") == "Remove"
    page.press("Escape")
    page.until("document.querySelector('#menu').hidden && document.activeElement.matches('.menu')")
    page.click("tbody .text", 0, button="right")
    page.until("!document.querySelector('#menu').hidden")
    assert page.run(SELECTED) == "a.zip"
    choose(page, "Details")
    page.until("document.querySelector('#details h2').textContent === 'a.zip'")


def test_keyboard_only(page, api):
    page.press("n")
    page.type(NOWHERE + "[1-5]")
    page.press("Tab", "Tab", "Enter", *["Tab"] * 6)
    page.until("document.activeElement.matches('#options [name=paused]')")
    page.press(" ", *["Shift+Tab"] * 7)
    page.until("document.activeElement.matches('#add .primary')")
    page.press("Enter")
    wait_for_rows(page, 5)
    page.press("Escape", "ArrowDown", "Shift+ArrowDown")
    assert page.run("selected.size") == 2
    page.press("j", " ")
    assert page.run("selected.size") == 3
    page.press("p", "Control+a", "Escape")
    assert page.run("selected.size") == 0
    page.press("Enter")
    page.until("document.activeElement.id === 'details'")
    page.press("Escape")
    page.until("!document.querySelector('#details').offsetParent && document.activeElement.matches('tr')")
    page.press("Delete")
    page.until("document.querySelector('#remove').open")
    page.press("Enter")
    wait_for_rows(page, 4)
    page.press("?")
    page.until("document.querySelector('#help').open")
    page.click("#help [name=singleKeys]")
    page.press("Escape", "n")
    assert page.run("document.activeElement.id") != "links"


def test_ends_are_told_and_failures_are_called_failed(page, api, origin):
    api.add(origin.url("/none.zip"))
    page.until(state_of("none.zip") + " === 'invalid'")
    page.until("document.querySelector('#said').textContent === '1 failed'")
    assert seen(page, "td.state") == ["Failed"]
    assert "invalid" not in page.run("document.body.innerText").lower()
    until(lambda: "404" in texts(page, "td .reason")[0])
