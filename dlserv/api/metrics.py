"""What Prometheus asks for: a few figures of the daemon and of its process, none for each task."""

import os
import sys

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def text(daemon, replies, listeners):
    """The exposition format; `replies` is {HTTP status: how many}, `listeners` those of events."""
    stats, outcomes = daemon.stats(), daemon.outcomes()
    python = "%d.%d.%d" % sys.version_info[:3]
    families = [
        ("build_info", "gauge", "Version of dlserv and of Python.",
         {'{version="%s",python="%s"}' % (stats["version"], python): 1}),
        ("tasks", "gauge", "Tasks by state.",
         {'{state="%s"}' % state: count for state, count in daemon.counts().items()}),
        ("download_bytes_total", "counter", "Bytes received.", {"": stats["downloaded_bytes"]}),
        ("download_speed_bytes", "gauge", "Bytes received a second.", {"": stats["speed"]}),
        ("connections", "gauge", "Connections that receive.", {"": stats["connections"]}),
        ("tasks_finished_total", "counter", "Tasks that became finished.", {"": outcomes["finished"]}),
        ("tasks_failed_total", "counter", "Tasks that became invalid.", {"": outcomes["failed"]}),
        ("retries_total", "counter", "Attempts that failed and were repeated.", {"": outcomes["retried"]}),
        ("free_bytes", "gauge", "Bytes free where downloads go.", {"": stats["free_bytes"]}),
        ("config_ratelimit_bytes", "gauge", "download.ratelimit, 0 for none.",
         {"": daemon.config.download.ratelimit}),
        ("http_requests_total", "counter", "Replies of the interface by code.",
         {'{code="%d"}' % code: count for code, count in sorted(replies.items())}),
        ("sse_clients", "gauge", "Listeners to the events.", {"": listeners}),
    ]
    lines = []
    for name, kind, meaning, values in families:
        lines += _family("dlserv_" + name, kind, meaning, values)
    for name, meaning, value in _process(stats["uptime"]):
        lines += _family("process_" + name, "gauge", meaning, {"": value})
    return "".join(lines).encode()


def _family(name, kind, meaning, values):
    values = {labels: value for labels, value in values.items() if value is not None}
    if not values:
        return []
    return ["# HELP %s %s\n# TYPE %s %s\n" % (name, meaning, name, kind)] \
        + ["%s%s %s\n" % (name, labels, value) for labels, value in values.items()]


def _process(uptime):
    """(name, meaning, value) of what the system tells about this process; None where it does not."""
    import time
    yield "start_time_seconds", "When the daemon began, in epoch seconds.", round(time.time() - uptime, 1)
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        descriptors = len(os.listdir("/proc/self/fd"))
    except (OSError, ValueError, AttributeError):
        return
    yield "resident_memory_bytes", "Memory in use.", resident
    yield "open_fds", "Descriptors in use.", descriptors
