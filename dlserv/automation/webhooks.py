"""Webhooks: messages about tasks that have finished or failed, POSTed to URLs of the settings.

Deliveries are kept with their task until they are made or given up: at least once, three tries
with the same id. The signature is that of Standard Webhooks:
v1,Base64(HMAC-SHA256(id.timestamp.body)).
"""

import heapq
import json
import logging
import threading
import time

from .. import urls
from ..digests import load_hashlib
from ..errors import Stopped
from ..net.channel import Signal
from ..net.exchange import post
from ..settings import options, token
from ..tasks import views
from ..threads import begin, join, persist
from ..units import clean, format_size

TRIES = (0, 10, 60)         # seconds before each try
TIMEOUT = 10.0              # seconds without a byte until a try has failed
JOIN_SECONDS = 1.0

log = logging.getLogger(__name__)


class Webhooks:
    """Sends the messages, those to one URL in a thread that exists while there are some."""

    def __init__(self, settings, registry, network, tries=TRIES):
        self._settings, self._registry, self._network, self._tries = settings, registry, network, tries
        self._lock, self._stop = threading.RLock(), None
        self._changed = threading.Condition(self._lock)
        self._queues, self._threads, self._count = {}, {}, 0    # by receiver

    def start(self):
        """Send the messages of an earlier process. Raise Exhausted."""
        load_hashlib()          # not when a task ends, which holds the registry's lock
        self._stop = Signal()
        for task in self._registry.list():
            for delivery in task.deliveries:
                self._enqueue(task, delivery, None)

    def stop(self):
        if self._stop is None:
            return
        self._stop.set()
        with self._lock:
            self._changed.notify_all()
            threads = list(self._threads.values())
        for thread in threads:
            join(thread, JOIN_SECONDS)
        self._stop.close()

    def wants(self, event):
        return any(event in hook["events"] for hook in self._settings.config.webhooks)

    def put(self, event, task, detail):
        """Send messages about an event; the registry's lock is held."""
        now = time.time()
        name = "%s-%d-%s" % (task.tid, now * 1000, event)
        new = [{"id": name, "to": _mark(hook), "event": event, "time": now}
               for hook in self._settings.config.webhooks if event in hook["events"]]
        task.deliver([*task.deliveries, *new])
        for delivery in new:
            self._enqueue(task, delivery, detail)

    def _enqueue(self, task, delivery, detail):
        to = delivery["to"]
        with self._lock:
            self._count += 1
            queue = self._queues.setdefault(to, [])
            heapq.heappush(queue, (0.0, self._count, 0, task, delivery, detail))
            self._changed.notify_all()
            thread = self._threads.get(to)
            if thread is None or not thread.is_alive():
                self._threads[to] = begin(persist, "dlserv-webhook", (
                    lambda: self._work(to), lambda error: log.exception("a webhook met a bug; its message waits")))

    # -- the threads -------------------------------------------------------------------

    def _work(self, to):
        while True:
            message = self._next(to)
            if message is None:
                return
            try:
                self._try(to, *message)
            except Stopped:
                return

    def _next(self, to):
        """Return the message that is due next, or None if there is none."""
        with self._lock:
            queue = self._queues[to]
            while queue and not self._stop.is_set:
                seconds = queue[0][0] - time.monotonic()
                if seconds <= 0:
                    return heapq.heappop(queue)
                self._changed.wait(seconds)
            self._threads.pop(to, None)
            return None

    def _try(self, to, _, number, tries, task, delivery, detail):
        hook = next((each for each in self._settings.config.webhooks
                     if _mark(each) == to and delivery["event"] in each["events"]), None)
        if not tries:
            self._registry.settle(task)
        problem = hook and self._send(hook, task, delivery, detail)
        if problem and tries + 1 < len(self._tries):
            due = time.monotonic() + self._tries[tries + 1]
            with self._lock:
                heapq.heappush(self._queues[to], (due, number, tries + 1, task, delivery, detail))
            return
        if problem:
            sentence = "the webhook at %s was not told: %s" % (urls.parse(hook["url"]).netloc, problem)
            log.warning("%s: %s", task.tid[:8], clean(sentence))
            self._registry.record(task, "warning", sentence)
        self._done(task, delivery)

    def _send(self, hook, task, delivery, detail):
        """Return None if the message was accepted, or the reason."""
        try:
            body, headers = _message(hook, delivery, detail or views.detail(task))
            settings = options.effective({"timeout": TIMEOUT}, self._settings.download)
            status = post(urls.parse(hook["url"]), settings, (self._network, self._stop), headers, body)
        except Stopped:
            raise
        except Exception as error:      # for lack of memory, too
            return str(error) or repr(error)
        return None if 200 <= status < 300 else "it answered %d" % status

    def _done(self, task, delivery):
        with self._registry.lock:
            task.deliver(each for each in task.deliveries if each != delivery)
        self._registry.record(task)


def _mark(hook):
    """Return an identifier of a webhook that does not reveal its URL."""
    return load_hashlib().sha256(("%(as)s %(url)s" % hook).encode()).hexdigest()[:16]


def _message(hook, delivery, detail):
    """Return (body, headers) for one try."""
    sentence = _sentence(delivery["event"], detail)
    if hook["as"] == "text":
        body, kind = sentence.encode(), "text/plain; charset=utf-8"
    else:
        said = {"event": delivery["event"], "time": delivery["time"], "text": sentence, "content": sentence,
                "allowed_mentions": {"parse": []}, "detail": detail}
        body, kind = json.dumps(said).encode(), "application/json"
    headers = {"Content-Type": kind, "webhook-id": delivery["id"], "webhook-timestamp": "%d" % time.time()}
    if hook["secret"]:
        headers["webhook-signature"] = "v1," + _sign(hook["secret"], headers, body)
    return body, headers


def _sign(secret, headers, body):
    import base64
    import hmac
    signed = "%(webhook-id)s.%(webhook-timestamp)s." % headers
    digest = hmac.new(token.key_of(secret), signed.encode() + body, "sha256").digest()
    return base64.b64encode(digest).decode()


def _sentence(event, detail):
    name = clean(detail["filename"] or detail["title"])
    if event == "finished":
        return "%s is finished: %s" % (name, format_size(detail["total_bytes"]))
    return "%s has failed: %s" % (name, clean(detail["error"] or "see its log"))[:1900]
