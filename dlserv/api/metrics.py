"""Figures for Prometheus: of the daemon, its interface and its process, none for each task."""

import itertools
import os
import sys
import time

from ..errors import REASONS
from ..fs import disk_usage
from ..tasks.states import QUEUED
from .replies import Reply

_HEADERS = [("Content-Type", "text/plain; version=0.0.4; charset=utf-8"), ("Cache-Control", "no-store")]


def reply(daemon, server):
    """Return the Reply with all figures in the exposition format."""
    families = itertools.chain(_of_daemon(daemon), _of_interface(server), _of_process(server.counters.started))
    return Reply(200, _HEADERS, "".join([_text(*family) for family in families]).encode())


def _text(name, kind, meaning, values):
    """Return the lines of a family; `values` is {labels: value}, or a value, None if unknown."""
    if values in (None, {}):
        return ""
    if not isinstance(values, dict):
        values = {"": values}
    return f"# HELP {name} {meaning}\n# TYPE {name} {kind}\n" \
        + "".join([f"{name}{labels} {value}\n" for labels, value in values.items()])


def _labels(**values):
    return "{%s}" % ",".join(f'{name}="{value}"' for name, value in values.items())


def _of_daemon(daemon):
    """Yield (name, type, meaning, values) of each family."""
    stats, (failed, retried) = daemon.stats(), daemon.report.reasons()
    free, size = disk_usage(daemon.config.general.download_dir)
    yield ("dlserv_build_info", "gauge", "Version of dlserv and of Python.",
           {_labels(version=stats["version"], python="%d.%d.%d" % sys.version_info[:3]): 1})
    yield ("dlserv_tasks", "gauge", "Tasks by state.",
           {_labels(state=state): count for state, count in daemon.counts().items()})
    age = max([time.time() - task.create_time for task in daemon.list(QUEUED)], default=0)
    yield "dlserv_queue_oldest_seconds", "gauge", "Age of the oldest queued task.", round(age, 1)
    yield "dlserv_download_bytes_total", "counter", "Bytes received.", stats["downloaded_bytes"]
    yield "dlserv_download_bytes_per_second", "gauge", "Bytes received per second.", stats["speed"]
    yield "dlserv_connections", "gauge", "Connections that receive.", stats["connections"]
    finished = daemon.report.outcomes()["finished"]
    yield "dlserv_tasks_finished_total", "counter", "Tasks that became finished.", finished
    yield "dlserv_tasks_failed_total", "counter", "Tasks that became invalid.", _by_reason(failed)
    yield "dlserv_retries_total", "counter", "Attempts that failed and were repeated.", _by_reason(retried)
    yield "dlserv_disk_free_bytes", "gauge", "Free bytes on the disk of the downloads.", free
    yield "dlserv_disk_size_bytes", "gauge", "Size of the disk of the downloads.", size
    yield ("dlserv_config_ratelimit_bytes_per_second", "gauge", "download.ratelimit, 0 for none.",
           daemon.config.download.ratelimit)


def _by_reason(counts):
    """Return {labels: count} for every reason, so that no series begins late."""
    return {_labels(reason=reason or "other"): counts.get(reason, 0) for reason in REASONS + (None,)}


def _of_interface(server):
    counters = server.counters
    yield ("dlserv_http_requests_total", "counter", "Replies of the interface by code.",
           {_labels(code=code): count for code, count in sorted(dict(counters.replies).items())})
    yield ("dlserv_http_request_duration_seconds", "summary", "From the first byte of a request to its reply.",
           {"_sum": round(counters.seconds, 6), "_count": counters.requests})
    yield "dlserv_sse_clients", "gauge", "Listeners to the events.", server.feed.readers


def _of_process(started):
    times = os.times()
    yield "process_start_time_seconds", "gauge", "When the daemon began, in epoch seconds.", started
    yield "process_cpu_seconds_total", "counter", "Processor time used.", round(times.user + times.system, 2)
    yield "process_max_fds", "gauge", "Descriptors that may be used.", _most_descriptors()
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            virtual, resident = [int(pages) * os.sysconf("SC_PAGE_SIZE") for pages in file.read().split()[:2]]
        descriptors = len(os.listdir("/proc/self/fd"))
    except (OSError, ValueError, AttributeError):
        return
    yield "process_virtual_memory_bytes", "gauge", "Address space in use.", virtual
    yield "process_resident_memory_bytes", "gauge", "Memory in use.", resident
    yield "process_open_fds", "gauge", "Descriptors in use.", descriptors


def _most_descriptors():
    try:
        import resource
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    except (ImportError, OSError):
        return None
    return None if limit == resource.RLIM_INFINITY else limit
