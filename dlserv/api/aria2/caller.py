"""A sender of calls, on one request or one WebSocket, and the calls that it may make.

With a token configured, each call carries it as "token:…", or the request has it in its
Authorization header. A token in a call is no ambient credential, so it counts from any
site; the header does not count from a foreign one, because a browser sends it by itself.
Without a token, the server's rules for Host and Origin decide.
"""

import re

from .jsonrpc import RpcError

UNAUTHORIZED = "Unauthorized"       # exactly this word: AriaNg stops polling at it
FREE = ("system.listMethods", "system.listNotifications")       # called without a token
_READING = re.compile(r"aria2\.(?:get|tell)[A-Z]")


class Caller:
    """One caller. `is_known` once it has made a call that was allowed.

    access   the api.access.Access of the server
    by_link  whether the calls came in the URL of a GET, which any page can make a browser
             send: then a token is needed, and a password that a browser may have added
             allows only to read
    """

    def __init__(self, access, headers, address, by_link=False):
        self._access, self._headers, self._address = access, headers, address
        self._by_link = by_link
        self._last = (None, False)      # the last token, and whether it was right
        self._by_header = None          # whether Authorization is right; None until it is asked
        self.is_known = access.token is None
        self.wait = 0                   # seconds for which its tokens are not looked at

    def refusal(self):
        """Return why, without a token, the whole request is refused (link, Host, Origin), or None."""
        if self._access.token is not None:
            return None
        if self._by_link:
            return "a GET needs the token, and none is configured here; use POST"
        site = self._access.foreign_site(self._headers)
        return self._access.host_problem(self._headers) or site and (
            f"pages of {site} may not call this daemon; add their origin to server.allowed_origins, "
            "or set a token")

    def check(self, token, method):
        """Raise RpcError unless the call may be made; `token` is the one that it carries, or None."""
        if self._access.token is None or method in FREE:
            return
        if not (self._is_right_header(method) or token and self._is_right(token)):
            raise RpcError(UNAUTHORIZED)
        self.is_known = True

    def greet(self):
        """Look at the Authorization header alone, for a WebSocket that opens."""
        self.is_known = self.is_known or self._is_right_header("")

    def _is_right(self, token):
        """Return whether that is the token; asked again about the same one, do not count it again."""
        if self._last[0] != token or self.wait:
            is_right, self.wait = self._access.judge(token.encode("utf-8", "replace"), self._address)
            self._last = (token, is_right)
        return self._last[1]

    def _is_right_header(self, method):
        if self._by_header is None:
            self._by_header = self._access.foreign_site(self._headers) is None and self._judge_header()
        is_ambient = self._by_link and self._scheme() != "bearer"
        return self._by_header and not (is_ambient and _READING.match(method) is None)

    def _judge_header(self):
        given = self._access.given(self._headers)
        if not given:
            return False
        is_right, self.wait = self._access.judge(given, self._address)
        return is_right

    def _scheme(self):
        return self._headers.get("authorization", "").partition(" ")[0].lower()
