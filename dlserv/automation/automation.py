"""Everything the daemon does by itself, as one object to start, inform of changes, and stop."""

import logging

from . import hooks, watch
from .hooks import Hooks
from .schedule import Schedule
from .watch import Watch
from .webhooks import Webhooks, detail_of

log = logging.getLogger(__name__)


class Automation:
    """Hooks, webhooks, the schedule and watched folders of one daemon.

    settings  the settings.current.Settings
    registry  the TaskRegistry, which calls back when a task ends
    network   a net.proxy.Network
    add_all   adds the tasks of lists, as Daemon.add_all
    heed      puts other limits into effect: {setting of `download`: value}
    """

    def __init__(self, settings, registry, network, add_all, heed):
        self._settings, self._registry, self._add_all = settings, registry, add_all
        self._hooks, self._webhooks = Hooks(settings, registry), Webhooks(settings, registry, network)
        self.schedule, self._watches = Schedule(settings, heed), []

    def check(self, config):
        """Raise InvalidValue, naming the key, for a command or a folder that is not there."""
        hooks.check(config.hooks)
        watch.check(config.watch, config.general.download_dir)

    def start(self, variables):
        """Start everything; hooks get these environment variables."""
        self._hooks.variables = dict(variables)
        self._registry.on_end, self._registry.on_idle = self._ended, self._idle
        self._webhooks.start()
        self.configure()

    def configure(self):
        """Follow the current settings."""
        self.schedule.start()
        wanted = self._settings.config.watch
        for each in self._watches:
            if each.folder not in wanted:
                each.stop()
        self._watches = [each for each in self._watches if each.folder in wanted]
        known = [each.folder for each in self._watches]
        new = [Watch(folder, self._add_all) for folder in wanted if folder not in known]
        for each in new:
            each.start()
        self._watches += new

    def stop(self):
        """End everything; webhooks that were not sent are sent after the next start."""
        for each in [self.schedule, *self._watches, self._hooks, self._webhooks]:
            each.stop()

    def _ended(self, task):
        """Run hooks and webhooks for a task that has finished or failed; the registry's lock is held."""
        event = "finished" if task.file else "failed"
        receivers = [each for each in (self._webhooks, self._hooks) if each.wants(event)]
        try:
            detail = detail_of(task) if receivers else None
            for each in receivers:
                each.put(event, task, detail)
        except Exception:       # the task has ended all the same
            log.exception("%s: nobody could be told that it has %s", task.tid[:8], event)

    def _idle(self):
        if self._hooks.wants("idle"):
            self._hooks.put("idle")
