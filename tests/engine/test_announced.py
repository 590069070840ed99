"""Mirrors that the server names in Link fields: when they are used, and what they are never sent."""

import base64
import hashlib

import pytest

from dlserv.engine.fetch import Fetch
from dlserv.errors import Permanent, WrongBytes
from harness import noise
from several import MIB, slow_until, whole
from servers.origin import Origin, drop, redirect, refuse

DATA = noise(4 * MIB)
SHA256 = hashlib.sha256(DATA)
DIGEST = "SHA-256=" + base64.b64encode(SHA256.digest()).decode()
SUM = "sha-256=" + SHA256.hexdigest()
ON = {"metalink": True}


@pytest.fixture
def pair(origin, other):
    """A function that serves the file, with Link and other headers, and a mirror of it.

    The file comes slowly until the mirror has delivered, or this condition is true.
    """
    def pair(link="<{mirror}>; rel=duplicate", data=DATA, script=None, slow=lambda: other.sent > MIB, **headers):
        other.put("/m", data, etag='"mirror"')
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if link:
            fields["Link"] = link.format(mirror=other.url("/m"))
        return origin.put("/a", DATA, headers=fields, script=script or [slow_until(slow)] * 20)
    return pair


@pytest.mark.parametrize("headers, posted", [
    ({"Digest": DIGEST}, {}), ({"Repr_Digest": DIGEST.replace("SHA-256=", "sha-256=:") + ":"}, {}), ({}, {"checksum": SUM}),
    ({}, {"checksum": "sha-512=" + hashlib.sha512(DATA).hexdigest()}), ({"Digest": DIGEST}, {"checksum": SUM})])
def test_a_mirror_that_is_named_is_used(origin, other, pair, attempt, folder, headers, posted):
    pair(**headers)
    done = attempt(origin.url("/a"), settings=ON, connections=4, **posted).run()
    assert whole(folder, data=DATA) and other.sent > MIB
    assert done.notes == ["the server names 1 mirror: " + other.url().partition("//")[2]]
    assert done.finished.checksum in (SUM, posted.get("checksum"))


@pytest.mark.parametrize("settings, headers, posted", [
    ({}, {"Digest": DIGEST}, {}), (ON, {"Digest": DIGEST}, {"metalink": False}), (ON, {}, {}),
    (ON, {"Content_MD5": base64.b64encode(hashlib.md5(DATA).digest()).decode()}, {}),
    (ON, {"Digest": "MD5=" + base64.b64encode(hashlib.md5(DATA).digest()).decode()}, {}),
    (ON, {"Digest": "SHA=" + base64.b64encode(hashlib.sha1(DATA).digest()).decode()}, {}),
    (ON, {}, {"checksum": "md5=" + hashlib.md5(DATA).hexdigest()}), (ON, {"Digest": "SHA-256=nonsense"}, {}),
    (ON, {"link": "<{mirror}>; rel=describedby; type=\"application/metalink4+xml\"", "Digest": DIGEST}, {}),
    (ON, {"link": "<{mirror}>; rel=alternate", "Digest": DIGEST}, {})])
def test_a_mirror_is_left_alone(origin, other, pair, attempt, folder, settings, headers, posted):
    pair(slow=lambda: len(origin.requests) > 2, **headers)      # more than a comparison: others join
    done = attempt(origin.url("/a"), settings=settings, connections=4, **posted).run()
    assert whole(folder, data=DATA) and other.requests == []
    unused = settings == ON and "metalink" not in posted and "describedby" not in str(headers) \
        and "alternate" not in str(headers)
    assert done.notes == ["the server names mirrors, but no SHA-256 or SHA-512 of the file is known; "
                          "they are not used"] * unused


def test_a_task_asks_for_them_itself(origin, other, pair, attempt, folder):
    pair(Digest=DIGEST)
    attempt(origin.url("/a"), connections=4, metalink=True).run()
    assert whole(folder, data=DATA) and other.sent > MIB


def test_a_mirror_steps_in_where_the_server_fails(origin, other, pair, attempt, folder):
    pair(Digest=DIGEST, script=[drop(after=3 * MIB)] + [refuse("410 Gone")] * 9)
    attempt(origin.url("/a"), settings=ON).run()
    assert whole(folder, data=DATA) and other.asked("/m")


def test_credentials_cookies_and_headers_stay_with_the_server(origin, other, pair, attempt, folder, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login n password pw\ndefault login d password pw\n")
    netrc.chmod(0o600)
    pair(Digest=DIGEST)
    from dlserv.net.cookies import Cookie
    jar = [Cookie("file", "secret", "127.0.0.1", True, "/", False, float("inf"))]
    attempt(origin.url("/a", user="me:pw"), settings=ON, connections=4, user="me", password="pw", cookies="a=b",
            headers={"Authorization": "Bearer x", "X-Plain": "y"}, referer="http://r/", user_agent="mine/1",
            netrc=str(netrc), jar=jar).run()
    assert whole(folder, data=DATA) and other.sent > MIB
    assert "secret" in origin.requests[0].headers["cookie"] and origin.requests[0].headers["x-plain"] == "y"
    for request in other.requests:
        assert set(request.headers) <= {"host", "user-agent", "accept", "accept-encoding", "range", "if-range"}
        assert request.headers["user-agent"] == "mine/1"


def test_not_even_a_mirror_of_the_same_server_gets_them(origin, attempt, folder):
    origin.put("/m", DATA)
    origin.put("/a", DATA, headers={"Link": "</m>; rel=duplicate", "Digest": DIGEST},
               script=[slow_until(lambda: len(origin.asked("/m")) > 2)] * 20)
    attempt(origin.url("/a"), settings=ON, connections=4, user="me", password="pw", cookies="a=b",
            headers={"X-Plain": "y"}).run()
    assert whole(folder, data=DATA) and origin.asked("/m")
    for request in origin.asked("/m"):
        assert not {"authorization", "cookie", "x-plain"} & set(request.headers)


def test_what_a_mirror_names_is_ignored(origin, other, pair, attempt, folder):
    with Origin() as third:
        third.put("/x", DATA)
        pair(slow=lambda: other.sent > MIB and len(origin.requests + other.requests) > 3, Digest=DIGEST)
        other.files["/m"].headers = {"Link": "<%s>; rel=duplicate" % third.url("/x"), "Digest": DIGEST}
        attempt(origin.url("/a"), settings=ON, connections=4).run()
        assert whole(folder, data=DATA) and other.sent > MIB and third.requests == []


def test_what_a_posted_mirror_names_is_ignored(origin, other, pair, attempt, folder):
    pair(link=None, script=[refuse("503 Service Unavailable")] * 9)
    with Origin() as third:
        third.put("/x", DATA)
        other.files["/m"].headers = {"Link": "<%s>; rel=duplicate" % third.url("/x"), "Digest": DIGEST}
        other.files["/m"].script = [slow_until(lambda: len(other.requests) > 2)] * 20
        attempt(origin.url("/a"), settings=ON, connections=4, mirrors=[other.url("/m")], checksum=SUM).run()
        assert whole(folder, data=DATA) and third.requests == []


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_redirect_that_names_mirrors_counts_from_the_server(origin, other, pair, attempt, folder, elsewhere):
    """MirrorBrain redirects to one mirror and names the others, with the digest, beside the Location."""
    with Origin() as first:
        first.put("/latest", script=[refuse("302 Found", Location=origin.url("/a"), Digest=DIGEST,
                                            Link="<%s>; rel=duplicate" % other.url("/m"))] * 9)
        pair(link="<{mirror}>; rel=duplicate" if elsewhere else None,
             slow=lambda: other.sent > MIB or elsewhere and len(origin.requests) > 2)
        if elsewhere:       # the mirror that was chosen names one itself
            first.files["/latest"].script = [redirect(origin.url("/a"))] * 9
        attempt(first.url("/latest"), settings=ON, connections=4, **({"checksum": SUM} if elsewhere else {})).run()
    assert whole(folder, data=DATA) and (other.sent > MIB) == (not elsewhere)


def test_a_digest_of_the_redirect_s_own_page_is_not_the_file_s(origin, attempt, folder):
    page = "sha-256=:" + base64.b64encode(hashlib.sha256(b"").digest()).decode() + ":"
    origin.put("/a", DATA)
    origin.put("/latest", script=[refuse("302 Found", Location="/a", Repr_Digest=page)])
    attempt(origin.url("/latest"), settings=ON).run()
    assert whole(folder, data=DATA)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_private_address_is_not_asked(origin, other, pair, attempt, folder, scheme):
    """The policy counts for mirrors, too; the server itself is an exception to it."""
    pair(link="<%s>; rel=duplicate" % other.url("/m").replace("http:", scheme + ":"), Digest=DIGEST,
         slow=lambda: len(running.notes) > 1)
    settings = dict(ON, deny_private=True, allow_hosts=[origin.url().partition("//")[2]])
    running = attempt(origin.url("/a"), settings=settings, connections=4)
    running.run()
    assert whole(folder, data=DATA) and other.connections == 0 and "private" in running.notes[1]


def test_no_more_than_32_are_taken(origin, other, pair, attempt, folder, monkeypatch):
    monkeypatch.setattr(Fetch, "REST", 0)
    pair(link=", ".join("<{mirror}?%d>; rel=duplicate; pri=%d" % (number, number + 1) for number in range(50)),
         Digest=DIGEST, slow=lambda: len(other.requests) > 2)
    done = attempt(origin.url("/a"), settings=ON, connections=4).run()
    assert whole(folder, data=DATA) and done.notes[0].startswith("the server names 32 mirrors: 127.0.0.1")
    assert {int(request.path.partition("?")[2]) for request in other.requests} <= set(range(32))


@pytest.mark.parametrize("link", ["</a>; rel=duplicate", "<{mirror}>; rel=duplicate"])
def test_what_is_known_already_is_not_taken_twice(origin, other, pair, attempt, folder, link):
    pair(link=link, Digest=DIGEST)
    done = attempt(origin.url("/a"), settings=ON, connections=4, mirrors=[other.url("/m")]).run()
    assert whole(folder, data=DATA) and done.notes == []


def test_a_mirror_with_another_file_is_left_out(origin, other, pair, attempt, folder):
    pair(data=noise(4 * MIB, seed=2), Digest=DIGEST, slow=lambda: len(running.notes) > 1)
    running = attempt(origin.url("/a"), settings=ON, connections=4)
    running.run()
    assert whole(folder, data=DATA) and any("differ from those on disk" in note for note in running.notes)


def test_a_mirror_that_is_rotten_inside_does_not_spoil_the_file(origin, other, pair, attempt, folder):
    rotten = bytearray(DATA)
    rotten[MIB + 1:-2 ** 15:2 ** 19] = bytes(len(rotten[MIB + 1:-2 ** 15:2 ** 19]))
    pair(data=bytes(rotten), Digest=DIGEST)
    attempt(origin.url("/a"), settings=ON, connections=4).run()
    assert whole(folder, data=DATA)


def test_the_digest_by_which_mirrors_were_taken_is_verified(origin, other, pair, attempt, folder):
    """The redirect told it, so the last server's head has no digest to compare with."""
    with Origin() as first:
        wrong = "SHA-256=" + base64.b64encode(hashlib.sha256(b"other").digest()).decode()
        first.put("/latest", script=[refuse("302 Found", Location=origin.url("/a"), Digest=wrong,
                                            Link="<%s>; rel=duplicate" % other.url("/m"))] * 9)
        pair(link=None)
        failed = attempt(first.url("/latest"), settings=ON, connections=4)
        assert "checksum does not match" in failed.fails((Permanent, WrongBytes))
    assert not (folder / "a").exists() and not (folder / "latest").exists()


def test_a_changed_file_has_the_digest_that_comes_with_it(origin, other, pair, attempt, folder):
    new = noise(4 * MIB, seed=3)
    new_digest = "SHA-256=" + base64.b64encode(hashlib.sha256(new).digest()).decode()

    def replaced(exchange):
        exchange.file.data, exchange.file.etag = new, '"v2"'
        exchange.file.headers["Digest"] = new_digest
        exchange.answer()

    pair(Digest=DIGEST, script=[drop(after=3 * MIB), replaced])
    other.files["/m"].script = [refuse("410 Gone")] * 9
    attempt(origin.url("/a"), settings=ON).run()
    assert (folder / "a").read_bytes() == new


def test_taking_the_checksum_back_takes_the_mirrors_back(origin, other, pair, attempt, folder):
    pair(link="<{mirror}>; rel=duplicate")
    running = attempt(origin.url("/a"), settings=ON, checksum=SUM)
    origin.files["/a"].script = [lambda exchange: (
        running.download.adjust(running.options._replace(checksum=None)), exchange.hang_up())] + [drop(after=0)] * 9
    running.fails(Exception)
    assert other.requests == []


def test_the_setting_of_a_running_daemon_counts(origin, other, pair, api, folder):
    pair(Digest=DIGEST)
    assert api.post("/config", {"download": {"metalink": True}}).status == 200
    tid = api.add(origin.url("/a"))
    log = [entry["msg"] for entry in api.reach(tid, "finished")["log"]]
    assert whole(folder, data=DATA) and other.asked("/m")
    assert "the server names 1 mirror: " + other.url().partition("//")[2] in log
