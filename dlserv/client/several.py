"""Several daemons used as one: each task has one owner, and the answers of all are merged.

The owner is the daemon with the highest sha1(URL + tid) (rendezvous hashing), so every client
with the same list agrees, and a longer list moves only the tasks that go to the new daemon.
A daemon that does not answer is never replaced by another: a task exists once or not at all.
"""

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
    raises: NoDaemon only if none answers.
    """

    def __init__(self, clients, source, tell):
        self._clients, self._source, self._tell, self._fan_out = clients, source, tell, FanOut()
        self._where = {}        # tid -> daemons that were seen to have it
        self.absent = {}

    def owner(self, tid):
        """Return the Client that new tasks with this tid go to."""
        return max(self._clients, key=lambda client: tid_of(client.url.rstrip("/") + tid))

    # -- of all ------------------------------------------------------------------------

    def tasks(self, state=None):
        """Return all tasks, oldest first."""
        rows = []
        for client, found in self._ask_all(lambda client: client.tasks(state)):
            rows += found
            for row in found:
                holders = self._where.setdefault(row["tid"], [])
                if client not in holders:
                    holders.append(client)
        return sorted(rows, key=lambda row: row["create_time"])

    def stats(self):
        """Return the sums, and under `daemons` the figures of each with its `url`."""
        each = [dict(url=client.url, **stats) for client, stats in self._ask_all(Client.stats)]
        sums = {key: sum(stats[key] or 0 for stats in each) for key in _SUMS}
        return dict(sums, daemons=each)

    def events(self):
        return Merged(self._clients, self._miss, self._fan_out.hanging())

    def _ask_all(self, ask):
        """Return [(Client, its answer), …] of those that answer. Raise the first error if none does."""
        answers = []
        for client, (answer, error) in self._fan_out.ask(self._clients, ask).items():
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

    def task(self, tid):
        return self._on_holder(tid, lambda client: client.task(tid))

    def info(self, tid):
        return self._on_holder(tid, lambda client: client.info(tid))

    def change(self, tid, url=None, **options):
        self._on_holder(tid, lambda client: client.change(tid, url, **options))

    def move(self, tid, to):
        self._on_holder(tid, lambda client: client.move(tid, to))

    def _on_holder(self, tid, act):
        """Return `act(Client)` of a daemon that has the task.

        Raise Refused: 404 if none has it, 503 if none of those that answer has it.
        """
        refusal, silent = None, None
        for client in self._candidates(tid):
            answer, error = self._fan_out.ask([client], act)[client]
            if error is None:
                return answer
            if not isinstance(error, Refused):
                self._miss(client, error)
                silent = silent or client
            elif not _is_missing(error):
                raise error
            refusal = refusal or error
        raise refusal if silent is None else Refused(_silence(silent), 503, "unavailable")

    def _candidates(self, tid):
        """Yield the Client that should have the task, then those of the others that may have it."""
        holders, owner = self._where.get(tid, ()), self.owner(tid)
        first, *others = sorted(self._clients, key=lambda each: (each not in holders, each is not owner))
        yield first
        found = self._fan_out.ask(others, lambda client: client.task(tid))
        yield from (client for client, (_, error) in found.items() if not _is_missing(error))

    # -- of many -----------------------------------------------------------------------

    def add_many(self, tasks):
        """Add each (url, options) to its owner, and to no other."""
        elsewhere = self._elsewhere([tid_of(url) for url, _ in tasks])
        added, groups = Added([], [], []), defaultdict(list)
        for url, options in tasks:
            tid = tid_of(url)
            if tid in elsewhere:
                added.refused.append((url, f"this URL is already added, at {elsewhere[tid].url}"))
            else:
                groups[self.owner(tid)].append((url, options))
        for client, (reply, error) in self._fan_out.ask(groups, lambda each: each.add_many(groups[each])).items():
            for whole, part in zip(added, reply or ()):
                whole.extend(part)
            added.refused.extend((url, self._why(client, error)) for url, _ in groups[client] if error)
        return added

    def _why(self, client, error):
        """Return why a daemon has not done a request."""
        if isinstance(error, Refused):
            return str(error)
        self._miss(client, error)
        return _silence(client)

    def _elsewhere(self, tids):
        """Return {tid: Client} of the tasks that a daemon has which is not their owner."""
        theirs = {client: {tid for tid in tids if client is not self.owner(tid)} for client in self._clients}
        found = self._fan_out.ask(theirs, lambda client: _held(client, theirs[client]))
        return {tid: client for client, (held, error) in found.items() if error is None for tid in held}

    def act_on_all(self, act, tids, **more):
        """Do the act wherever each task is; return [(tid, reason), …] of refusals."""
        if sum(tid not in self._where for tid in tids) > FEW:
            self.tasks()
        failures, groups = [], defaultdict(list)
        for tid in tids:
            try:
                for client in self._holders(tid):
                    groups[client].append(tid)
            except Refused as error:
                failures.append((tid, str(error)))
        done = self._fan_out.ask(groups, lambda client: client.act_on_all(act, groups[client], **more))
        for client, (refused, error) in done.items():
            failures += refused or [(tid, self._why(client, error)) for tid in groups[client] if error]
        return failures

    def _holders(self, tid):
        """Return the Clients that have the task. Raise Refused if none has it."""
        if tid not in self._where:
            self._where[tid] = [self._on_holder(tid, lambda client: client.task(tid) and client)]
        return self._where[tid]

    # -- of the archives ---------------------------------------------------------------

    def archive(self, offset=0, limit=None):
        """Return this part of each archive, the oldest first; a tid may be in several."""
        parts = self._ask_all(lambda client: client.archive(offset, limit))
        return sorted((entry for _, part in parts for entry in part), key=lambda entry: entry["time"])

    def forget(self, tid):
        """Let the URL of this tid be downloaded again; "all" forgets the archives of all daemons."""
        answers = self._ask_all(lambda client: _refusal(client.forget, tid))
        if all(refusal is not None for _, refusal in answers):
            raise answers[0][1]

    # -- of one daemon alone -----------------------------------------------------------

    def _for_one(self, *arguments, **query):
        raise InvalidValue(self._source, f"it names {len(self._clients)} daemons, but this command is for "
                           "one; name it with --url")

    url = property(_for_one)
    config = get = post = put = patch = delete = _for_one

    def close(self):
        for client in self._clients:
            client.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()


def _silence(client):
    return f"the daemon that this task belongs to, {client.url}, does not answer; try again when it runs"


def _held(client, tids):
    if len(tids) > FEW:
        return tids & {row["tid"] for row in client.tasks()}
    return {tid for tid in tids if _is_there(client, tid)}


def _is_there(client, tid):
    try:
        client.task(tid)
    except Refused:
        return False
    return True


def _refusal(act, tid):
    """Return the Refused of `act(tid)` if the daemon does not have it, otherwise None."""
    try:
        return act(tid)
    except Refused as error:
        if not _is_missing(error):
            raise
        return error


def _is_missing(error):
    return isinstance(error, Refused) and error.status == 404
