"""The threads of attempts, and the one that starts them as slots come free."""

import logging
import threading
from importlib import import_module

from ..complaint import Complaint
from ..engine.progress import Finished
from ..threads import Flag, Thread, join, persist
from .workers import Workers

BUG = "the scheduler met a bug; it goes on"

log = logging.getLogger(__name__)


class Dispatcher:
    """Lets the runner begin attempts, each in a thread that goes on with the next one if there is any.

    Its own thread sleeps meanwhile. `wake` and `stumble` are called with the registry's lock held.
    """

    AFTER_A_BUG = 5.0       # seconds until what met a bug of ours is tried again

    def __init__(self, runner):
        self._runner, self._registry = runner, runner.registry
        self._changed, self.stopping = threading.Condition(runner.registry.lock), False
        self._shut = set()          # Gates that were shut at the last look
        self._looked = Flag()        # since `is_alive` asked last
        self._complaint, self._suspect = Complaint(log), False
        self._workers, self._is_loaded = Workers(self._perform), False      # the engine
        self._thread = Thread(persist, "dlserv-scheduler", (self._dispatch, self._rest))

    def start(self):
        self._thread.start()

    def is_alive(self, seconds):
        """Return whether tasks are still started; it takes at most twice `seconds`."""
        if not self._thread.is_alive() or not self._changed.acquire(timeout=seconds):
            return False
        try:
            self._looked.clear()
            self.wake()
        finally:
            self._changed.release()     # a scheduler that hangs would keep a Condition's wait
        return self._looked.wait(seconds)

    def stop(self):
        """Return when it is certain that no more attempts begin."""
        with self._registry.lock:
            self.stopping = True
            self.wake()
        self._workers.stop()
        join(self._thread)

    def begin(self):
        """Begin all attempts that may begin; lock not held."""
        try:
            self._load_engine()
            attempt = self._begin_next()
            while attempt is not None:
                self._spawn(attempt)
                attempt = self._begin_next()
        except Exception as error:
            self.have_recovered(error)

    def have_recovered(self, error):
        """Let the dispatcher's thread make good what the error has left undone; lock not held."""
        self._suspect = True
        with self._registry.lock:
            self.stumble(BUG, error)
            self.wake()

    def wake(self):
        self._changed.notify_all()

    def stumble(self, sentence, error):
        """Log an error of ours, or a lack of memory, and have the runner recover from it."""
        self._suspect = True        # first: there may be no memory for the rest
        self._complaint.tell(sentence, error)

    def abandon(self, attempt, error):
        """Settle an attempt whose thread is missing or has ended silently; lock not held."""
        with self._registry.lock:
            if not self._registry.running.is_latest(attempt):
                return
            self._runner.end(attempt, error)
            self.wake()
        attempt.download.stop()     # lest a thread that comes after all fetches anything
        attempt.download.close()
        attempt.over()

    def _begin_next(self):
        """Return the next attempt, or None if the rest is for the dispatcher's own thread."""
        with self._registry.lock:
            suspect = self._suspect or not self._runner.scheduler.is_whole
            attempt = None if suspect else self._runner.begin_next()
            if attempt is None and (suspect or self._runner.may_begin):
                self.wake()
            return attempt

    # -- its own thread --------------------------------------------------------------------

    def _dispatch(self):
        while not self.stopping:
            self._load_engine()
            attempt = self._await_next()
            if attempt is not None:
                self._spawn(attempt)

    def _rest(self, error):
        """Wait a while after an error."""
        self._suspect = True
        with self._registry.lock:
            self.stumble(BUG, error)
            self._changed.wait(self.AFTER_A_BUG)

    def _load_engine(self):
        """Load the engine if a task waits, because `begin_next` is called with the lock held."""
        if not self._is_loaded and self._runner.scheduler.is_waiting:
            import_module("..engine.download", __package__)
            self._is_loaded = True

    def _await_next(self):
        with self._registry.lock:
            if self._suspect or not self._runner.scheduler.is_whole:
                self._runner.recover()
                self._suspect = False
            attempt = self._runner.begin_next()
            self._looked.set()
            if attempt is None:
                self._tell_who_is_held_back()
                if not self.stopping:
                    self._changed.wait(self._runner.scheduler.seconds_to_sleep())
            self._complaint.over()      # the lock is held: other threads tell it
            return attempt

    def _tell_who_is_held_back(self):
        """Announce the tasks at Gates that have shut or opened since."""
        scheduler = self._runner.scheduler
        shut = scheduler.shut()
        for gate in shut ^ self._shut:
            for tid in scheduler.waiting_at(gate):
                task = self._registry.tasks[tid]
                self._runner.outcomes.note_held_back(task)
                self._registry.announce("changed", task)
        self._shut = shut

    def _spawn(self, attempt):
        try:
            self._workers.give(attempt)
        except (RuntimeError, MemoryError) as error:
            self.abandon(attempt, error)

    # -- the threads of attempts -------------------------------------------------------------

    def _perform(self, attempt):
        """Perform the attempt and record its end; return the one that has its slot now, or None."""
        outcome, runner = attempt.perform(), self._runner
        try:
            with self._registry.lock:
                runner.end(attempt, outcome)
                following = runner.begin_next()
                if following is not None:
                    following.thread = attempt.thread
                if self._suspect or not isinstance(outcome, Finished) or following and runner.may_begin:
                    self.wake()
            return following
        except Exception as error:
            with self._registry.lock:
                self.stumble("the end of an attempt could not be recorded", error)
            return None
        finally:
            attempt.over()
