"""Three daemons behind a real nginx, with the very configuration that README shows."""

import http.client
import os
import re
import shutil
import socket
import subprocess

import pytest

import forks
from harness import PATIENCE, ROOT, Api, SharedProcess, noise, own_environ, until

from dlserv.contract import tid_of

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
TOKEN = "0123456789abcdef"
AUTHORIZED = {"Authorization": "Bearer " + TOKEN}
MAIN = """
daemon off;
pid nginx.pid;
%(user)s
events { worker_connections 256; }
http {
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
%(shown)s
}
"""

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


def shown_in_readme():
    """The configuration of README's section "More than one"."""
    with open(os.path.join(ROOT, "README"), encoding="utf-8") as file:
        section = re.search(r"\nMore than one\n-+\n(.*?)\n\n\n", file.read(), re.DOTALL).group(1)
    found = [block for block in re.findall(r"(?m)(?:^    .*\n)+", section + "\n") if "upstream" in block]
    assert len(found) == 1
    return found[0]


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class House:
    """Three daemons, nas1 to nas3, and the proxy in front of them."""

    def __init__(self, folder, environ):
        self._folder, self._environ = folder, dict(environ, DLSERV_TOKEN=TOKEN)
        self.nas = [self._start(index, 0) for index in range(3)]
        self.ports = [int(each.url.rpartition(":")[2]) for each in self.nas]
        self.port, self._nginx = free_port(), None
        self._configure()

    def _start(self, index, port):
        return SharedProcess(self._folder / ("nas%d" % (index + 1)), "--port", str(port), headers=AUTHORIZED, environ=self._environ)

    def _configure(self):
        text = shown_in_readme().replace("listen 6800", "listen 127.0.0.1:%d" % self.port)
        for index, port in enumerate(self.ports, 1):
            text = text.replace("nas%d:6880" % index, "127.0.0.1:%d" % port)
        user = "user root;" if os.geteuid() == 0 else ""
        (self._folder / "nginx.conf").write_text(MAIN % {"user": user, "shown": text})

    def __enter__(self):
        self._nginx = subprocess.Popen(
            [NGINX, "-p", str(self._folder) + "/", "-c", "nginx.conf", "-e", "error.log"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._listens)
        self.proxy = Api("http://127.0.0.1:%d" % self.port)
        return self

    def _listens(self):
        assert self._nginx.poll() is None, (self._folder / "error.log").read_text()
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def __exit__(self, *exc_info):
        self._nginx.terminate()
        self._nginx.wait(PATIENCE)
        if hasattr(self, "proxy"):
            self.proxy.close()
        for each in self.nas:
            each.stop()

    def ask(self, method, path, body=None, api=None):
        return (api or self.proxy).request(method, path, body, AUTHORIZED)

    def post(self, url, shard=None, **options):
        return self.ask("POST", "/task?shard=%s" % (shard or tid_of(url)), {"url": url, "options": options})

    def holders(self, url, among=(0, 1, 2)):
        """The indexes of the daemons that have the URL's task, each asked directly."""
        return [index for index in among
                if self.ask("GET", "/task/tid/%s/status" % tid_of(url), api=self.nas[index].api).status == 200]

    def kill(self, index):
        self.nas[index].kill()

    def restart(self, index):
        self.nas[index] = self._start(index, self.ports[index])

    def clear(self):
        """Make it as new: every daemon runs and has no task."""
        for index, each in enumerate(self.nas):
            if each.popen.poll() is not None:
                self.restart(index)
            self.nas[index].clear()


@pytest.fixture(scope="module")
def common_house(tmp_path_factory):
    """The House of all tests of this file."""
    folder = tmp_path_factory.mktemp("house")
    with House(folder, own_environ(folder)) as made:
        yield made


@pytest.fixture
def house(common_house):
    """The House without a task."""
    common_house.clear()
    return common_house


@pytest.fixture
def urls(house, origin):
    """The URLs of 24 paused tasks that were posted through the proxy."""
    found = [origin.url("/%d.iso" % number) for number in range(24)]
    for url in found:
        origin.put("/" + url.rpartition("/")[2], noise(1000))
        assert house.post(url, paused=True)["tid"] == tid_of(url)
    return found


def test_every_task_reaches_its_owner(house, urls):
    owners = [house.holders(url) for url in urls]
    assert {len(each) for each in owners} == {1} and len({each[0] for each in owners}) == 3
    for url in urls:
        path = "/task/tid/" + tid_of(url)
        assert house.post(url, paused=True).status == 409
        assert house.ask("GET", path + "/status")["detail"]["state"] == "paused"
        assert house.ask("PATCH", path, {"options": {"priority": 3}}).status == 200
        assert house.ask("GET", path + "/info")["detail"]["options"]["priority"] == 3
        assert house.ask("PUT", path + "?act=resume").status == 200
        until(lambda: house.ask("GET", path + "/status")["detail"]["state"] == "finished")
        assert house.ask("GET", path + "/file").body == noise(1000)
    assert [house.holders(url) for url in urls] == owners
    for url in urls:
        assert house.ask("DELETE", "/task/tid/%s?del_file=true" % tid_of(url)).status == 200
        assert house.holders(url) == []


def test_a_dead_owner_is_a_502_and_never_a_second_copy(house, urls):
    dead = house.holders(urls[0])[0]
    alive = [index for index in range(3) if index != dead]
    theirs = [url for url in urls if house.holders(url) == [dead]]
    house.kill(dead)
    for url in theirs:
        assert house.ask("GET", "/task/tid/%s/status" % tid_of(url)).status == 502
        assert house.ask("PUT", "/task/tid/%s?act=resume" % tid_of(url)).status == 502
        assert house.post(url, paused=True).status == 502
    new = ["http://127.0.0.1:1/new%d" % number for number in range(30)]
    answers = {url: house.post(url, paused=True).status for url in new}
    assert set(answers.values()) == {200, 502}
    assert all(len(house.holders(url, alive)) == (answers[url] == 200) for url in new)
    assert not any(house.holders(url, alive) for url in theirs)
    for url in set(urls) - set(theirs):
        assert house.ask("GET", "/task/tid/%s/status" % tid_of(url)).status == 200
    house.restart(dead)
    for url in urls:
        assert house.ask("GET", "/task/tid/%s/status" % tid_of(url))["detail"]["state"] == "paused"
    for url in [url for url in new if answers[url] == 502]:
        assert house.post(url, paused=True).status == 200 and house.holders(url) == [dead]


def test_restarts_of_all_find_their_tasks_again(house, urls):
    owners = [house.holders(url) for url in urls]
    for index in range(3):
        house.kill(index)
        house.restart(index)
    assert [house.holders(url) for url in urls] == owners
    assert all(house.ask("GET", "/task/tid/%s/status" % tid_of(url)).status == 200 for url in urls)


@pytest.mark.parametrize("path", ["/task", "/task?shard=", "/task?shard=x", "/task?shard=" + "A" * 40,
                                  "/task?shard=" + "a" * 41, "/task/batch/add", "/task?shard=" + "a" * 39])
def test_a_request_without_a_shard_reaches_nobody(house, path):
    url = "http://127.0.0.1:1/x"
    assert house.ask("POST", path, {"url": url, "options": {"paused": True}}).status == 404
    assert house.holders(url) == []


@pytest.mark.parametrize("path", ["/task/list", "/stats", "/events", "/config", "/", "/task/tid/abc/status"])
def test_what_is_of_one_daemon_has_no_address_of_all(house, path):
    assert house.ask("GET", path).status == 404


def test_the_token_is_needed_through_the_proxy(house):
    assert house.proxy.get("/task/tid/%s/status" % ("a" * 40)).status == 401
    assert house.proxy.get("/nas1/stats").status == 401


def test_each_daemon_has_its_page_and_its_events(house):
    for index in range(3):
        below = "/nas%d/" % (index + 1)
        assert b"<title>dlserv" in house.ask("GET", below).body
        assert house.ask("GET", below + "app.js").status == 200
        assert house.ask("GET", below + "task/list")["detail"] == []
        connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=PATIENCE)
        try:
            connection.request("GET", below + "events", headers=AUTHORIZED)
            response = connection.getresponse()
            lines = iter(response.readline, b"")
            assert next(line for line in lines if line.startswith(b"event:")) == b"event: snapshot\n"
            tid = house.ask("POST", below + "task", {"url": "http://127.0.0.1:1/e", "options": {"paused": True}})["tid"]
            assert next(line for line in lines if line.startswith(b"data:") and tid.encode() in line)
        finally:
            connection.close()


def test_the_commands_use_all_through_the_proxy(house, urls, environ):
    listed = " ".join("http://127.0.0.1:%d/nas%d" % (house.port, number) for number in (1, 2, 3))

    def run(*arguments):
        done = forks.run(arguments, env=dict(environ, DLSERV_URL=listed, DLSERV_TOKEN=TOKEN))
        return done.returncode, done.stdout.decode()

    code, out = run("list")
    assert code == 0 and {line.split("\t")[0] for line in out.splitlines()} == set(map(tid_of, urls))
    assert run("rm", tid_of(urls[0])) == (0, "") and house.holders(urls[0]) == []
    assert run("rm", "all") == (0, "") and not any(house.holders(url) for url in urls)


def test_the_lines_for_curl_do_what_readme_says(house):
    curl = shutil.which("curl") or pytest.skip("curl is not installed")
    with open(os.path.join(ROOT, "README"), encoding="utf-8") as file:
        lines = re.search(r"    URL=https://example.org/debian.iso\n(?:    .*\n)+", file.read()).group()
    script = lines.replace("proxy:6800", "127.0.0.1:%d" % house.port).replace("curl ", curl + " -s ")
    script = script.replace("https://example.org/debian.iso", "http://127.0.0.1:1/debian.iso")
    done = subprocess.run(["sh", "-c", script], env={"DLSERV_TOKEN": TOKEN, "PATH": os.environ["PATH"]},
                          stdout=subprocess.PIPE, timeout=60)
    tid = tid_of("http://127.0.0.1:1/debian.iso")
    assert done.stdout.count(b'"status": "success"') == 2 and done.stdout.count(tid.encode()) == 2
    assert len(house.holders("http://127.0.0.1:1/debian.iso")) == 1
