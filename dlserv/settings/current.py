"""The settings in effect: one live object, handed to everything that reads them."""


class Settings:
    """Read `settings.download.timeout` when it matters; never keep a section, which may be outdated.

    `config` is the Config in effect; it is replaced as a whole.
    """

    __slots__ = ("config",)

    def __init__(self, config):
        self.config = config

    @property
    def general(self):
        return self.config.general

    @property
    def server(self):
        return self.config.server

    @property
    def download(self):
        return self.config.download
