"""Figures for Prometheus."""

import os
import re
import time

import pytest

from harness import noise, until
from raw import NOWHERE
from servers.origin import Gate, refuse

from dlserv.errors import REASONS

SAMPLE = re.compile(r'([a-z_:][a-z0-9_:]*)(?:\{([a-z_]+="[^"\\\n]*"(?:,[a-z_]+="[^"\\\n]*")*)\})? '
                    r'(-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)')


def test_metrics_are_what_prometheus_reads(api, origin):
    origin.put("/a", noise(5000))
    api.reach(api.add(origin.url("/a")), "finished")
    api.get("/nowhere")
    answer = api.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.body.decode().split("\n")
    assert lines.pop() == "", "the last line ends as well"
    kinds, helped, seen = {}, set(), {}
    for line in lines:
        if line.startswith("# HELP "):
            helped.add(line.split(" ", 3)[2])
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in kinds and name in helped and kind in ("gauge", "counter", "summary")
            kinds[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            family = re.sub("_(sum|count)$", "", match.group(1))
            assert family in kinds and match.group(1, 2) not in seen
            assert (kinds[family] == "summary") == (family != match.group(1))
            assert (kinds[family] == "counter") == family.endswith("_total")
            seen[match.group(1, 2)] = float(match.group(3))
    assert seen["dlserv_tasks", 'state="finished"'] == 1 and seen["dlserv_tasks_finished_total", None] == 1
    assert seen["dlserv_download_bytes_total", None] >= 5000
    assert seen["dlserv_http_requests_total", 'code="404"'] == 1
    assert seen["dlserv_http_request_duration_seconds_count", None] >= 3
    assert 0 < seen["dlserv_disk_free_bytes", None] <= seen["dlserv_disk_size_bytes", None]
    assert seen["dlserv_queue_oldest_seconds", None] == 0
    assert not [name for name, _ in seen if "bytes" in name.split("_")[-2:-1] and name.endswith("_speed")]


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_a_process_starts_once(api):
    """Figures of the process by Prometheus' names; a start time that moves would count as a restart."""
    def figures():
        lines = api.get("/metrics").body.decode().splitlines()
        return dict(line.split(" ") for line in lines if line.startswith("process_"))

    first = figures()
    time.sleep(0.05)
    second = figures()
    assert first["process_start_time_seconds"] == second["process_start_time_seconds"]
    assert abs(float(first["process_start_time_seconds"]) - time.time()) < 60
    assert set(first) == {"process_" + name for name in (
        "start_time_seconds", "cpu_seconds_total", "max_fds", "open_fds", "virtual_memory_bytes",
        "resident_memory_bytes")}
    assert float(second["process_cpu_seconds_total"]) >= float(first["process_cpu_seconds_total"]) > 0
    assert 0 < float(first["process_resident_memory_bytes"]) < float(first["process_virtual_memory_bytes"])


def test_failures_and_repeats_are_counted_by_reason(api, origin):
    origin.put("/gone", b"", script=[refuse(404)])
    origin.put("/broken", noise(100), script=[refuse(500)])
    api.reach(api.add(origin.url("/gone")), "invalid")
    api.reach(api.add(origin.url("/broken")), "finished")
    lines = api.get("/metrics").body.decode().splitlines()
    for line in ('dlserv_tasks_failed_total{reason="not_found"} 1', 'dlserv_tasks_failed_total{reason="dns"} 0',
                 'dlserv_retries_total{reason="http"} 1', 'dlserv_retries_total{reason="other"} 0'):
        assert line in lines
    assert sum(line.startswith("dlserv_tasks_failed_total{") for line in lines) == len(REASONS) + 1


def test_the_oldest_queued_task_has_an_age(settings, api, origin):
    api.post("/config", {"download": {"max_concurrent": 1}})
    gate = Gate(10)
    origin.put("/a", noise(100), script=[gate])
    api.add(origin.url("/a"))
    assert gate.reached.wait(15)
    api.add(NOWHERE + "waits")
    until(lambda: re.search(rb"\ndlserv_queue_oldest_seconds 0\.[1-9]", api.get("/metrics").body))
    gate.open()
