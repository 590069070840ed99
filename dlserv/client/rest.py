"""A client of a running daemon.

    from dlserv import Client

    with Client("http://127.0.0.1:6880") as client:
        tid = client.add("https://example.org/file.iso", priority=1)
        print(client.wait(tid)["state"])

A Client is for one thread at a time, so give each thread its own. An event stream has a
connection of its own: one thread reads it, any may close it.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import namedtuple
from urllib.parse import quote

from ..contract import SETTLED
from .transport import Stream, Transport

LARGEST = 2 ** 19       # bytes of one request; the daemon takes twice as many


# The tids of those added, and [(url, reason), …] of the others.
Added = namedtuple("Added", "tids refused had_already")


class Client(Transport):
    """The daemon at `url`: an http:// or https:// address, or `unix:/path`. Raise InvalidValue.

    Every method raises NoDaemon if nothing answers, NotAllowed if the token is missing or
    wrong, and Refused, with the HTTP status and the daemon's sentence, for everything that
    it declines. For any other route there are `get`, `post`, `put`, `patch` and `delete`.
    """

    # -- tasks -------------------------------------------------------------------------

    def add(self, url: str, **options: object) -> str:
        """Add a download with the options of `POST /task`; return its tid. A 409 if it is there already."""
        return self.post("/task", {"url": url, "options": options})["tid"]

    def add_all(self, tasks: list[tuple[str, dict]]) -> tuple[list[str], list[tuple[str, str]]]:
        """Add many (url, options); return (tids, [(url, reason), …] of those refused)."""
        tids, refused, had = self.add_many(tasks)
        return tids, refused + had

    def add_many(self, tasks: list[tuple[str, dict]]) -> Added:
        """Add many (url, options); those that the archive has are apart."""
        added = Added([], [], [])
        for batch in _batches(tasks):
            reply = self.post("/task/batch/add", {"tasks": batch})
            added.tids.extend(reply["tids"])
            added.refused.extend(map(tuple, reply.get("detail", [])))
            added.had_already.extend(map(tuple, reply.get("had_already", [])))
        return added

    def task(self, tid: str) -> dict:
        """Return the task's full status, its log included."""
        return self.get(task_path(tid, "status"))["detail"]

    def info(self, tid: str) -> dict:
        """Return what the file is: URL, checksum, validators, options."""
        return self.get(task_path(tid, "info"))["detail"]

    def tasks(self, state: str | None = None) -> list[dict]:
        """Return all tasks, or those in one state, oldest first, each as the events show it."""
        return self.get("/task/list", rows="true", state=state or "all")["detail"]

    def pause(self, tid: str) -> None:
        """Stop the task where it is. A 409 if its state does not permit it, as with the next two."""
        self.put(task_path(tid), act="pause")

    def resume(self, tid: str) -> None:
        """Let a paused or failed task go on."""
        self.put(task_path(tid), act="resume")

    def restart(self, tid: str) -> None:
        """Fetch a finished or failed task again from nothing."""
        self.put(task_path(tid), act="restart")

    def refresh(self, tid: str) -> None:
        """Fetch a finished file again if its server has another one by now."""
        self.put(task_path(tid), act="refresh")

    def verify(self, tid: str) -> None:
        """Compute the SHA-256 of a finished file; see "checksum" and "verified_time" of its info."""
        self.put(task_path(tid), act="verify")

    def move(self, tid: str, to: str) -> None:
        """Move a waiting task to "top", "bottom", "up" or "down" in the queue."""
        self.put(task_path(tid), act="move", to=to)

    def change(self, tid: str, url: str | None = None, **options: object) -> None:
        """Give the task a fresh URL of the same file, or other options; None restores a default."""
        body: dict[str, object] = {"options": options} if options else {}
        self.patch(task_path(tid), dict(body, url=url) if url else body)

    def remove(self, tid: str, del_file: bool = False) -> dict:
        """Delete the task, and its file if `del_file`; return the names "deleted", "missing" and "kept"."""
        return self.delete(task_path(tid), del_file=str(del_file).lower()).get("detail", {})

    def act_on_all(self, act: str, tids: list[str], **more: object) -> list[tuple[str, str]]:
        """Pause, resume, restart, refresh, verify or delete many; return [(tid, reason), …] of refusals."""
        return list(map(tuple, self.post("/task/batch/" + act, dict(more, tids=tids)).get("detail", [])))

    def wait(self, tid: str, timeout: float | None = None) -> dict:
        """Return the task's status once it is finished, invalid or paused.

        Raise TimeoutError after `timeout` seconds, and Refused (404) when it is deleted meanwhile.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            with self.events() as stream, _closed_at(deadline, stream):
                for event in stream:
                    if event.kind == "snapshot" or event.data.get("tid") == tid:
                        status = self.task(tid)
                        if status["state"] in SETTLED:
                            return status
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"the task is neither finished, invalid nor paused after {timeout:g} s")

    # -- the archive -------------------------------------------------------------------

    def archive(self, offset: int = 0, limit: int | None = None) -> list[dict]:
        """Return "tid", "time", "size" and "sha256" of what was downloaded and deleted, the oldest first."""
        limits = {} if limit is None else {"limit": limit}
        return self.get("/archive", offset=offset, **limits)["detail"]

    def forget(self, tid: str) -> None:
        """Let the URL of this tid be downloaded again; "all" forgets the whole archive."""
        self.delete("/archive/" + quote(tid, safe=""))

    # -- the daemon --------------------------------------------------------------------

    def events(self) -> Stream:
        """Return the open Stream: `snapshot`, then `task`, `removed` and `stats`."""
        return self.stream("/events")

    def stats(self) -> dict:
        """Return the figures of the daemon as a whole."""
        reply = self.get("/stats")
        del reply["status"]
        return reply

    def config(self, changes: dict | None = None) -> dict:
        """Return the settings, after making the `changes`, which have the same shape."""
        return (self.post("/config", changes) if changes else self.get("/config"))["config"]

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def task_path(tid: str, what: str = "") -> str:
    return "/task/tid/" + quote(tid, safe="") + (what and "/" + what)


def _batches(tasks):
    """Yield the tasks as the API takes them, in lists that fit into a request."""
    batch, size = [], 0
    for url, posted in tasks:
        task = {"url": url, "options": posted}
        added = len(json.dumps(task)) + 2
        if batch and size + added > LARGEST:
            yield batch
            batch, size = [], 0
        batch.append(task)
        size += added
    if batch:
        yield batch


@contextlib.contextmanager
def _closed_at(deadline, stream):
    """Close the stream at the deadline, if there is one."""
    if deadline is None:
        yield
        return
    timer = threading.Timer(max(0.0, deadline - time.monotonic()), stream.close)
    timer.name, timer.daemon = "dlserv-deadline", True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
