"""The files that the section `download` of the settings names for connections."""

import os

from ..errors import InvalidValue, Permanent
from ..fs import check_file
from .tls import load_authorities, load_certificate


class NamedFiles:
    """`ca_file`, `client_cert` and `cookies_file`, which lies in `folder` if its path is relative.

    `settings` is the settings.current.Settings.
    """

    def __init__(self, settings, folder):
        self._settings, self._folder, self._cookie_file = settings, folder, None

    def check(self, section):
        """Raise InvalidValue if a file that the section names cannot be loaded."""
        for key, path, load in (("ca_file", section.ca_file, load_authorities),
                                ("client_cert", section.client_cert, load_certificate),
                                ("cookies_file", self._cookies_path(section), self._read_cookies)):
            try:
                if path:
                    check_file(path)
                    load(path)
            except (OSError, ValueError, Permanent) as error:
                reason = getattr(error, "strerror", None) or error
                raise InvalidValue("download." + key, f"{path} cannot be loaded: {reason}") from None

    def cookies(self):
        """Return the Cookies of the file that the settings name. Raise Permanent if it cannot be read."""
        path = self._cookies_path(self._settings.config.download)
        return self._read_cookies(path) if path else ()

    def _read_cookies(self, path):
        """Return the Cookies in the file; see CookieFile.read."""
        from .cookies import CookieFile
        self._cookie_file = self._cookie_file or CookieFile()
        return self._cookie_file.read(path)

    def _cookies_path(self, section):
        name = section.cookies_file
        return name and os.path.join(self._folder, name)
