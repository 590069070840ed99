"""Keep downloads out of the private network if the settings say so.

The address of every connection is checked, so no redirect, mirror or new address of a name
evades the policy.
"""

import re

from ..errors import Permanent
from ..host_patterns import names_host

# Networks that ipaddress does not call private on every Python; the last three are for local
# NAT64, documentation and segment routing.
_PRIVATE = ("192.0.0.0/24", "198.18.0.0/15", "192.88.99.0/24",
            "fec0::/10", "64:ff9b:1::/48", "3fff::/20", "5f00::/16")
_EMBEDDING = ("64:ff9b::/96", "::/96")      # NAT64, and addresses compatible with version 4


class AddressPolicy:
    """`deny_private` and `allow_hosts` of `settings.download`."""

    def __init__(self, settings):
        self._settings = settings

    def permit(self, host, port, addresses):
        """Return those of getaddrinfo's addresses that are permitted. Raise Permanent if none is."""
        settings = self._settings.download
        if not settings.deny_private:
            return addresses
        permitted = [each for each in addresses if is_public(each[4][0])
                     or any(names_host(entry, host, port, each[4][0]) for entry in settings.allow_hosts)]
        if not permitted:
            raise Permanent(f"{host} is not a public address, as download.deny_private requires; "
                            "add it to download.allow_hosts to allow it", word="refused")
        return permitted

    def exempts(self, proxy):
        """Return whether the proxy is that of the settings, which may have a private address."""
        return proxy is None or proxy == self._settings.download.proxy


def is_public(text):
    """Return whether the address is of the public Internet."""
    import ipaddress
    address = ipaddress.ip_address(text.partition("%")[0])
    inner = _embedded(address) if address.version == 6 else None
    if inner is not None:
        return is_public(str(inner))
    return address.is_global and not (address.is_multicast or address.is_reserved or _is_in(address, _PRIVATE))


def _embedded(address):
    """Return the IPv4 address in this IPv6 address, or None."""
    import ipaddress
    if _is_in(address, _EMBEDDING) and int(address) > 1:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])


def _is_in(address, networks):
    import ipaddress
    return any(address in ipaddress.ip_network(network) for network in networks)


def bypassed(url, no_proxy):
    """Return whether a `no_proxy` list names the URL's host; see host_patterns."""
    return any(names_host(entry, url.host, url.port, url.host)
               for entry in re.split(r"[,\s]+", no_proxy) if entry)
