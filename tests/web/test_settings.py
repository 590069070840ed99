"""The daemon's settings in words, apart from those of the page."""

from harness import Process
from web.steps import texts


def opened(page):
    page.click("#open-settings")
    page.until("document.querySelector('#settings').open")


def field(name):
    return "document.querySelector('#settings [name=\"%s\"]')" % name


def test_they_are_changed_and_wrong_ones_name_their_field(page, daemon):
    opened(page)
    page.run(field("download.max_concurrent") + ".value = '0'")
    page.click("#settings .primary")
    page.until(field("download.max_concurrent") + " === document.activeElement")
    assert "0" in texts(page, "#at-max_concurrent")[0]
    for name, text in (("max_concurrent", "2"), ("ratelimit", "2 MiB"), ("allow_hosts", "a.example, .b.example"),
                       ("timeout", "120 s"), ("reserve", "1.5G"), ("proxy", "none")):
        page.run("%s.value = '%s'" % (field("download." + name), text))
    page.click("#settings [name='download.hash']")
    page.run(field("download.overwrite") + ".value = 'never'")
    page.click("#settings .primary")
    page.until("!document.querySelector('#settings').open")
    download = daemon.config.download
    assert (download.max_concurrent, download.ratelimit, download.hash) == (2, 2 ** 21, False)
    assert (download.timeout, download.reserve, download.overwrite) == (120, 3 * 2 ** 29, "never")
    assert (list(download.allow_hosts), download.proxy) == ([("a.example"), ".b.example"], "")


def test_they_are_in_words_and_numbers_of_people(page, daemon):
    daemon.configure({"download": {"ratelimit": 3 * 2 ** 19, "timeout": 45, "proxy": ""}})
    opened(page)
    assert page.run(field("download.ratelimit") + ".value") == "1.5 MiB"
    assert page.run(field("download.timeout") + ".value") == "45 s"
    assert page.run(field("download.reserve") + ".value") == "64 MiB"
    assert page.run(field("download.proxy") + ".value") == "none"
    assert page.run(field("download.hash") + ".role") == "switch"
    first = page.run("[...document.querySelectorAll('#settings [name]')].slice(0, 2).map(each => each.name)")
    assert first == ["download.ratelimit", "download.max_concurrent"]
    label = page.run(field("download.max_concurrent") + ".labels[0].textContent")
    assert "at the same time" in label and "max_concurrent" not in label


def test_what_is_fixed_says_where_it_is_set(load, tmp_path, folder, environ):
    config = tmp_path / "config.json"
    config.write_text('{"general": {"log_file": null}, "server": {"max_connections": 99}}')
    process = Process(["--download-dir", str(folder), "--db", str(tmp_path / "fixed.db"), "-c", str(config)],
                      environ=dict(environ, DLSERV_ALLOWED_HOSTS="nas"))
    try:
        page = load(process.url + "/")
        page.until("view.known")
        opened(page)
        fixed = {name: page.run(field(name) + ".labels[0].querySelector('small').textContent.trim()")
                 for name in ("general.download_dir", "server.port", "server.max_connections", "server.allowed_hosts",
                              "server.prefix")}
        assert page.run(field("general.download_dir") + ".disabled")
        assert fixed == {"general.download_dir": "(set by --download-dir)", "server.port": "(set by --port)",
                         "server.max_connections": "(set by %s)" % config,
                         "server.allowed_hosts": "(set by $DLSERV_ALLOWED_HOSTS)",
                         "server.prefix": "(set by default)"}
    finally:
        process.stop()


def test_those_of_the_page_are_its_own_and_kept(page, api):
    opened(page)
    assert not page.run("document.querySelector('#settings [name=singleKeys], #settings [name=notify]')")
    page.press("Escape")
    page.click("#open-help")
    page.click("#help [name=singleKeys]")
    page.go(api.url + "/")
    page.until("document.querySelector('#empty').offsetParent")
    page.press("?")
    assert not page.run("document.querySelector('#help').open")
    page.click("#open-help")
    assert not page.run("document.querySelector('#help [name=singleKeys]').checked")
