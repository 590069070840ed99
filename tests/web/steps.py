"""Steps and views that many tests of the page share."""

import json

from harness import noise

NOWHERE = "http://127.0.0.1:1/"
DATA = noise(300000)
NAMES = "[...document.querySelectorAll('tbody .text')].map(each => each.textContent)"


def state_of(name):
    """An expression for the state that the list shows of the task with this name."""
    return "view.rows.find(task => task.name === %s)?.state" % json.dumps(name)


def texts(page, selector):
    """Return the texts of all elements that match."""
    return page.run("[...document.querySelectorAll(%s)].map(each => each.textContent)" % json.dumps(selector))


def seen(page, selector):
    """Return the texts of those that are not hidden."""
    return page.run("[...document.querySelectorAll(%s)].filter(each => each.offsetParent)"
                    ".map(each => each.textContent)" % json.dumps(selector))


def add_paused(api, *names):
    """Add a paused task for each name, and return the tids."""
    return [api.add(NOWHERE + name, paused=True) for name in names]


def wait_for_rows(page, count):
    """Wait until the list shows so many tasks."""
    page.until("view.rows.length === %d && document.querySelectorAll('tbody tr').length === %d" % (count, count))


def choose(page, text, within="#menu"):
    """Click the button with this text."""
    page.until("[...document.querySelectorAll(%s)].some(each => each.textContent === %s)"
               % (json.dumps(within + " button"), json.dumps(text)))
    index = page.run("[...document.querySelectorAll(%s)].findIndex(each => each.textContent === %s)"
                     % (json.dumps(within + " button"), json.dumps(text)))
    page.click(within + " button", index)
