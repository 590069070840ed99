"""The objects that all connections of one daemon share, under one name."""

from collections import namedtuple


class Network(namedtuple("Network", "tls proxies hosts pool netrc cookies policy")):
    """The objects that all connections of one daemon share.

    tls      tls.Tls
    proxies  dict from urllib.request.getproxies_environment(): scheme -> URL, "no"
    hosts    host_limits.HostLimits, or a Visitor of them
    pool     pool.Pool
    netrc    netrc.Netrc
    cookies  function that returns the list of Cookies in the user's file
    policy   address_policy.AddressPolicy
    """

    __slots__ = ()
