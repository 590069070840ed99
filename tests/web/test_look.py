"""The looks of the page: accessible in every state, on phones and tablets, with the system's few colours."""

import json

import pytest

from harness import until
from servers.origin import Gate, paced
from web.steps import DATA, add_paused, seen, wait_for_rows

# Texts that are wider than the element that shows them, but for names and reasons, which may be long.
CUT = ("[...document.querySelectorAll('body *')].filter(each => each.offsetParent && each.textContent.trim()"
       " && !each.children.length && !each.closest('.text, .reason, .unseen, option, dialog:not([open])')"
       " && each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).display !== 'inline')"
       ".map(each => each.className + ': ' + each.textContent)")
# Buttons of the bar that cannot be clicked where they are.
COVERED = ("[...document.querySelectorAll('#acts button:not([hidden])')].filter(each => {"
           " const {x, y, width, height} = each.getBoundingClientRect();"
           " return !each.contains(document.elementFromPoint(x + width / 2, y + height / 2)); })"
           ".map(each => each.title)")
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
DIALOGS = {
    "details": "openDetails(view.rows.at(-1).tid)", "remove": "perform('delete', view.rows)",
    "settings": "openSettings().then(() => { for (const each of document.querySelectorAll('#settings details'))"
                " each.open = true; })",
    "help": "openHelp(), 0", "change": "perform('change', [view.rows[0]])",
    # A film of noise ends the player: not before it was looked at.
    "player": "Promise.resolve(perform('show', view.rows.slice(-1))).then(() => {"
              " document.querySelector('#player .body > *').onerror = null; })",
}


@pytest.fixture
def world(api, origin):
    """Tasks in each state, more than fit a screen; returns how many."""
    return add_world(api, origin, 9)


def add_world(api, origin, paused):
    """Add so many paused tasks and one in each other state; return how many that are."""
    origin.put("/film.bin", DATA, script=[paced(20000)] * 9)
    origin.put("/done.mp4", DATA)
    api.reach(api.add(origin.url("/done.mp4")), "finished")
    add_paused(api, *["disk%d.zip" % number for number in range(paused)])
    api.add(origin.url("/a name that is rather long and fits on no telephone, whichever way it is held.zip"
                       .replace(" ", "%20")))
    api.add(origin.url("/film.bin"))
    return paused + 3


def check(page, within="document", only=()):
    """Let axe-core look at the page, or at what this expression finds in it, with all its rules or `only` some."""
    options = {"resultTypes": ["violations"], "selectors": False}
    if only:
        options["runOnly"] = only
    found = page.run("axe.run(%s, %s).then(found => found.violations.map("
                     "each => each.id + ': ' + each.nodes.map(node => node.html + ' '"
                     " + node.any.map(any => any.message))))" % (within, json.dumps(options)))
    assert found == []


def open_dialogs(page):
    """Open one dialog after the other, and yield its name."""
    for name, script in DIALOGS.items():
        page.run(script)
        page.until("document.querySelector('#%s .body').offsetParent" % name)
        yield name
        page.run("for (const each of document.querySelectorAll('dialog[open]')) each.close()")


@pytest.mark.parametrize("scheme,width,only", [
    ("light", 1280, ()), ("dark", 320, ()), ("dark", 1280, ["color-contrast"])])    # all else is as in the light
def test_axe_finds_nothing(load, api, origin, axe, scheme, width, only):
    world = add_world(api, origin, 2)       # every look at the page looks at each row
    page = load(api.url + "/", width, scheme)
    page.until("view.rows.length === %d && document.querySelector('[data-state=invalid]')" % world)
    page.run(axe + ";0")
    check(page, only=only)
    page.run("selectAll(true)")
    page.click("summary")
    page.run("document.querySelector('#links').value = 'http://a.example/[1-9]\\nmagnet:x'")
    page.click("#options [name=paused]")
    page.click("#add .primary")
    page.until("document.querySelector('#refused').offsetParent")
    check(page, only=only)
    page.run("selectAll(false)")
    for _ in open_dialogs(page):        # a modal dialog leaves nothing else in reach
        check(page, "document.querySelector('dialog[open]') || document", only)
    page.run("document.querySelector('tbody .menu').click()")       # a toast may cover it
    page.until("document.querySelector('#menu').offsetHeight")
    check(page, "document.querySelector('#menu')", only)
    page.press("Escape")
    page.run("toast('An error', true)")
    page.click("[data-filter=queued]")
    page.until("document.querySelector('#no-match').offsetParent || view.rows.length")
    check(page, only=only)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_where_nothing_is(page, axe, scheme):
    page.prefer(scheme)
    page.until("document.querySelector('#empty').offsetParent")
    page.run(axe + ";0")
    check(page)
    assert page.run("document.querySelector('#empty .bookmarklet').href.startsWith('javascript:')")
    page.click("#begin")
    assert page.run("document.activeElement.id") == "links"


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_no_word_is_cut_and_every_act_is_in_reach(page, api, world, width):
    page.resize(width, 700)
    page.until("view.rows.length === %d && document.querySelector('[data-state=invalid]')" % world)
    page.until("[...document.querySelectorAll('tbody .speed')].some(each => /\\/s$/.test(each.textContent))")
    assert page.run(CUT) == [] and page.run(WIDER) == 0
    assert not page.run("document.querySelector('#acts').offsetHeight")
    page.press("Control+a")
    page.until("document.querySelector('#acts').offsetHeight")
    acts = page.run("[...document.querySelectorAll('#acts button:not([hidden])')].map(each => each.title)")
    assert acts == ["Pause", "Resume", "Save", "Copy link", "To the top", "Up", "Down", "To the bottom", "Verify",
                    "Refresh", "Restart", "Remove", "Select none"]
    assert page.run(COVERED) == [] and page.run(CUT) == [] and page.run(WIDER) == 0
    page.press("Escape")
    for name in open_dialogs(page):
        assert page.run(CUT) == [], name
        assert page.run(WIDER) == 0, name


def test_a_tablet_has_the_wide_list(page, api):
    add_paused(api, "a.zip")
    page.resize(768, 1024)
    wait_for_rows(page, 1)
    page.until("document.querySelector('thead').offsetHeight && document.querySelector('tbody tr').offsetHeight < 50")
    page.resize(390, 844)
    page.until("!document.querySelector('thead').offsetHeight && document.querySelector('tbody tr').offsetHeight > 80")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_forced_colours_show_bars_and_pressed_filters(page, api, origin, scheme):
    page.prefer(scheme, forced=True)
    origin.put("/half.bin", DATA, script=[Gate(150000)])
    api.add(origin.url("/half.bin"), connections=1)
    page.until("document.querySelector('tbody progress')?.value === 50")
    until(lambda: len(set(page.colours("tbody progress", 0.25, 0.75))) == 2)
    page.click("[data-filter=downloading]")
    page.until("document.querySelector('[data-filter=downloading]').ariaPressed === 'true'")
    until(lambda: page.colours("[data-filter=downloading]", 0.05) != page.colours("[data-filter=paused]", 0.05))
    page.click("tbody .select")
    page.until("document.querySelector('#acts').offsetHeight")
    assert seen(page, "#acts .count") == ["1 selected"]
