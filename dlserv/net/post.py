"""POST a message to a URL of the settings, along the same ways as downloads; no redirect is followed."""

from .auth import Credentials
from .exchange import Exchange
from .proxy import Route


class _Anywhere:
    """The address policy for URLs that the settings themselves name."""

    def permit(self, host, port, addresses):
        return addresses

    def exempts(self, proxy):
        return True


class _NoSlot:
    """A message takes no slot of the downloads from its host."""

    def release(self):
        """Release nothing, unlike a slot of a host."""


def post(url, options, network, headers, body):
    """Send the body and return the HTTP status of the answer.

    `options` are a task's effective ones, `network` is a (network.Network, channel.Signal).
    Raise TransferError, Stopped or MissingModule.
    """
    network, stop = network
    route = Route.to(url, options, network._replace(policy=_Anywhere()))
    headers = dict({"Host": url.host_header, "User-Agent": options.user_agent, "Accept": "*/*",
                    "Content-Length": "%d" % len(body), "Connection": "close"}, **headers)
    if url.user is not None:
        headers["Authorization"] = Credentials(url.user, url.password).basic()
    channel = route.open(stop)
    try:
        exchange = Exchange(channel, route, headers, _NoSlot(), network.pool, body)
    except BaseException:
        channel.close()
        raise
    exchange.close()
    return exchange.status
