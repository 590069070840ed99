"""The settings that count now: one object, handed to all who read them."""


class Settings:
    """Whoever holds it reads `settings.download.timeout` when it matters and never keeps a section.

    `config` is the Config that counts; it is replaced as a whole. `limits` are those values of
    `download` that a window of the schedule puts in the place of the Config's.
    """

    __slots__ = ("_config", "_limits", "download")

    def __init__(self, config):
        self._limits = {}
        self.config = config

    @property
    def config(self):
        return self._config

    @config.setter
    def config(self, config):
        self._config = config
        self.download = config.download._replace(**self._limits)

    @property
    def limits(self):
        return self._limits

    @limits.setter
    def limits(self, limits):
        self._limits = limits
        self.config = self._config

    @property
    def general(self):
        return self._config.general

    @property
    def server(self):
        return self._config.server
