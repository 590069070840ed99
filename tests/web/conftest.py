"""One browser for all tests of the page, and a page for each."""

import os
import shutil
import subprocess

import pytest

from harness import ROOT
from web.driver import Browser, find_browser

NO_BROWSER = "NO BROWSER IS TESTED: there is no chromium here; install it or name one in $CHROMIUM"
NO_AXE = "ACCESSIBILITY IS NOT TESTED: axe-core cannot be had from npm here"
AXE = os.path.join(ROOT, "build", "node_modules", "axe-core", "axe.min.js")


@pytest.fixture(scope="session")
def browser():
    path = find_browser()
    if path is None:
        pytest.skip(NO_BROWSER)
    with Browser(path) as running:
        yield running


@pytest.fixture
def visit(browser):
    """A function that opens a page at a URL; it must leave nothing in the console."""
    pages = []

    def open_page(url, **options):
        pages.append(browser.open(url, **options))
        return pages[-1]

    yield open_page
    for page in pages:
        browser.forget(page)
    assert [complaint for page in pages for complaint in page.complaints] == []


@pytest.fixture
def page(visit, api):
    """The page of an in-process daemon, connected."""
    opened = visit(api.url + "/")
    opened.until("known")
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
