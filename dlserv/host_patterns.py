"""Patterns of hosts, as lists in settings and `no_proxy` have them."""

import re

from .idn import comparable


def names_host(entry, host, port, address):
    """Return whether the entry names the host: name, .suffix, host:port, address, CIDR network or "*"."""
    if "/" in entry:
        return _in_network(entry, address)
    match = re.fullmatch(r"\[?(.*?)\]?(?::([0-9]+))?", entry) if entry.count(":") < 2 or "]" in entry \
        else re.fullmatch("(.*)()", entry)
    name, wanted = match.groups()
    if wanted and wanted.lstrip("0") != str(port):
        return False
    if name == "*":
        return True
    name, host = comparable(name.lstrip("*").lstrip(".")), comparable(host)
    return bool(name) and (name in (host, address) or host.endswith("." + name))


def _in_network(entry, address):
    import ipaddress
    try:
        return ipaddress.ip_address(address.partition("%")[0]) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
