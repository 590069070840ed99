"""Authentication to servers: Basic (RFC 7617) and Digest (RFC 7616)."""

import base64
import re
from collections import namedtuple
from itertools import islice

from ..digests import load_hashlib
from ..units import utf8_of
from .head import unescaped

MOST_ITEMS = 500        # schemes and parameters of one field

# A word, or a parameter with its value; matches in linear time.
_ITEM = re.compile(r'([\w!#$%&\'*+.^`|~-]+)(?:\s*=\s*(?:"([^"\\]*(?:\\.[^"\\]*)*)"?|([^\s,"]*)))?', re.DOTALL)
_HASHES = {"MD5": "md5", "SHA-256": "sha256"}     # their names in hashlib


# A scheme such as "digest", and {lower-case name: value}.
Challenge = namedtuple("Challenge", "scheme parameters")


def parse_challenges(values):
    """Return the Challenges in the values of WWW-Authenticate (RFC 9110, 11.6.1)."""
    found = []
    for value in map(utf8_of, values):
        end = 0
        for match in islice(_ITEM.finditer(value), MOST_ITEMS):
            name, quoted, token = match.groups()
            is_first = not end or "," in value[end:match.start()]
            end = match.end()
            if quoted is None and token is None:
                if is_first:
                    found.append(Challenge(name.lower(), {}))
            elif found:
                text = token if quoted is None else unescaped(quoted)
                found[-1].parameters.setdefault(name.lower(), text)
    return found


def has_stale_nonce(challenges):
    """Return whether the credentials were right and only the nonce had expired (RFC 7616, 3.3)."""
    return any(scheme == "digest" and parameters.get("stale", "").lower() == "true"
               for scheme, parameters in parse_challenges(challenges))


def _quoted(text):
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"')


class Credentials(namedtuple("Credentials", "user password")):
    """A user and a password, which may be None."""

    __slots__ = ()

    def basic(self):
        text = f"{self.user}:{self.password or ''}"
        return "Basic " + base64.b64encode(text.encode("utf-8")).decode("ascii")

    def answer(self, challenges, method, target):
        """Return an Authorization for the strongest of WWW-Authenticate's values, or None."""
        offers = parse_challenges(challenges)
        digests = [offer.parameters for offer in offers
                   if offer.scheme == "digest" and _is_known(offer.parameters)]
        if digests:
            best = max(digests, key=lambda offer: _algorithm(offer).startswith("SHA-256"))
            return self._digest(best, method, target)
        return self.basic() if any(offer.scheme == "basic" for offer in offers) else None

    def _digest(self, offer, method, target):
        import secrets
        hashlib = load_hashlib()
        name = _algorithm(offer)
        digest = _HASHES[name.replace("-SESS", "")]

        def hashed(*parts):
            return hashlib.new(digest, ":".join(parts).encode("utf-8")).hexdigest()

        nonce, cnonce, realm = offer["nonce"], secrets.token_hex(8), offer.get("realm", "")
        secret = hashed(self.user, realm, self.password or "")
        if name.endswith("-SESS"):
            secret = hashed(secret, nonce, cnonce)
        quoted = {"username": self.user, "realm": realm, "nonce": nonce, "uri": target}
        plain, middle = {}, ()
        if "qop" in offer:
            middle = "00000001", cnonce, "auth"
            quoted["cnonce"] = cnonce
            plain.update(qop="auth", nc="00000001")
        quoted["response"] = hashed(secret, nonce, *middle, hashed(method, target))
        for key, fields in (("opaque", quoted), ("algorithm", plain)):
            if key in offer:
                fields[key] = offer[key]
        return "Digest " + ", ".join([f"{key}={_quoted(value)}" for key, value in quoted.items()]
                                     + [f"{key}={value}" for key, value in plain.items()])


def _algorithm(offer):
    return offer.get("algorithm", "MD5").upper()


def _is_known(offer):
    qops = re.split(r"[,\s]+", offer["qop"].lower()) if "qop" in offer else ["auth"]
    return "nonce" in offer and "auth" in qops and _algorithm(offer).replace("-SESS", "") in _HASHES


def belongs(url, origin):
    """Return whether credentials for `origin` (see URL.origin) may be sent to this URL.

    They may from http on port 80 to https on port 443 of the same host, too.
    """
    return url.origin == origin or (
        origin == ("http", url.host, 80) and url.origin == ("https", url.host, 443))


def given(url, origin, options):
    """Return the Credentials in the URL, else the task's for `origin`, else None."""
    if url.user is not None:
        return Credentials(url.user, url.password)
    if options.user is not None and belongs(url, origin):
        return Credentials(options.user, options.password)
    return None


def choose(url, origin, options, netrc):
    """Return those `given`, else the Credentials in the netrc, else None."""
    return given(url, origin, options) or netrc.find(url.host)
