"""The schedule: the window in effect, computed from the clock, so that none is ever missed.

Windows are local time: what time.localtime says decides, over daylight saving and after the
clock was set. The first window that contains a moment is in effect.
"""

import logging
import threading
import time

from ..threads import Thread, join
from ..units import parse_clock, parse_days

_QUARTER, _DAY = 900, 86400     # seconds; daylight saving begins and ends at a quarter of an hour
_TWICE = (0, -3600, 3600, -1800, 1800)      # seconds from one of two equal local times to the other

log = logging.getLogger(__name__)


def window_at(schedule, now):
    """Return the window of the settings' section that `now` is in, or None."""
    local = time.localtime(now)
    today, minute = local.tm_wday, local.tm_hour * 60 + local.tm_min
    return next((window for window in schedule if _contains(window, today, minute)), None)


def _contains(window, today, minute):
    days, begin, end = parse_days(window["days"]), parse_clock(window["from"]), parse_clock(window["to"])
    if begin < end:
        return today in days and begin <= minute < end
    return today in days and minute >= begin or (today - 1) % 7 in days and minute < end


def change_after(schedule, now):
    """Return the epoch second at which the window in effect changes; None if not within 8 days."""
    current, local = window_at(schedule, now), time.localtime(now)
    edges = {parse_clock(window[key]) for window in schedule for key in ("from", "to")}
    moments = {time.mktime((local.tm_year, local.tm_mon, local.tm_mday + day, 0, edge, 0, 0, 0, -1)) + shift
               for day in range(9) for edge in edges for shift in _TWICE}
    first = int(now) // _QUARTER * _QUARTER
    moments.update(range(first, first + 8 * _DAY, _QUARTER))
    return next((int(moment) for moment in sorted(moments)
                 if moment > now and window_at(schedule, moment) is not current), None)


class Schedule:
    """Keeps the limits of the window in effect: `heed(limits)` is called when they change."""

    LOOK = 15.0         # seconds between looks at the clock, which may be set

    def __init__(self, settings, heed, time_of_day=time.time):
        self._settings, self._heed, self._time_of_day = settings, heed, time_of_day
        self._wake, self._stopping, self._thread = threading.Condition(), False, None
        self._known = None          # (schedule, minute, window as told)

    def told(self):
        """Return the window in effect with its end as `until`, as /stats has it, or None."""
        schedule, now = self._settings.config.schedule, self._time_of_day()
        if self._known is None or self._known[0] is not schedule or self._known[1] != now // 60:
            window = window_at(schedule, now)
            self._known = schedule, now // 60, window and dict(window, until=change_after(schedule, now))
        return self._known[2]

    def heed(self):
        """Put the limits of the current window into effect."""
        window = window_at(self._settings.config.schedule, self._time_of_day()) or {}
        limits = {key: window[key] for key in ("ratelimit", "max_concurrent") if window.get(key) is not None}
        if limits != self._settings.limits:
            log.info("the schedule: %s", ", ".join("%s %d" % each for each in limits.items()) or "no limits")
        if limits or self._settings.limits:     # again, too: a task may not have been resumable before
            self._heed(limits)

    def start(self):
        """Follow the clock while there are windows; called again when the settings have changed."""
        self.heed()
        with self._wake:
            self._wake.notify()
            if self._thread is None and self._settings.config.schedule and not self._stopping:
                self._thread = Thread(self._follow, "dlserv-schedule")
                self._thread.start()

    def stop(self):
        with self._wake:
            self._stopping = True
            self._wake.notify()
            thread = self._thread
        join(thread)

    def _follow(self):
        while self._sleep():
            try:
                self.heed()
            except Exception:
                log.exception("the schedule met a bug; it goes on")

    def _sleep(self):
        """Sleep until the next look at the clock; return False at the end."""
        with self._wake:
            if not self._stopping and self._settings.config.schedule:
                self._wake.wait(min(self.LOOK, 60 - self._time_of_day() % 60 + 0.001))
            if self._stopping or not self._settings.config.schedule:
                self._thread = None
                return False
            return True
