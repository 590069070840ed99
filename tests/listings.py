"""Directory listings for the tests of add -r: pages of links, and what a dry run makes of them."""

HTML = {"Content-Type": "text/html; charset=utf-8"}


def listed(run, *arguments, code=0):
    """{path of the URL: folder} that a dry run prints."""
    found, out, err = run("add", "-r", "--dry-run", *arguments)
    assert found == code, err
    lines = [line.split("\t") for line in out.splitlines()]
    assert len(lines) == len({url for url, _ in lines})
    return {"/" + url.split("/", 3)[3]: folder for url, folder in lines}
