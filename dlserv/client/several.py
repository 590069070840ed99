"""Several daemons used as one: each task has one owner, chosen by a hash of its tid and the daemons' URLs.

The owner is the daemon with the highest sha1(URL + tid) (rendezvous hashing), so every client
with the same list agrees, and a longer list moves only the tasks that go to the new daemon.
Requests to all go out at the same time, and the answers are merged. A daemon that does not answer is
named once, and never replaced by another: a task exists once or not at all.
"""

from __future__ import annotations

from collections import defaultdict

from ..contract import tid_of
from ..errors import InvalidValue, Refused
from .fanout import FanOut
from .merged import Merged
from .rest import Added, Client

FEW = 20        # tasks that are looked for one by one, instead of in the lists of all daemons
_SUMS = ("speed", "downloaded_bytes", "connections")     # not free_bytes, because daemons may share a disk


class Several:
    """The daemons behind `clients`, with those methods of Client that commands use.

    `source` is the flag or variable that lists them. `tell(sentence)` is called once for each daemon
    that does not answer or lets nobody in; `absent` is {Client: error} of these. Raise what Client
    raises: NoDaemon only if none of the daemons answers. For one thread at a time.
    """

    def __init__(self, clients: list[Client], source: str, tell):
        self._clients, self._source, self._tell, self._fan_out = clients, source, tell, FanOut()
        self._where: dict[str, list[Client]] = {}   # tid -> daemons that have been seen to have it
        self.absent: dict[Client, Exception] = {}

    def owner(self, tid: str) -> Client:
        """Return the Client of the daemon that new tasks with this tid go to."""
        return max(self._clients, key=lambda client: tid_of(client.url.rstrip("/") + tid))

    # -- of all ------------------------------------------------------------------------

    def tasks(self, state: str | None = None) -> list[dict]:
        """Return the tasks of all daemons, oldest first."""
        rows = []
        for client, found in self._ask_all(lambda client: client.tasks(state)):
            rows += found
            for row in found:
                holders = self._where.setdefault(row["tid"], [])
                if client not in holders:
                    holders.append(client)
        return sorted(rows, key=lambda row: row["create_time"])

    def stats(self) -> dict:
        """Return the sums, and under `daemons` the figures of each with its `url`."""
        each = [dict(url=client.url, **stats) for client, stats in self._ask_all(Client.stats)]
        sums = {key: sum(stats[key] or 0 for stats in each) for key in _SUMS}
        return dict(sums, daemons=each)

    def events(self) -> Merged:
        """Return the merged event stream of all."""
        return Merged(self._clients, self._miss, self._fan_out.hanging())

    def _ask_all(self, ask):
        """Return [(Client, its answer), …] of those that answer. Raise the first error if none does."""
        answers = []
        for client, (answer, error) in self._fan_out.ask(dict.fromkeys(self._clients, ask)).items():
            if error is None:
                answers.append((client, answer))
            elif isinstance(error, Refused):
                raise error
            else:
                self._miss(client, error)
        if not answers:
            raise self.absent[self._clients[0]]
        return answers

    def _miss(self, client, error):
        if client not in self.absent:
            self._tell(str(error))
        self.absent.setdefault(client, error)

    # -- of one task -------------------------------------------------------------------

    def task(self, tid: str) -> dict:
        return self._on_holder(tid, lambda client: client.task(tid))

    def info(self, tid: str) -> dict:
        return self._on_holder(tid, lambda client: client.info(tid))

    def change(self, tid: str, url: str | None = None, **options: object) -> None:
        self._on_holder(tid, lambda client: client.change(tid, url, **options))

    def move(self, tid: str, to: str) -> None:
        self._on_holder(tid, lambda client: client.move(tid, to))

    def _on_holder(self, tid, act):
        """Return `act(Client)` of the daemon that has the task: its owner, else one that had it before.

        Raise Refused: 404 if none has it, 503 if none of those that answer has it.
        """
        refusal, silent = None, None
        for client in self._candidates(tid):
            answer, error = self._fan_out.ask({client: act})[client]
            if error is None:
                return answer
            if not isinstance(error, Refused):
                self._miss(client, error)
                silent = silent or client
            elif error.status != 404:
                raise error
            refusal = refusal or error
        raise refusal if silent is None else Refused(_silence(silent), 503, "unavailable")

    def _candidates(self, tid):
        """Yield the daemon that should have the task, then those of the others that may have it."""
        first, *others = self._in_order(tid)
        yield first
        found = self._fan_out.ask(dict.fromkeys(others, lambda client: _is_there(client, tid, unsure=True)))
        yield from (client for client, (is_there, error) in found.items() if is_there or error)

    def _in_order(self, tid):
        holders, owner = self._where.get(tid, ()), self.owner(tid)
        return sorted(self._clients, key=lambda client: (client not in holders, client is not owner))

    # -- of many -----------------------------------------------------------------------

    def add_many(self, tasks: list[tuple[str, dict]]) -> Added:
        """Add each (url, options) to its owner, and to no other; return as Client.add_many does."""
        elsewhere = self._elsewhere([tid_of(url) for url, _ in tasks])
        added, groups = Added([], [], []), defaultdict(list)
        for url, options in tasks:
            tid = tid_of(url)
            if tid in elsewhere:
                added.refused.append((url, f"this URL is already added, at {elsewhere[tid].url}"))
            else:
                groups[self.owner(tid)].append((url, options))
        for client, (reply, error) in self._fan_out.ask_groups(groups, Client.add_many).items():
            for whole, part in zip(added, reply or ()):
                whole.extend(part)
            added.refused.extend((url, self._why(client, error)) for url, _ in groups[client] if error)
        return added

    def _why(self, client, error):
        """Return the sentence for tasks of a daemon that has declined or not answered a request."""
        if isinstance(error, Refused):
            return str(error)
        self._miss(client, error)
        return _silence(client)

    def _elsewhere(self, tids):
        """Return {tid: Client} of the tasks that a daemon has which is not their owner.

        Daemons that do not answer are left out.
        """
        theirs = {client: {tid for tid in tids if client is not self.owner(tid)} for client in self._clients}
        found = self._fan_out.ask_groups(theirs, _held)
        return {tid: client for client, (held, error) in found.items() if error is None for tid in held}

    def act_on_all(self, act: str, tids: list[str], **more: object) -> list[tuple[str, str]]:
        """Do the act wherever each task is; return [(tid, reason), …] of those that refused."""
        if sum(tid not in self._where for tid in tids) > FEW:
            self.tasks()
        failures, groups = [], defaultdict(list)
        for tid in tids:
            try:
                for client in self._holders(tid):
                    groups[client].append(tid)
            except Refused as error:
                failures.append((tid, str(error)))
        done = self._fan_out.ask_groups(groups, lambda client, group: client.act_on_all(act, group, **more))
        for client, (refused, error) in done.items():
            failures += refused or [(tid, self._why(client, error)) for tid in groups[client] if error]
        return failures

    def _holders(self, tid):
        """Return the Clients of the daemons that have the task. Raise Refused if none has it."""
        if tid not in self._where:
            self._where[tid] = [self._on_holder(tid, lambda client: client.task(tid) and client)]
        return self._where[tid]

    # -- of the archives ---------------------------------------------------------------

    def archive(self, offset: int = 0, limit: int | None = None) -> list[dict]:
        """Return this part of each daemon's archive, the oldest first; a tid may be in several."""
        parts = self._ask_all(lambda client: client.archive(offset, limit))
        return sorted((entry for _, part in parts for entry in part), key=lambda entry: entry["time"])

    def forget(self, tid: str) -> None:
        """Let the URL of this tid be downloaded again; "all" forgets the archives of all daemons."""
        answers = self._ask_all(lambda client: _refusal(client.forget, tid))
        if all(refusal is not None for _, refusal in answers):
            raise answers[0][1]

    # -- of one daemon alone -----------------------------------------------------------

    def _for_one(self, *arguments: object, **query: object):
        raise InvalidValue(self._source, f"it names {len(self._clients)} daemons, but this command is for "
                           "one; name it with --url")

    url = property(_for_one)
    config = get = post = put = patch = delete = _for_one

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients:
            client.close()

    def __enter__(self) -> Several:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _silence(client):
    return f"the daemon that this task belongs to, {client.url}, does not answer; try again when it runs"


def _held(client, tids):
    """Return those of the tids that the daemon has."""
    if len(tids) > FEW:
        return tids & {row["tid"] for row in client.tasks()}
    return {tid for tid in tids if _is_there(client, tid)}


def _refusal(act, tid):
    """Return the Refused with which `act(tid)` says that the daemon does not have it, or None."""
    try:
        return act(tid)
    except Refused as error:
        if error.status != 404:
            raise
        return error


def _is_there(client, tid, unsure=False):
    """Return whether the daemon has the task; `unsure` if it declines to say."""
    try:
        client.task(tid)
        return True
    except Refused as error:
        return error.status != 404 and unsure
