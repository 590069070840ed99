"""Everything the daemon does by itself, as one object to start, inform of changes, and stop.

Hooks, webhooks, watched folders and the schedule are loaded where there are settings for them.
"""

import logging

from ..settings.automation import HOOK_EVENTS

log = logging.getLogger(__name__)


class Automation:
    """Hooks, webhooks, the schedule and watched folders of one daemon.

    settings  the settings.current.Settings
    registry  the TaskRegistry, which calls back when a task ends
    network   a net.network.Network
    add_all   adds the tasks of lists, as Daemon.add_all
    heed      puts other limits into effect: {setting of `download`: value}
    """

    def __init__(self, settings, registry, network, add_all, heed):
        self._settings, self._registry, self._network, self._add_all = settings, registry, network, add_all
        self._heed = heed
        self._hooks = self._webhooks = self._schedule = None
        self._variables, self._watches = {}, []

    def check(self, config):
        """Raise InvalidValue, naming the key, for a command or a folder that is not there."""
        if _has_hooks(config):
            from . import hooks
            hooks.check(config.hooks)
        if config.watch:
            from . import watch
            watch.check(config.watch, config.general.download_dir)

    def start(self, variables):
        """Start what the settings ask for; hooks get these environment variables."""
        self._variables = dict(variables)
        self._registry.on_end, self._registry.on_idle = self._ended, self._idle
        if any(task.deliveries for task in self._registry.list()):
            self._start_webhooks()
        self.configure()

    def configure(self):
        """Follow the current settings."""
        config = self._settings.config
        if config.schedule and self._schedule is None:
            from .schedule import Schedule
            self._schedule = Schedule(self._settings, self._heed)
        if self._schedule is not None:
            self._schedule.start()
        if config.webhooks and self._webhooks is None:
            self._start_webhooks()
        if _has_hooks(config) and self._hooks is None:
            self._make_hooks()
        self._watch(config.watch)

    def _start_webhooks(self):
        from .webhooks import Webhooks
        webhooks = Webhooks(self._settings, self._registry, self._network)
        webhooks.start()
        self._webhooks = webhooks

    def _make_hooks(self):
        from .hooks import Hooks
        hooks = Hooks(self._settings, self._registry)
        hooks.variables = self._variables
        self._hooks = hooks

    def _watch(self, wanted):
        """Watch these folders and no others."""
        for each in self._watches:
            if each.folder not in wanted:
                each.stop()
        self._watches = [each for each in self._watches if each.folder in wanted]
        known = [each.folder for each in self._watches]
        new = [self._watch_of(folder) for folder in wanted if folder not in known]
        for each in new:
            each.start()
        self._watches += new

    def _watch_of(self, folder):
        from .watch import Watch
        return Watch(folder, self._add_all)

    def window(self):
        """Return the window of the schedule that counts now, as /stats has it, or None."""
        return self._schedule.told() if self._schedule is not None else None

    def stop(self):
        """End everything; webhooks that were not sent are sent after the next start."""
        for each in filter(None, [self._schedule, *self._watches, self._hooks, self._webhooks]):
            each.stop()

    def _ended(self, task):
        """Run hooks and webhooks for a task that has finished or failed; the registry's lock is held."""
        event = "finished" if task.file else "failed"
        receivers = [each for each in (self._webhooks, self._hooks) if each is not None and each.wants(event)]
        if not receivers:
            return
        try:
            from ..tasks import views
            detail = views.detail(task)
            for each in receivers:
                each.put(event, task, detail)
        except Exception:       # the task has ended all the same
            log.exception("%s: nobody could be told that it has %s", task.tid[:8], event)

    def _idle(self):
        if self._hooks is not None and self._hooks.wants("idle"):
            self._hooks.put("idle")


def _has_hooks(config):
    """Return whether the settings name a command for any event."""
    return any(getattr(config.hooks, event) for event in HOOK_EVENTS)
