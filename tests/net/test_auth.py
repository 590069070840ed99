"""Authentication: Basic, Digest and client certificates."""

import hashlib
import os
import random
import re
import ssl

import pytest

from net.test_tls import CA, HERE, context
from harness import noise
from servers.origin import Origin, redirect, refuse
from dlserv.net.auth import Credentials, parse_challenges
from dlserv.net.http import MOST_CHALLENGES
from dlserv.errors import Permanent, Temporary

DATA = noise(100000)


def digest_guard(algorithm, qop='qop="auth,auth-int", ', user="me", password="p:w"):
    """A fault that lets only a right Digest answer through."""
    hashed = hashlib.sha256 if algorithm.startswith("SHA-256") else hashlib.md5

    def h(*parts):
        return hashed(":".join(parts).encode()).hexdigest()

    def guard(exchange):
        exchange.file.script.insert(0, guard)
        given = dict(re.findall(r'(\w+)="?([^",]*)"?', exchange.request.headers.get("authorization", "")))
        secret = h(user, "the realm", password)
        if algorithm.endswith("-sess"):
            secret = h(secret, "n0nce", given.get("cnonce", ""))
        last = h("GET", exchange.request.path)
        right = h(secret, "n0nce", given.get("nc", ""), given.get("cnonce", ""), "auth", last) if qop \
            else h(secret, "n0nce", last)
        if given.get("response") == right and given.get("opaque") == "0paque":
            return exchange.answer()
        exchange.head("401 Unauthorized", {
            "Content-Length": 0, "WWW-Authenticate":
            'Basic realm="x", Digest realm="the realm", %snonce="n0nce", opaque="0paque", algorithm=%s'
            % (qop, algorithm)})
    return guard


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "MD5-sess", "SHA-256-sess"])
def test_digest_is_answered(origin, attempt, folder, algorithm):
    origin.put("/a?x=1", DATA, script=[digest_guard(algorithm)])
    attempt(origin.url("/a?x=1"), user="me", password="p:w").run()
    assert (folder / "a").read_bytes() == DATA
    assert "p:w" not in repr(origin.requests) and "Basic" not in repr(origin.requests)


def test_digest_without_qop_is_answered_too(origin, attempt):
    origin.put("/a", DATA, script=[digest_guard("MD5", qop="")])
    attempt(origin.url("/a"), user="me", password="p:w").run()


def test_a_wrong_password_is_final_after_one_try(origin, attempt):
    origin.put("/a", DATA, script=[digest_guard("MD5")])
    assert "401" in attempt(origin.url("/a"), user="me", password="no").fails(Permanent)
    assert len(origin.requests) == 2


def test_the_strongest_digest_is_taken():
    offers = ['Digest realm="r", nonce="n", algorithm=MD5, qop="auth"',
              'Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"', 'Basic realm="r"']
    answer = Credentials('m"e', "pw").answer(offers, "GET", "/")
    assert "algorithm=SHA-256" in answer and 'username="m\\"e"' in answer


@pytest.mark.parametrize("challenge", ["", "Negotiate", 'Digest realm="r"', "Digest nonce=n, qop=auth-int",
                                       "Digest nonce=n, algorithm=SHA-512"])
def test_what_cannot_be_answered_is_not(challenge):
    assert Credentials("me", "pw").answer([challenge], "GET", "/") is None


def test_https_sends_basic_unasked_and_http_does_not(origin, attempt):
    with Origin(context()) as secure:
        secure.put("/a", DATA)
        attempt(secure.url("/a"), user="me", password="pw", settings={"ca_file": CA}).run()
        assert "authorization" in secure.requests[0].headers
    origin.put("/a", DATA)
    attempt(origin.url("/a"), user="me", password="pw").run()
    assert "authorization" not in origin.requests[0].headers


def test_digest_is_answered_over_https_too(attempt, folder):
    with Origin(context()) as secure:
        secure.put("/a", DATA, script=[digest_guard("MD5")])
        attempt(secure.url("/a"), user="me", password="p:w", settings={"ca_file": CA}).run()
    assert (folder / "a").read_bytes() == DATA


def test_a_nonce_that_is_stale_is_replaced(origin, attempt, folder):
    challenge = 'Digest realm="the realm", qop="auth", opaque="0paque", algorithm=MD5, nonce='
    old, fresh = (refuse("401 Unauthorized", WWW_Authenticate=challenge + nonce)
                  for nonce in ('"old"', '"n0nce", stale=TRUE'))
    origin.put("/a", DATA, script=[old, fresh, digest_guard("MD5")])
    attempt(origin.url("/a"), user="me", password="p:w").run()
    assert (folder / "a").read_bytes() == DATA


def test_only_a_stale_nonce_of_digest_is_answered_again(origin, attempt):
    challenge = ('Digest realm="r", qop="auth", nonce="n"', 'Basic realm="r", stale=true')
    origin.put("/a", DATA, script=[refuse("401 Unauthorized", WWW_Authenticate=", ".join(challenge))] * 50)
    assert attempt(origin.url("/a"), user="me", password="p:w").fails(Permanent)
    assert len(origin.requests) == 2


def new_nonce(exchange):
    """Answer 401 with a nonce that nobody has seen, as if the last one had been right but old."""
    value = 'Digest realm="the realm", qop="auth", stale=true, nonce="%d"' % len(exchange.origin.requests)
    refuse("401 Unauthorized", WWW_Authenticate=value)(exchange)


def test_a_401_with_ever_new_nonces_ends_as_a_401(origin, attempt):
    origin.put("/a", DATA, script=[new_nonce] * 50)
    sentence = attempt(origin.url("/a"), user="me", password="p:w").fails(Permanent)
    assert sentence == "the server answered 401 Unauthorized"
    assert len(origin.requests) == 1 + MOST_CHALLENGES
    assert len({request.headers.get("authorization") for request in origin.requests}) == 1 + MOST_CHALLENGES


def test_a_few_new_nonces_are_answered_at_each_place(origin, attempt, folder):
    origin.put("/a", script=[new_nonce] * MOST_CHALLENGES + [redirect("/b")])
    origin.put("/b", DATA, script=[new_nonce] * MOST_CHALLENGES)
    attempt(origin.url("/a"), user="me", password="p:w").run()
    assert (folder / "b").read_bytes() == DATA


def test_challenges_are_read_however_they_are_written():
    chance = random.Random(7)
    for _ in range(300):
        offers = [(chance.choice(["Digest", "basic", "Negotiate", "NTLM", "Bearer"]), {
            chance.choice(["realm", "nonce", "Opaque", "qop", "x"]): chance.choice([
                "", "a", "abc==", "a,b", "Digest x", 'q"u', "back\\slash", "\\", "\\\"", "=", "stale=true, "])
            for _ in range(chance.randrange(4))}) for _ in range(chance.randrange(1, 4))]
        lines = [""] if chance.randrange(2) else []
        for scheme, parameters in offers:
            pairs = [name + chance.choice(["=", " = "]) + written(value, chance)
                     for name, value in parameters.items()]
            text = scheme + " " * bool(pairs) + chance.choice([",", " , "]).join(pairs)
            lines = lines[:-1] + [", ".join(filter(None, [lines[-1], text]))] if lines else [text]
        expected = [(scheme.lower(), {name.lower(): value for name, value in parameters.items()})
                    for scheme, parameters in offers]
        assert [tuple(each) for each in parse_challenges(lines)] == expected, lines


def written(value, chance):
    """The value as a token where it can be one, else as a quoted string."""
    if re.fullmatch("[a-z]+=*", value) and chance.randrange(2):
        return value
    return '"%s"' % re.sub(r'(["\\])', r"\\\1", value)


@pytest.mark.parametrize("line, scheme, parameters", [
    ('Digest nonce="n', "digest", {"nonce": "n"}), ('Digest nonce="n\\', "digest", {"nonce": "n"}),
    ("Digest realm=the realm, nonce=n", "digest", {"realm": "the", "nonce": "n"}),
    ("Digest,nonce=n", "digest", {"nonce": "n"}),
    ('Digest realm="\xc3\xa4\xe4"', "digest", {"realm": "\xc3\xa4\xe4"}),
    ('Digest realm="\xc3\xa4"', "digest", {"realm": "ä"}), ("Negotiate abc==", "negotiate", {"abc": "="}),
    (", ,Basic", "basic", {}), ("nonce=n", None, None), ("", None, None), ('"', None, None)])
def test_challenges_that_are_broken_harm_nothing(line, scheme, parameters):
    assert [tuple(each) for each in parse_challenges([line])] == ([(scheme, parameters)] if scheme else [])


# -- client certificates ------------------------------------------------------------------------

def test_a_client_certificate_is_shown(attempt, folder):
    demanding = context()
    demanding.verify_mode = ssl.CERT_REQUIRED
    demanding.load_verify_locations(CA)
    with Origin(demanding) as secure:
        secure.put("/a", DATA)
        own = os.path.join(HERE, "server.pem")
        attempt(secure.url("/a"), settings={"ca_file": CA, "client_cert": own}).run()
        with pytest.raises((Permanent, Temporary)):
            attempt(secure.url("/a"), settings={"ca_file": CA}).run()
    assert (folder / "a").read_bytes() == DATA
