"""The schedule: the window in effect, computed from the clock, so that none is ever missed.

time.localtime decides, over daylight saving and after the clock was set. The first window that
contains a moment is in effect.
"""

import logging
import threading
import time

from ..threads import Flag, Thread, join, persist
from ..units import parse_clock, parse_days

_QUARTER, _DAY = 15, 24 * 60    # minutes; local times are quarters from UTC, and leap by quarters

log = logging.getLogger(__name__)


def window_at(schedule, now):
    """Return the window of the section that `now` is in, or None."""
    local = time.localtime(now)
    today, minute = local.tm_wday, local.tm_hour * 60 + local.tm_min
    return next((window for window in schedule if _contains(window, today, minute)), None)


def _contains(window, today, minute):
    days, begin, end = parse_days(window["days"]), parse_clock(window["from"]), parse_clock(window["to"])
    if begin < end:
        return today in days and begin <= minute < end
    return today in days and minute >= begin or (today - 1) % 7 in days and minute < end


def change_after(schedule, now):
    """Return the epoch second at which another window is in effect; None if not within 8 days."""
    current, first = window_at(schedule, now), int(now) // 60 + 1
    edges = {parse_clock(window[key]) % _QUARTER for window in schedule for key in ("from", "to")} | {0}
    return next((minute * 60 for minute in range(first, first + 8 * _DAY)
                 if minute % _QUARTER in edges and window_at(schedule, minute * 60) is not current), None)


class Schedule:
    """Calls `heed(limits)` with those of the window in effect."""

    LOOK = 15.0         # seconds between looks at the clock: it may be set

    def __init__(self, settings, heed, time_of_day=time.time):
        self._settings, self._heed, self._time_of_day = settings, heed, time_of_day
        self._lock, self._stop, self._thread = threading.Lock(), Flag(), None
        self._known = None          # (schedule, minute, window as told)

    def told(self):
        """Return the window in effect with its end as `until`, or None."""
        schedule, now = self._settings.config.schedule, self._time_of_day()
        if self._known is None or self._known[0] is not schedule or self._known[1] != now // 60:
            window = window_at(schedule, now)
            self._known = schedule, now // 60, window and dict(window, until=change_after(schedule, now))
        return self._known[2]

    def heed(self):
        with self._lock:        # else limits of earlier windows could come last
            window = window_at(self._settings.config.schedule, self._time_of_day()) or {}
            limits = {key: window[key] for key in ("ratelimit", "max_concurrent") if window.get(key) is not None}
            if limits != self._settings.limits:
                log.info("the schedule: %s", ", ".join("%s %d" % each for each in limits.items()) or "no limits")
            self._heed(limits)      # again, too: tasks may be resumable by now

    def start(self):
        """Heed the schedule now, which may have changed, and from now on while it has windows."""
        self.heed()
        if not self._settings.config.schedule:
            self.stop()
        elif self._thread is None:
            self._stop.clear()
            thread = Thread(persist, "dlserv-schedule", (self._follow, lambda error: log.exception(
                "the schedule met a bug; it goes on")))
            thread.start()
            self._thread = thread

    def stop(self):
        self._stop.set()
        join(self._thread)
        self._thread = None

    def _follow(self):
        while not self._stop.wait(min(self.LOOK, 60 - self._time_of_day() % 60 + 0.001)):
            self.heed()
