"""One browser and one tab for all tests of the page; one daemon for all tests of a module."""

import os
import shutil
import subprocess

import pytest

from harness import ROOT, Api
from web.driver import Browser, find_browser

from dlserv import Daemon, Server
from dlserv.api import sse

NO_BROWSER = "NO BROWSER IS TESTED: there is no chromium here; install it or name one in $CHROMIUM"
NO_AXE = "ACCESSIBILITY IS NOT TESTED: axe-core cannot be had from npm here"
AXE = os.path.join(ROOT, "build", "node_modules", "axe-core", "axe.min.js")
# What the modules of the page export, for the tests to look at.
EXPOSE = ("Promise.all(['tasks', 'dom', 'details', 'dialogs'].map(name => import(`./${name}.js`)))"
          ".then(modules => { Object.assign(window, ...modules); })")


@pytest.fixture(autouse=True)
def no_thread_is_left():
    """Nothing to look for after a test: the daemon of the module goes on."""


@pytest.fixture(scope="package")
def browser():
    path = find_browser()
    if path is None:
        pytest.skip(NO_BROWSER)
    with Browser(path) as running:
        yield running


@pytest.fixture(scope="package", autouse=True)
def told_soon():
    """Let the events come sooner than a person needs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sse, "PROGRESS_EVERY", 0.1)
        patch.setattr(sse, "STATS_EVERY", 0.1)
        yield


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """(settings, daemon, client of its API) of the module."""
    path = tmp_path_factory.mktemp("site")
    settings = {"general": {"download_dir": str(path / "downloads"), "db_path": str(path / "state.db")},
                "download": {"retry_wait": 0.01, "timeout": 60, "hash": True}}
    with Daemon(settings) as daemon, Server(daemon, "127.0.0.1", 0) as server, Api(server.url) as client:
        yield settings, daemon, client


@pytest.fixture
def daemon(site):
    """The module's daemon, without tasks, and with the settings it began with."""
    settings, daemon, _ = site
    yield daemon
    daemon.delete_all([task.tid for task in daemon.list()], del_file=True)
    daemon.configuration.reload(settings)
    shutil.rmtree(daemon.config.general.download_dir)
    os.mkdir(daemon.config.general.download_dir)


@pytest.fixture
def api(site, daemon):
    """The REST interface of the module's daemon."""
    return site[2]


@pytest.fixture
def folder(tmp_path, site):
    """The download directory of the module's daemon."""
    return type(tmp_path)(site[0]["general"]["download_dir"])


@pytest.fixture
def visit(browser):
    """A function that opens a page at a URL; it must leave nothing in the console."""
    pages = []

    def open_page(url, **options):
        pages.append(browser.open(url, **options))
        if url.startswith("http"):
            pages[-1].run(EXPOSE)
        return pages[-1]

    yield open_page
    for page in pages:
        browser.forget(page)
    assert [complaint for page in pages for complaint in page.complaints] == []


@pytest.fixture(scope="package")
def tab(browser):
    """A tab that the tests use one after the other, through `load` or `page`; what its pages do each second
    they do five times as often."""
    opened = browser.open("about:blank", before="const rarely = setInterval;"
                                                " setInterval = (act, ms) => rarely(act, ms / 5)")
    yield opened
    browser.forget(opened)


@pytest.fixture
def load(tab):
    """Return a function that opens a URL in the tab of all tests, without what pages stored there before.

    It is cheaper than `visit`, for one page that needs no profile of its own. The console must stay empty.
    """
    def open_page(url, width=1280, scheme="light"):
        tab.resize(width, 800)
        tab.prefer(scheme)
        tab.go(url)
        tab.run(EXPOSE)
        return tab

    yield open_page
    tab.run("localStorage.clear()")
    complaints, tab.complaints = tab.complaints, []
    assert complaints == []


@pytest.fixture
def page(load, api):
    """The page of the module's daemon, connected, in a browser that knows nothing of before."""
    opened = load(api.url + "/")
    opened.until("view.known && !tasks.size")
    return opened


@pytest.fixture(scope="session")
def axe():
    """The source of axe-core."""
    if not os.path.exists(AXE) and shutil.which("npm"):
        command = ["npm", "install", "--no-save", "--no-audit", "--no-fund", "axe-core@4",
                   "--prefix", os.path.join(ROOT, "build")]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
    if not os.path.exists(AXE):
        pytest.skip(NO_AXE)
    with open(AXE, encoding="utf-8") as file:
        return file.read()
