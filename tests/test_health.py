"""/health: 200 while the daemon works, else 503 and why; strangers are told nothing else."""

import os

import pytest

from dlserv.api.access import Access
from harness import until

try:
    import resource
except ImportError:     # Windows
    resource = None

NOWHERE = "http://127.0.0.1:1/"
TOKEN = "a-token-of-24-characters"


def healthy(api):
    answer = api.get("/health")
    assert answer.status in (200, 503), answer
    return answer.status == 200


def test_a_database_that_cannot_be_written_is_a_503(process):
    if not hasattr(resource, "prlimit"):
        pytest.skip("this system cannot limit the files of a process that runs")
    running = process("--log-level", "error")
    api, pid = running.api, running.popen.pid
    assert healthy(api)
    hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
    assert api.post("/task", {"url": NOWHERE, "options": {"paused": True}}).status == 503
    answer = api.get("/health")
    assert answer.status == 503 and answer["code"] == "unavailable"
    assert answer["errmsg"] == "the database cannot be written"
    assert api.request("HEAD", "/health").status == 503
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    until(lambda: healthy(api))


def test_a_download_directory_that_is_away_is_a_503(process, folder):
    api = process().api
    assert healthy(api)
    os.rename(str(folder), str(folder) + "-away")
    answer = api.get("/health")
    assert answer.status == 503 and "download directory" in answer["errmsg"]
    assert str(folder) not in answer["errmsg"], "anybody may read this"
    os.rename(str(folder) + "-away", str(folder))
    assert healthy(api)


def test_repairs_are_told_on_this_machine(process, tmp_path):
    database = tmp_path / "state" / "dlserv.db"
    first = process()
    for number in range(50):
        first.api.add(NOWHERE + str(number), paused=True)
    assert first.api.get("/health").json == {"status": "success"}
    first.stop()
    data = bytearray(database.read_bytes())
    data[4096:8192] = os.urandom(4096)
    database.write_bytes(bytes(data))
    answer = process().api.get("/health")
    assert answer.status == 200 and "damaged" in answer["repaired"]


@pytest.mark.parametrize("address, token, sent, is_trusted", [
    ("127.0.0.1", None, None, True), ("::1", TOKEN, None, True), ("127.9.9.9", TOKEN, "wrong", True),
    ("::ffff:127.0.0.1", TOKEN, None, True), (None, TOKEN, None, True), ("192.0.2.1", None, None, False),
    ("192.0.2.1", None, TOKEN, False), ("192.0.2.1", TOKEN, None, False), ("192.0.2.1", TOKEN, "wrong", False),
    ("192.0.2.1", TOKEN, TOKEN, True), ("2001:db8::1", TOKEN, TOKEN, True), ("2001:db8::1", TOKEN, "", False)])
def test_whom_repairs_are_told(address, token, sent, is_trusted):
    headers = {} if sent is None else {"authorization": "Bearer " + sent}
    assert Access(token).is_trusted(headers, address) == is_trusted


def test_health_is_no_place_to_guess_tokens():
    access = Access(TOKEN)
    for _ in range(10):
        assert not access.is_trusted({"authorization": "Bearer wrong"}, "192.0.2.1")
    assert not access.is_trusted({"authorization": "Bearer " + TOKEN}, "192.0.2.1")
    assert access.is_trusted({"authorization": "Bearer " + TOKEN}, "192.0.2.2")
