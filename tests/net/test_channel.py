"""Every wait on a channel ends: with data, in time, or with a stop."""

import socket
import ssl
import threading
import time

import pytest

from dlserv.errors import Stopped, Temporary
from dlserv.net import channel
from dlserv.net.channel import Channel, Signal
from dlserv.net.low_water import LEAST
from harness import noise
from net.test_tls import CA, context

PACKET = 1500


class Pair:
    """A Channel and the socket at its other end, over TCP, with TLS if it is asked for."""

    def __init__(self, timeout=5, tls=False):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            near = socket.create_connection(listener.getsockname())
            self.far = listener.accept()[0]
        self.far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        near.setblocking(False)
        self.stop = Signal()
        self.channel = Channel(near, self.stop, timeout)
        if tls:
            self._shake_hands()

    def _shake_hands(self):
        def accept():
            self.far = context().wrap_socket(self.far, server_side=True)
        thread = threading.Thread(target=accept)
        thread.start()
        self.channel.start_tls(ssl.create_default_context(cafile=CA), "localhost")
        thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.channel.close()
        self.far.close()
        self.stop.close()


def read_all(channel, size, certain=None):
    """(the body's bytes, how often the reader woke up)."""
    data, buffer, calls = bytearray(), memoryview(bytearray(2 ** 20)), 0
    while len(data) < size:
        left = size - len(data)
        count = channel.read_body(buffer[:left], certain or left)
        if not count:
            break
        data += buffer[:count]
        calls += 1
    return bytes(data), calls


def send_slowly(sock, data, pause=0.001):
    for start in range(0, len(data), PACKET):
        sock.sendall(data[start:start + PACKET])
        time.sleep(pause)       # a line's pace, not a condition


@pytest.mark.parametrize("tls", [False, True])
def test_a_paced_body_wakes_the_reader_rarely(tls):
    data = noise(300 * PACKET)
    with Pair(tls=tls) as pair:
        sender = threading.Thread(target=send_slowly, args=(pair.far, data))
        sender.start()
        received, calls = read_all(pair.channel, len(data))
        sender.join()
    assert received == data and calls < 100


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("size", [1, LEAST - 1, LEAST, LEAST + 1, 3 * LEAST + 7, 200001])
def test_the_last_bytes_are_not_waited_for(size, tls):
    """The other end keeps the connection open; a mark above what comes would cost a second."""
    data = noise(size)
    with Pair(tls=tls) as pair:
        sender = threading.Thread(target=send_slowly, args=(pair.far, data, 0.0003))
        sender.start()
        received, _ = read_all(pair.channel, size)
        sender.join()
        ended = time.monotonic()
        assert received == data
        pair.far.sendall(b"x")
        assert pair.channel.recv(1) == b"x" and time.monotonic() - ended < 0.9


def test_without_a_length_the_connections_end_ends_the_wait():
    data = noise(LEAST + 5)
    with Pair() as pair:
        pair.far.sendall(data)
        pair.far.shutdown(socket.SHUT_WR)
        assert read_all(pair.channel, 2 ** 30, certain=2 ** 62)[0] == data


def test_what_is_here_is_read_after_a_second():
    with Pair() as pair:
        pair.far.sendall(noise(100))
        assert len(read_all(pair.channel, 100, certain=2 ** 20)[0]) == 100
        pair.far.sendall(noise(7))
        assert pair.channel.read_body(memoryview(bytearray(2 ** 20)), 2 ** 20) == 7


def test_a_stop_ends_the_wait_at_once():
    with Pair(timeout=60) as pair:
        pair.far.sendall(b"12")
        read_all(pair.channel, 2, certain=2 ** 20)
        threading.Timer(0.05, pair.stop.set).start()
        began = time.monotonic()
        with pytest.raises(Stopped):
            pair.channel.read_body(memoryview(bytearray(2 ** 20)), 2 ** 20)
        assert time.monotonic() - began < 0.9


def test_silence_is_told_after_the_timeout(monkeypatch):
    monkeypatch.setattr(channel, "LONGEST_WAIT", 0.3)
    with Pair(timeout=0.6) as pair:
        pair.far.sendall(b"12")
        assert pair.channel.read_body(memoryview(bytearray(3)), 2 ** 20) == 2   # all, so that the next waits for more
        began = time.monotonic()
        with pytest.raises(Temporary, match="0.6 s"):
            pair.channel.read_body(memoryview(bytearray(2 ** 20)), 2 ** 20)
        assert 0.55 < time.monotonic() - began < 2


def test_a_hurry_ends_though_bytes_keep_dripping():
    over = threading.Event()

    def drip(sock):
        while not over.wait(0.005):
            sock.sendall(b"x")
    with Pair(timeout=0.5) as pair:
        sender = threading.Thread(target=drip, args=(pair.far,))
        sender.start()
        try:
            with pytest.raises(Temporary, match="did not complete its response within 0.5 s"), \
                    pair.channel.hurried():
                read_all(pair.channel, 2000)
        finally:
            over.set()
            sender.join()


def test_a_socket_leaves_with_its_mark_back():
    with Pair() as pair:
        pair.far.sendall(b"12")
        read_all(pair.channel, 2, certain=2 ** 20)
        pair.far.sendall(b"34")
        pair.channel.read_body(memoryview(bytearray(100)), 100)
        sock = pair.channel.detach()
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1


def test_a_system_without_the_mark_pauses_instead(monkeypatch):
    def refuse(self, *arguments):
        raise OSError(92, "Protocol not available")

    data = noise(300 * PACKET)
    with Pair() as pair:
        monkeypatch.setattr(socket.socket, "setsockopt", refuse)
        sender = threading.Thread(target=send_slowly, args=(pair.far, data))
        sender.start()
        received, calls = read_all(pair.channel, len(data))
        sender.join()
    assert received == data and calls < 150


# -- signals -------------------------------------------------------------------------------

def sleepers(signal, count):
    """(threads that sleep until the signal is set, a list that gets one entry for each that was stopped)"""
    stopped = []

    def sleep():
        with pytest.raises(Stopped):
            while True:
                signal.sleep(60)
        stopped.append(True)
    threads = [threading.Thread(target=sleep) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads, stopped


def test_a_stir_ends_a_sleep_without_stopping_it():
    signal = Signal()
    thread = threading.Thread(target=signal.sleep, args=(600,))
    thread.start()
    signal.stir()       # if the thread does not sleep yet, it will sleep less
    thread.join(60)
    signal.close()
    assert not thread.is_alive() and not signal.is_set


@pytest.mark.parametrize("count", [1, 2, 8])
def test_a_stop_reaches_every_sleeper_among_stirs(count):
    for _ in range(20):
        signal = Signal()
        threads, stopped = sleepers(signal, count)
        stirrers = [threading.Thread(target=lambda: [signal.stir() for _ in range(50)]) for _ in range(2)]
        for thread in stirrers:
            thread.start()
        signal.set()
        for thread in threads + stirrers:
            thread.join(60)
        signal.close()
        assert len(stopped) == count
