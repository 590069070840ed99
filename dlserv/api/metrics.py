"""Figures for Prometheus: a few of the daemon, its interface and its process, none for each task."""

import os
import sys
import time

from ..errors import REASONS
from ..fs import disk_usage
from ..tasks.states import QUEUED

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def text(counters, daemon, listeners):
    """Return all figures in the exposition format, as bytes; `listeners` are those of the events."""
    lines = []
    for name, kind, meaning, values in _of_daemon(daemon):
        lines += _family("dlserv_" + name, kind, meaning, values)
    for name, kind, meaning, values in _of_interface(counters, listeners):
        lines += _family("dlserv_" + name, kind, meaning, values)
    for name, kind, meaning, value in _of_process(counters.started):
        lines += _family("process_" + name, kind, meaning, {"": value})
    return "".join(lines).encode()


def _of_interface(counters, listeners):
    replies, seconds, requests = counters.read()
    yield ("http_requests_total", "counter", "Replies of the interface by code.",
           {_labels(code=code): count for code, count in sorted(replies.items())})
    yield ("http_request_duration_seconds", "summary", "From the first byte of a request to its reply.",
           {"_sum": round(seconds, 6), "_count": requests})
    yield "sse_clients", "gauge", "Listeners to the events.", {"": listeners}


def _of_daemon(daemon):
    """Yield (name, type, meaning, {labels: value}) of each family."""
    stats, (failed, retried) = daemon.stats(), daemon.report.reasons()
    free, size = disk_usage(daemon.config.general.download_dir)
    yield ("build_info", "gauge", "Version of dlserv and of Python.",
           {_labels(version=stats["version"], python="%d.%d.%d" % sys.version_info[:3]): 1})
    yield ("tasks", "gauge", "Tasks by state.",
           {_labels(state=state): count for state, count in daemon.counts().items()})
    yield "queue_oldest_seconds", "gauge", "Age of the oldest queued task.", {"": _oldest(daemon)}
    yield "download_bytes_total", "counter", "Bytes received.", {"": stats["downloaded_bytes"]}
    yield "download_bytes_per_second", "gauge", "Bytes received per second.", {"": stats["speed"]}
    yield "connections", "gauge", "Connections that receive.", {"": stats["connections"]}
    finished = daemon.report.outcomes()["finished"]
    yield "tasks_finished_total", "counter", "Tasks that became finished.", {"": finished}
    yield "tasks_failed_total", "counter", "Tasks that became invalid.", _by_reason(failed)
    yield "retries_total", "counter", "Attempts that failed and were repeated.", _by_reason(retried)
    yield "disk_free_bytes", "gauge", "Free bytes on the disk of the downloads.", {"": free}
    yield "disk_size_bytes", "gauge", "Size of the disk of the downloads.", {"": size}
    yield ("config_ratelimit_bytes_per_second", "gauge", "download.ratelimit, 0 for none.",
           {"": daemon.config.download.ratelimit})


def _by_reason(counts):
    """Return {labels: count} for every reason, so that none appears out of nothing."""
    return {_labels(reason=reason or "other"): counts.get(reason, 0) for reason in REASONS + (None,)}


def _oldest(daemon):
    """Return the seconds since the oldest queued task was added, 0 without one."""
    return round(max([time.time() - task.create_time for task in daemon.list(QUEUED)], default=0), 1)


def _family(name, kind, meaning, values):
    """Return the lines of a family; a value that is None is left out."""
    values = {labels: value for labels, value in values.items() if value is not None}
    if not values:
        return []
    return [f"# HELP {name} {meaning}\n# TYPE {name} {kind}\n"] \
        + [f"{name}{labels} {value}\n" for labels, value in values.items()]


def _labels(**values):
    return "{%s}" % ",".join(f'{name}="{_escaped(value)}"' for name, value in values.items())


def _escaped(value):
    return str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _of_process(started):
    """Yield (name, type, meaning, value) of what the system tells about this process."""
    times = os.times()
    yield "start_time_seconds", "gauge", "When the daemon began, in epoch seconds.", started
    yield "cpu_seconds_total", "counter", "Processor time used.", round(times.user + times.system, 2)
    yield "max_fds", "gauge", "Descriptors that may be used.", _most_descriptors()
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = [int(count) for count in file.read().split()]
        page, descriptors = os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd"))
    except (OSError, ValueError, AttributeError):
        return
    yield "virtual_memory_bytes", "gauge", "Address space in use.", pages[0] * page
    yield "resident_memory_bytes", "gauge", "Memory in use.", pages[1] * page
    yield "open_fds", "gauge", "Descriptors in use.", descriptors


def _most_descriptors():
    """Return the limit of open descriptors, None if the system has none or does not tell."""
    try:
        import resource
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    except (ImportError, OSError):
        return None
    return None if limit == resource.RLIM_INFINITY else limit
