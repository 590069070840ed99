"""The way to a server: straight, or through a proxy.

`open_channel` decides which, and comes back with a channel that a request can be
written to, the request target to write, and the headers the proxy wants to see.
"""

import base64
import re
from collections import namedtuple

from .. import urls
from ..errors import Permanent, Temporary
from .dial import connect

_LONGEST_REPLY = 16384


class Network(namedtuple("Network", "tls proxies")):
    """What the connections of one daemon share.

    tls      dial.Tls
    proxies  dict as urllib.request.getproxies_environment() gives it: scheme -> URL, "no"
    """

    __slots__ = ()


def open_channel(url, options, network, stop):
    """(Channel, request target, extra headers) for a request to `url`.

    Raises Temporary, Permanent, MissingModule or Stopped.
    """
    proxy = choose(url, options.proxy, network.proxies)
    near = proxy or url
    channel = connect(near.host, near.port, stop, options.timeout)
    try:
        if proxy is not None and proxy.scheme == "https":
            channel.start_tls(network.tls.context(True), proxy.host)
        if url.scheme == "http":
            return (channel,) + ((str(url), _credentials(proxy)) if proxy else (url.target, {}))
        if proxy is not None:
            _connect_through(channel, url, proxy)
        channel.start_tls(network.tls.context(options.verify_tls), url.host)
        return channel, url.target, {}
    except BaseException:
        channel.close()
        raise


def choose(url, proxy, environment):
    """The URL of the proxy to use, or None. `proxy` is the setting: "" for none, None unset."""
    if proxy is None and not bypassed(url, environment.get("no", "")):
        proxy = environment.get(url.scheme) or environment.get("all")
    if not proxy:
        return None
    try:
        return urls.parse(proxy if "://" in proxy else "http://" + proxy, urls.PROXY_SCHEMES)
    except ValueError as error:
        raise Permanent("the proxy %s" % error) from error


def bypassed(url, no_proxy):
    """Whether a `no_proxy` list names the URL's host: names, suffixes, host:port, "*"."""
    for entry in re.split(r"[,\s]+", no_proxy.strip().lower()):
        name, _, port = entry.partition(":") if entry.count(":") == 1 else (entry, "", "")
        name = name.lstrip("*").lstrip(".") if name != "*" else name
        if port and port != str(url.port):
            continue
        if name == "*" or name and (url.host == name or url.host.endswith("." + name)):
            return True
    return False


def _credentials(proxy):
    if proxy.user is None:
        return {}
    token = base64.b64encode(("%s:%s" % (proxy.user, proxy.password)).encode("utf-8"))
    return {"Proxy-Authorization": "Basic " + token.decode("ascii")}


def _connect_through(channel, url, proxy):
    """Ask an HTTP proxy for a tunnel (RFC 9110, 9.3.6)."""
    host = "[%s]:%d" % (url.host, url.port) if ":" in url.host else "%s:%d" % (url.host, url.port)
    lines = ["CONNECT %s HTTP/1.1" % host, "Host: %s" % host]
    lines += ["%s: %s" % pair for pair in _credentials(proxy).items()]
    channel.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
    reply = _read_head(channel)
    match = re.match(rb"HTTP/1\.[01] ([0-9]{3})([^\r\n]*)", reply)
    if match is None:
        raise Permanent("the proxy's answer is not HTTP")
    status = int(match.group(1))
    if not 200 <= status < 300:
        family = Temporary if status in (408, 429, 502, 503, 504) else Permanent
        reason = re.sub(r"[^ -~]+", " ", match.group(2).decode("latin-1")).strip()
        raise family(("the proxy answered %d %s" % (status, reason)).strip())


def _read_head(channel):
    """The proxy's reply, byte by byte: what comes behind it belongs to the server."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = channel.recv(1)
        if not byte or len(head) > _LONGEST_REPLY:
            raise Temporary("the proxy closed the connection without an answer")
        head += byte
    return head
