"""The links of listings: those of usual servers, and hostile ones that lead elsewhere."""

import functools
import http.server
import os

import pytest

from listings import HTML, listed
from servers.background import Background

from dlserv.commands import listing


# -- the forms of servers ---------------------------------------------------------------------

APACHE = """<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN"><html><head><title>Index of /pub</title></head>
<body><h1>Index of /pub</h1><table><tr><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=M;O=A">Last</a></th></tr>
<tr><td><a href="/">Parent Directory</a></td></tr><tr><td><img src="/icons/f.gif"></td>
<td><a href="a%20b.iso">a b.iso</a></td></tr><tr><td><a href="sub/">sub/</a></td></tr></table></body></html>"""
NGINX = """<html>\r\n<head><title>Index of /pub/</title></head>\r\n<body>\r\n<h1>Index of /pub/</h1><hr><pre>
<a href="../">../</a>\r\n<a href="sub/">sub/</a>   01-Jan-2024 00:00   -\r\n<a href="a%20b.iso">a b.iso</a>   7
</pre><hr></body>\r\n</html>\r\n"""
LIGHTTPD = """<table summary="Directory Listing"><thead><tr><th class="n"><a href="?N=A">Name</a></th></tr></thead>
<tbody><tr class="d"><td class="n"><a href="../">..</a>/</td></tr><tr class="d"><td class="n">
<a href="sub/">sub</a>/</td></tr><tr><td class="n"><a href="a%20b.iso">a b.iso</a></td></tr></tbody></table>"""
CADDY = """<main><div class="meta"></div><table><tr><td><a href=".."><span>Up</span></a></td></tr>
<tr class="file"><td><a href="./sub/"><span class="name">sub</span></a></td></tr>
<tr class="file"><td><a href="./a%20b.iso"><svg></svg><span class="name">a b.iso</span></a></td></tr></table>"""


@pytest.mark.parametrize("page", [APACHE, NGINX, LIGHTTPD, CADDY])
def test_listings_of_the_usual_servers(here, run, origin, shelf, page):
    shelf("/pub/", before=page)
    shelf("/pub/sub/", "c.iso")
    assert listed(run, origin.url("/pub/")) == {"/pub/a%20b.iso": "", "/pub/sub/c.iso": "sub"}


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


def test_the_listing_of_python_s_server(here, run, tmp_path):
    """Its symbolic link to the folder above is a loop, which the depth ends."""
    root = tmp_path / "root"
    (root / "pub" / "süb").mkdir(parents=True)
    (root / "pub" / "a & b.iso").write_bytes(b"a")
    (root / "pub" / "süb" / "c#1?.iso").write_bytes(b"c")
    os.symlink("..", root / "pub" / "süb" / "up")
    with Background(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(root))) as server:
        found = listed(run, "--depth", "3", "http://127.0.0.1:%d/pub" % server.server_address[1])
    assert found == {"/pub/a%20%26%20b.iso": "", "/pub/s%C3%BCb/c%231%3F.iso": "süb",
                     "/pub/s%C3%BCb/up/a%20%26%20b.iso": "süb/up"}


# -- what stays out ----------------------------------------------------------------------------

@pytest.mark.parametrize("href", [
    "../x", "/x", "/pubs/x", "/pub", "../pub", "./", "", "#top", "?C=M;O=A", "a.iso?x=1", "javascript:alert(1)",
    "JavaScript:x", "mailto:me@example.org", "data:text/html,x", "ftp://127.0.0.1/pub/x", "file:///pub/x",
    "//other.example/pub/x", "http://other.example/pub/x", "http://127.0.0.1:1/pub/x", "..%2fx", "%2e%2e/x",
    "%2E%2E%2Fx", ".%2e/.%2e/x", "..\\x", "..%5cx", "a%2fb.iso", "a%2Fb/", "a%5Cb", "\\\\other.example\\x",
    "a%00b", "a\0b", "a\x01b", "a//b", "//", "sub/..%2f..%2fx", "x" * 9000, "http://[::1", "http://127.0.0.1:99999/x",
    "%2e/x", "sub/%2e%2e/%2e%2e/x"])
def test_a_link_that_leads_elsewhere_is_left_out(here, run, origin, shelf, href):
    shelf("/pub/", href, "good.iso")
    assert listed(run, origin.url("/pub/")) == {"/pub/good.iso": ""}
    assert {request.path for request in origin.requests} == {"/pub/"}


def test_a_link_with_a_user_in_it_is_left_out(here, run, origin, shelf):
    shelf("/pub/", origin.url("/pub/a.iso", user="me:pw"), origin.url("/pub/", user="me"), origin.url("/pub/b.iso"))
    assert listed(run, origin.url("/pub/")) == {"/pub/b.iso": ""}


def test_each_url_is_taken_once_however_it_is_written(here, run, origin, shelf):
    shelf("/pub/", "a~b.iso", "a%7eb.iso", "./a%7Eb.iso", "/pub/a~b.iso", "x/../a~b.iso", "%61~b.iso", "a~b.iso#x",
          "a%2bb.iso", "a%2Bb.iso", "sub/", "sub/#x", "./sub/")
    shelf("/pub/sub/", "../a~b.iso", "c.iso")
    for start in ("/pub/", "/p%75b", "/pub/../%70ub/"):
        assert listed(run, origin.url(start)) == {
            "/pub/a~b.iso": "", "/pub/a%2Bb.iso": "", "/pub/sub/c.iso": "sub"}
        assert len(origin.asked("/pub/sub/")) == 1
        origin.requests.clear()


def test_comments_and_scripts_have_no_links(here, run, origin, shelf):
    shelf("/", "a.iso", before="<!-- <a href=no1> --><script>'<a href=no2>'</script><img href=no3><link href=no4>")
    assert listed(run, origin.url("/")) == {"/a.iso": ""}


@pytest.mark.parametrize("base, found", [
    ("/pub/sub/", {"/pub/sub/a.iso": "sub"}), ("/other/", {}), ("http://other.example/pub/", {}),
    ("javascript:x", {"/pub/a.iso": ""}), ("sub/deep/", {"/pub/sub/deep/a.iso": "sub/deep"})])
def test_a_base_is_honoured_within_the_bounds(here, run, origin, shelf, base, found):
    shelf("/pub/", "a.iso", before='<base href="%s"><base href="/pub/second/">' % base)
    assert listed(run, origin.url("/pub/")) == found


def test_a_page_may_be_the_start(here, run, origin, shelf):
    shelf("/pub/index.html", "a.iso", "/x.iso", "sub/")
    shelf("/pub/sub/", "b.iso")
    assert listed(run, origin.url("/pub/index.html")) == {"/pub/a.iso": "", "/pub/sub/b.iso": "sub"}


def test_a_listing_with_too_many_links_ends(here, run, origin, shelf, monkeypatch):
    monkeypatch.setattr(listing, "MOST_LINKS", 1000)
    origin.put("/", b"".join(b"<a href=%d>" % number for number in range(1001)), headers=HTML)
    code, out, err = run("add", "-r", "--dry-run", "--most", "5", origin.url("/"))
    assert code == 0 and len(out.splitlines()) == 5 and "more links than can be read" in err
