"""Everything the daemon does by itself; its parts are loaded where there are settings for them."""

import logging

from ..settings.automation import HOOK_EVENTS

log = logging.getLogger(__name__)


class Automation:
    """Hooks, webhooks, the schedule and watched folders of one daemon.

    registry  the TaskRegistry, which calls back when a task ends
    add_all   that of the Operations
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
        self._variables = variables
        self._registry.on_end, self._registry.on_idle = self._ended, self._idle
        self.configure()

    def configure(self):
        """Follow the current settings, and send the messages that are left."""
        config = self._settings.config
        if self._webhooks is None and (config.webhooks or any(task.deliveries for task in self._registry.list())):
            from .webhooks import Webhooks
            webhooks = Webhooks(self._settings, self._registry, self._network)
            webhooks.start()
            self._webhooks = webhooks
        if self._schedule is None and config.schedule:
            from .schedule import Schedule
            self._schedule = Schedule(self._settings, self._heed)
        if self._schedule is not None:
            self._schedule.start()
        if self._hooks is None and _has_hooks(config):
            from .hooks import Hooks
            self._hooks = Hooks(self._settings, self._registry, self._variables)
        self._watch(config.watch)

    def _watch(self, wanted):
        """Watch these folders and no others."""
        for each in [each for each in self._watches if each.folder not in wanted]:
            each.stop()
            self._watches.remove(each)
        known = [each.folder for each in self._watches]
        for folder in wanted:
            if folder not in known:
                from .watch import Watch
                watch = Watch(folder, self._add_all)
                watch.start()
                self._watches.append(watch)

    def window(self):
        """Return the window that counts now, as /stats has it, or None."""
        return self._schedule.told() if self._schedule is not None else None

    def stop(self):
        for each in filter(None, [self._schedule, *self._watches, self._hooks, self._webhooks]):
            each.stop()

    def _ended(self, task):
        self._tell("finished" if task.file else "failed", task)

    def _idle(self):
        self._tell("idle", None)

    def _tell(self, event, task):
        try:
            receivers = [each for each in (self._webhooks, self._hooks) if each is not None and each.wants(event)]
            if receivers:
                from ..tasks import views
                detail = task and views.detail(task)
            for each in receivers:
                each.put(event, task, detail)
        except Exception:       # the task has ended all the same
            log.exception("%s: nobody could be told of the event %s", task and task.tid[:8], event)


def _has_hooks(config):
    return any(getattr(config.hooks, event) for event in HOOK_EVENTS)
