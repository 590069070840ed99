"""The same request to several daemons at once; one that hangs delays the others once."""

import socket
import time

from ..errors import ClientError
from ..threads import begin, join

REST = 300.0    # seconds in which a daemon that let a request time out is not asked again


class FanOut:
    """Asks daemons, but not those that hung a moment ago: their error of then counts. For one thread."""

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._hung = {}     # Client -> (the time, its NoDaemon)

    def ask(self, clients, act):
        """Return what `ask_each` does."""
        hanging = self.hanging()
        asked = ask_each([client for client in clients if client not in hanging], act)
        for client, (_, error) in asked.items():
            if error is not None and isinstance(error.__cause__, socket.timeout):
                self._hung[client] = self._clock(), error
        return {client: asked.get(client) or (None, hanging[client]) for client in clients}

    def hanging(self):
        """Return {Client: NoDaemon} of those that are not asked now."""
        now = self._clock()
        return {client: error for client, (since, error) in self._hung.items() if now < since + REST}


def ask_each(clients, act):
    """Call `act(Client)` for each, in a thread of its own.

    Return {Client: (answer, None) or (None, ClientError)} in the same order. Raise the first
    exception that is no ClientError.
    """
    outcomes = {}

    def run(client):
        try:
            outcomes[client] = act(client), None
        except Exception as error:
            outcomes[client] = None, error

    threads = [begin(run, "dlserv-ask-%d" % number, (client,)) for number, client in enumerate(clients, 1)]
    for client, thread in zip(clients, threads):
        if thread is None:      # the system lets us have no more
            run(client)
        join(thread)
    for _, error in outcomes.values():
        if error is not None and not isinstance(error, ClientError):
            raise error
    return {client: outcomes[client] for client in clients}
