"""Changing the settings of a daemon while it runs: who may change which, and what follows.

Each change is checked as a whole before any part of it is in effect.
"""

from __future__ import annotations

import threading

from .errors import Forbidden
from .settings.config import AUTOMATION, Config, fixed_names, is_live

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any
    from .automation.automation import Automation
    from .net.network import NamedFiles


class Followers:
    """The parts of a daemon that follow its settings; the registry's lock guards every change.

    `bucket` is the TokenBucket of all tasks together.
    """

    def __init__(self, settings, registry, runner, bucket, network):
        self.settings = settings
        self._registry, self._runner, self._bucket, self._network = registry, runner, bucket, network

    def use(self, config):
        with self._registry.lock:
            self.settings.config = config
            self._registry.configure()
        self._network.pool.clear()
        self._network.tls.configure(config.download.ca_file, config.download.client_cert)
        self._heed_limits()

    def use_limits(self, limits):
        """Put limits in the place of the settings' own: {setting of `download`: value}."""
        with self._registry.lock:
            self.settings.limits = limits
        self._heed_limits()

    def _heed_limits(self):
        self._bucket.rate = self.settings.download.ratelimit
        self._runner.heed_limits()


class Configuration:
    """The settings of one daemon, as they are shown and changed.

    `files` checks the files that settings name, `automation` checks and follows sections of its own.
    For `keep` and `origins` see Daemon.
    """

    def __init__(self, followers: Followers, files: NamedFiles, automation: Automation,
                 keep: Callable[[Any, Config], None] | None = None,
                 origins: Mapping[str, str] | None = None) -> None:
        self._followers, self._settings = followers, followers.settings
        self._files, self._automation = files, automation
        self._keep, self._origins, self._lock = keep, origins or {}, threading.Lock()
        self._confined = self._settings.config.download.deny_private

    def check(self) -> None:
        """Raise InvalidValue if a file, a folder or a command that a setting names cannot be used."""
        self._check(self._settings.config)

    def _check(self, config):
        self._files.check(config.download)
        self._automation.check(config)

    def configure(self, changes: Mapping[str, Any]) -> None:
        """Change settings, all or nothing; `changes` has the shape of the configuration file.

        Raise InvalidValue, Forbidden for one of `fixed_names` and the sections of automation, and
        whatever `keep` raises.
        """
        with self._lock:
            for section in AUTOMATION:
                if isinstance(changes, dict) and section in changes:
                    raise Forbidden(f"{section} can be set in the configuration file only; change it there "
                                    "and send SIGHUP", section)
            config = self._settings.config.changed(changes)
            self._refuse_fixed(config.names(changes))
            self._files.check(config.download)
            if self._keep is not None:
                self._keep(changes, config)
            self._followers.use(config)

    def _refuse_fixed(self, names):
        fixed = self.fixed_names()
        refused = [name for name in names if name in fixed]
        if refused:
            when = "send SIGHUP" if is_live(refused[0]) else "start the daemon again"
            others = f" and {len(refused) - 1} more" if refused[1:] else ""
            raise Forbidden(f"{refused[0]}{others} cannot be changed over the API; set it in the "
                            f"configuration file or the environment, and {when}", refused[0])

    def reload(self, settings: Mapping[str, Any]) -> list[str]:
        """Use the settings of a configuration file as far as they may change.

        Return the names of those that wait for a start. Raise InvalidValue.
        """
        with self._lock:
            config = Config.parse(settings)
            self._check(config)
            self._confined = config.download.deny_private
            self._followers.use(self._settings.config.with_live_of(config))
            self._automation.configure()
            return self._settings.config.differences(config)

    def origins(self) -> dict[str, str | None]:
        """Return {"section.key": where it was set, None for a default} of all settings."""
        config = self._settings.config
        return {name: self._origins.get(name) for name in config.names(config.masked())}

    def fixed_names(self) -> Iterable[str]:
        """Return the names, "section.key", of the settings that `configure` refuses.

        With deny_private set at the start or by `reload`, they include what would lift it.
        """
        return fixed_names(self._confined)
