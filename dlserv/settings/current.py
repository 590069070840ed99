"""The settings in effect: one live object, handed to everything that reads them."""


class Settings:
    """Read `settings.download.timeout` when it matters; never keep a section, which may be outdated.

    `config` is the Config in effect, `limits` the values that a window of the schedule puts in the
    place of those in its `download`.
    """

    __slots__ = ("_config", "_limits", "general", "download")

    def __init__(self, config):
        self._limits = {}
        self.config = config

    @property
    def config(self):
        return self._config

    @config.setter
    def config(self, config):
        self._config, self.general = config, config.general
        self.download = config.download._replace(**self._limits)

    @property
    def limits(self):
        return self._limits

    @limits.setter
    def limits(self, limits):
        self._limits = limits
        self.config = self._config
