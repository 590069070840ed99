"""The report on a daemon as a whole."""

from __future__ import annotations

from ..errors import StoreBroken, Unavailable
from ..settings import options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
    from .download_dir import DownloadDir
    from .registry import TaskRegistry
    from .runner import Runner

PATIENCE = 5.0      # seconds for the scheduler to show that it is alive


class Report:
    """Figures of one daemon since its start."""

    def __init__(self, registry: TaskRegistry, runner: Runner, download_dir: DownloadDir) -> None:
        self._registry, self._runner, self._download_dir = registry, runner, download_dir

    def totals(self) -> dict[str, Any]:
        """Return the speed in bytes/s, the bytes received, the connections, and the free bytes."""
        with self._registry.lock:
            received = self._registry.running.received
            downloads = [attempt.download for attempt in self._registry.running]
        return {"speed": round(sum(download.speed for download in downloads), 1), "downloaded_bytes": received,
                "connections": sum(download.connections for download in downloads),
                "free_bytes": self._download_dir.free_bytes}

    def speed_history(self) -> dict[str, Any]:
        """Return that of attempt.Running."""
        with self._registry.lock:
            return self._registry.running.speed_history()

    def running(self) -> list[str]:
        return [attempt.tid for attempt in self._runner.attempts()]

    def outcomes(self) -> dict[str, int]:
        """Return {"finished", "failed", "retried": how many attempts ended so}."""
        failed, retried = self.reasons()
        return {"finished": self._runner.outcomes.finished, "failed": sum(failed.values()),
                "retried": sum(retried.values())}

    def reasons(self) -> tuple[dict[str | None, int], dict[str | None, int]]:
        """Return ({reason or None: attempts that failed for good}, {the same: those that were repeated})."""
        with self._registry.lock:
            return dict(self._runner.outcomes.failed), dict(self._runner.outcomes.retried)

    def folders(self) -> tuple[list[str], bool]:
        """Return (sorted folders below the download directory, also those that tasks name, whether these are all).

        Raise Unavailable while its disk is not there.
        """
        found, whole = self._download_dir.folders()
        named = {task.options.dir for task in self._registry.list()} - {""}
        return sorted(named.union(filter(options.is_folder, found))), whole

    def health(self) -> dict[str, str]:
        """Return {"repaired": a sentence} if the database was damaged at the start, else {}.

        Raise StoreBroken or Unavailable if the daemon cannot work, without a path: anybody may read it.
        """
        store = self._registry.store
        if store is None or not store.is_writable:
            raise StoreBroken("the database cannot be written")
        if not self._download_dir.is_there():
            raise Unavailable("the download directory is not there; its disk may be missing")
        self.check_alive()
        return {"repaired": store.repaired} if store.repaired else {}

    def check_alive(self) -> None:
        """Raise Unavailable if no task would be started any more."""
        if not self._runner.is_alive(PATIENCE):
            raise Unavailable("the scheduler has died or hangs; start the daemon again")
