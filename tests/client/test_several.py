"""Several daemons as one: who owns a task, and what a longer list changes. The commands test the rest."""

import hashlib

import pytest

from dlserv import Client
from dlserv.client.several import Several
from dlserv.errors import InvalidValue

URLS = ["http://nas%d:6880" % number for number in range(1, 6)]
TIDS = [hashlib.sha1(b"%d" % number).hexdigest() for number in range(3000)]


def owners(urls):
    several = Several([Client(url) for url in urls], "$DLSERV_URL", pytest.fail)
    return {tid: several.owner(tid).url.rstrip("/") for tid in TIDS}


def test_the_highest_hash_of_url_and_tid_owns_the_task():
    found = owners(URLS)
    for tid in TIDS[:100]:
        assert found[tid] == max(URLS, key=lambda url: hashlib.sha1((url + tid).encode()).hexdigest())


def test_the_tasks_are_spread_evenly():
    found = list(owners(URLS).values())
    assert all(500 < found.count(url) < 700 for url in URLS)


def test_the_order_and_a_final_slash_change_nothing():
    assert owners(URLS) == owners([url + "/" for url in reversed(URLS)])


def test_a_longer_list_moves_tasks_to_the_new_daemon_alone():
    before, after = owners(URLS[:4]), owners(URLS)
    moved = [tid for tid in TIDS if before[tid] != after[tid]]
    assert 450 < len(moved) < 750 and {after[tid] for tid in moved} == {URLS[4]}


def test_a_route_is_for_one_daemon():
    several = Several([Client(url) for url in URLS], "$DLSERV_URL", pytest.fail)
    for call in (several.config, lambda: several.get("/health"), lambda: several.url):
        with pytest.raises(InvalidValue, match=r"\$DLSERV_URL: it names 5 daemons"):
            call()
