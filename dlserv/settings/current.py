"""The settings that count now: one object, handed to all who read them."""


class Settings:
    """Whoever holds it reads `settings.download.timeout` when it matters and never keeps a section.

    `config` is the Config that counts; it is replaced as a whole.
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
