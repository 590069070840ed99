"""Large requests: what one may make is bounded, and memory goes back afterwards."""

import json
import os
import threading

import pytest

from forks import DLSERV
from harness import Api, until

NOWHERE = "http://127.0.0.1:1/"
MANY = 20000
ROOM = 10 * 2 ** 20

REFUSED = {
    "urls": ("/task/batch/add", {"tasks": ["x%d" % number for number in range(MANY)]}, 207),
    "options": ("/task/batch/add", {"tasks": [{"url": "http://h/", "options": {"x": 1}}] * MANY}, 207),
    "entries": ("/task/batch/add", {"tasks": [5, None] * (MANY // 2)}, 207),
    "tids": ("/task/batch/pause", ["%d" % number for number in range(MANY)], 207),
    "tids to delete": ("/task/batch/delete", {"tids": ["%d" % number for number in range(MANY)]}, 207),
    "keys": ("/task", {"url": NOWHERE, "options": {"x%d" % number: 1 for number in range(60000)}}, 400),
    "settings": ("/config", {"download": {"x%d" % number: 1 for number in range(60000)}}, 400),
    "lists": ("/task", [[]] * 250000, 400)}


def resident(process, which="VmRSS"):
    """Bytes of memory that the process has, or the most it has had, VmHWM."""
    with open("/proc/%d/status" % process.popen.pid) as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(which))


def send(url, path, body, status):
    """Send the request, check the reply and return its length."""
    with Api(url) as api:
        api.connection.timeout = 120
        answer = api.post(path, body, **{"Content-Type": "application/json"})
        assert answer.status == status, answer
        if status == 207:
            assert len(answer["detail"]) == MANY
        return len(answer.body)


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc")
def test_memory_of_refused_batches_goes_back(process):
    """One daemon gets them all: the room is for all that they leave together, not each."""
    server = process(command=DLSERV)
    server.api.get("/health")
    before = resident(server)
    for path, body, status in REFUSED.values():
        send(server.url, path, json.dumps(body).encode(), status)
    until(lambda: resident(server) < before + ROOM)
    assert server.api.get("/task/state_counter")["detail"]["all"] == 0


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc")
def test_eight_at_once_take_turns(process):
    server = process(command=DLSERV)
    path, body, status = REFUSED["urls"]
    body = json.dumps(body).encode()
    server.api.get("/health")
    before = resident(server)
    waiting = len(body) + send(server.url, path, body, status)
    alone = resident(server, "VmHWM")
    threads = [threading.Thread(target=send, args=(server.url, path, body, status)) for _ in range(8)]
    for each in threads:
        each.start()
    while any(each.is_alive() for each in threads):
        assert server.api.get("/task/state_counter").status == 200, "others are answered meanwhile"
        threads[-1].join(0.01)
    assert resident(server, "VmHWM") < alone + 8 * waiting, "they wait as bodies and replies"
    until(lambda: resident(server) < before + ROOM)


def test_a_batch_of_many_portions_is_added_whole(api):
    answer = api.post("/task/batch/add", {"tasks": [
        {"url": NOWHERE + "%d" % number, "options": {"paused": True}} if number % 2 else "x%d" % number
        for number in range(2600)]})
    assert answer.status == 207 and "1300 of 2600" in answer["errmsg"]
    assert [url for url, _ in answer["detail"]] == ["x%d" % number for number in range(0, 2600, 2)]
    assert len(set(answer["tids"])) == 1300 == api.get("/task/state_counter")["detail"]["paused"]
    tids = answer["tids"] + ["0" * 40] + answer["tids"]
    answer = api.post("/task/batch/pause", tids)
    assert answer.status == 207 and "1301 of 1301" in answer["errmsg"] and len(answer["detail"]) == 1301
    answer = api.post("/task/batch/delete", tids)
    assert answer["detail"] == [["0" * 40, "there is no task " + "0" * 40]]
    assert api.get("/task/state_counter")["detail"]["all"] == 0


def test_a_large_body_in_chunks_is_read(api):
    def chunks():
        body = json.dumps({"tasks": ["x" * 50] * 3000}).encode()
        for start in range(0, len(body), 1000):
            yield body[start:start + 1000]

    api.connection.request("POST", "/task/batch/add", chunks(), {"Content-Type": "application/json"},
                            encode_chunked=True)
    response = api.connection.getresponse()
    assert response.status == 207 and len(json.loads(response.read())["detail"]) == 3000


def test_what_ydl_opts_lack_is_one_line_of_the_log(api):
    unknown = {"x%d" % number: 1 for number in range(50000)}
    answer = api.post("/task", {"url": NOWHERE, "options": {"paused": True}, "ydl_opts": unknown})
    log = api.status(answer["tid"])["log"]
    assert len(log) == 1 and "x0, x1, x2, x3, x4, 49995 more" in log[0]["msg"]
