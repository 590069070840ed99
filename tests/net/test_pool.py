"""Idle connections are used again, unless they are too old or were closed."""

from harness import noise
from servers.origin import Gate

DATA = noise(1000)


def test_small_files_share_a_connection(origin, attempt):
    for number in range(10):
        origin.put("/%d" % number, DATA)
        attempt(origin.url("/%d" % number)).run()
    assert origin.connections == 1


def test_changed_settings_retire_a_connection_in_use(origin, attempt):
    gate = Gate(500)
    origin.put("/a", DATA, script=[gate])
    first = attempt(origin.url("/a"))
    thread = first.begin()
    gate.reached.wait(10)
    first.network.pool.clear()
    gate.open()
    thread.join()
    for number in range(2):
        origin.put("/%d" % number, DATA)
        attempt(origin.url("/%d" % number)).run()
    assert origin.connections == 2


def test_a_connection_that_the_server_closed_is_replaced(origin, attempt):
    def answer_and_close(exchange):
        exchange.answer()
        exchange.hang_up()
    origin.put("/a", DATA, script=[answer_and_close] * 3)
    for _ in range(3):
        assert attempt(origin.url("/a")).run().notes == []
    assert origin.connections == 3


def test_what_answers_out_of_turn_is_not_used_again(origin, attempt):
    def twice(exchange):
        exchange.answer()
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad")
    origin.put("/a", DATA, script=[twice, twice])
    for _ in range(3):
        assert attempt(origin.url("/a")).run().finished.identity.size == 1000
