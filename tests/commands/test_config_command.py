"""config: the daemon's settings, read and changed."""

import json


def test_settings_are_read_and_changed(here, run):
    assert "download.max_concurrent=5\n" in run("config")[1]
    assert run("config", "max_concurrent") == (0, "5\n", "")
    assert run("config", "download.ratelimit=2M", "retries=7") == (0, "", "")
    assert here.config.download.ratelimit == 2 ** 21 and here.config.download.retries == 7
    assert run("config", "retries", "proxy")[1] == "download.retries=7\ndownload.proxy=null\n"
    assert run("config", "proxy=")[0] == 0 and here.config.download.proxy == ""
    assert run("config", "proxy=null")[0] == 0 and here.config.download.proxy is None
    assert json.loads(run("config", "download", "--json")[1])["download"]["retries"] == 7
    assert run("config", "allow_hosts=a.example .b.example")[0] == 0
    assert run("config", "allow_hosts") == (0, "a.example .b.example\n", "")     # as it is taken
    assert here.config.download.allow_hosts == ["a.example", ".b.example"]
    for word, code in (("frob", 2), ("retries=many", 2), ("timeout=", 2), ("server.port=80", 4)):
        found, out, err = run("config", word)
        assert (found, out, err.count("\n")) == (code, "", 1), err


def test_a_misspelt_setting_names_the_nearest(here, run):
    for word, near in (("max_concurent=3", "download.max_concurrent"),
                       ("downlod.retries", "download.retries"), ("download.retires=3", "download.retries")):
        code, out, err = run("config", word)
        assert (code, out) == (2, "") and "did you mean %s?" % near in err
