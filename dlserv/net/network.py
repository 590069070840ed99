"""The objects that all connections share, and the files that the settings name for them."""

import os
from collections import namedtuple

from ..errors import InvalidValue, Permanent
from ..fs import check_file
from .address_policy import AddressPolicy
from .cookies import CookieFile
from .host_limits import HostLimits
from .netrc import Netrc
from .pool import Pool
from .tls import Tls, load_pem


class Network(namedtuple("Network", "tls proxies hosts pool netrc cookies policy")):
    """The objects that all connections of one daemon share.

    tls      tls.Tls
    proxies  dict of urllib.request.getproxies_environment()
    hosts    host_limits.HostLimits, or a Visitor of them
    pool     pool.Pool
    netrc    netrc.Netrc
    cookies  function that returns the list of Cookies in the user's file
    policy   address_policy.AddressPolicy, or None to allow any address
    """

    __slots__ = ()

    @classmethod
    def of(cls, settings, proxies, netrc, cookies):
        """Return a Network; `settings` is a current.Settings, `netrc` a path or None."""
        download = settings.download
        return cls(Tls(download.ca_file, download.client_cert), proxies, HostLimits(settings), Pool(),
                   Netrc(netrc), cookies, AddressPolicy(settings))


class NamedFiles:
    """`ca_file`, `client_cert` and `cookies_file`, which lies in `folder` if its path is relative."""

    def __init__(self, settings, folder):
        self._settings, self._folder, self._cookie_file = settings, folder, CookieFile()

    def check(self, section):
        """Raise InvalidValue if a file that the section names cannot be loaded."""
        for key, path in (("ca_file", section.ca_file), ("client_cert", section.client_cert),
                          ("cookies_file", self._cookies_path(section))):
            try:
                if path and key == "cookies_file":
                    check_file(path)
                    self._cookie_file.read(path)
                elif path:
                    load_pem(key, path)
            except (OSError, ValueError, Permanent) as error:
                reason = getattr(error, "strerror", None) or error
                raise InvalidValue("download." + key, f"{path} cannot be loaded: {reason}") from None

    def cookies(self):
        """Return the Cookies of the settings' file. Raise Permanent."""
        path = self._cookies_path(self._settings.config.download)
        return self._cookie_file.read(path) if path else ()

    def _cookies_path(self, section):
        name = section.cookies_file
        return name and os.path.join(self._folder, name)
