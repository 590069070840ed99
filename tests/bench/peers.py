"""The programs that are compared, and what running them costs."""

import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import namedtuple

from server import free_port, wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = ("curl", "wget", "aria2c", "axel", "nginx")
TICKS = os.sysconf("SC_CLK_TCK")

Cost = namedtuple("Cost", "wall cpu")       # seconds


def found(name):
    return shutil.which(name)


def fresh(folder):
    """A new folder. It stays to the end: for seconds after a deletion ext4 is slow to make a file."""
    return tempfile.mkdtemp(dir=folder)


def run(command, target):
    """The Cost of a command that must succeed and make the file `target`.

    The file is removed afterwards, so that everyone finds the same memory free.
    """
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    cost = Cost(time.monotonic() - began, usage.ru_utime + usage.ru_stime)
    process.returncode = status
    assert status == 0, "%s failed" % " ".join(command)
    os.unlink(target)
    return cost


def fetchers(url, target, connections=1, insecure=False):
    """{program: a function that fetches the URL to the target and returns the Cost}."""
    folder, name = os.path.split(target)
    commands = {
        "curl": ["curl", "-s", "-o", target] + ["-k"] * insecure + [url],
        "wget": ["wget", "-q", "-O", target] + ["--no-check-certificate"] * insecure + [url],
        "aria2c": ["aria2c", "-q", "--allow-overwrite=true", "-d", folder, "-o", name, "-k1M",
                   "-x%d" % connections, "-s%d" % connections]
                  + ["--check-certificate=false"] * insecure + [url],
        "axel": ["axel", "-q", "-n", str(connections), "-o", target] + ["-k"] * insecure + [url],
    }
    if connections > 1:
        del commands["curl"], commands["wget"]
    return {name: (lambda command=command: run(command, target))
            for name, command in commands.items() if found(name)}


def pause_after(seconds):
    """Return the seconds until a daemon is asked again, a fiftieth of those passed: its answers cost CPU too."""
    return max(0.01, seconds / 50)


def cpu_of(pid):
    """CPU seconds that a process has used so far."""
    with open("/proc/%d/stat" % pid) as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Aria2:
    """aria2c as a daemon with its RPC; a context manager."""

    def __init__(self, folder, *arguments):
        self.folder = fresh(folder)
        self._arguments = list(arguments)

    def __enter__(self):
        port = free_port()
        self.process = subprocess.Popen(
            ["aria2c", "-q", "--enable-rpc", "--rpc-listen-port=%d" % port, "--no-conf=true",
             "--max-download-result=100000", "-d", self.folder] + self._arguments)
        wait_for(port)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        return self

    def __exit__(self, *exc_info):
        self._connection.close()
        self.process.terminate()
        self.process.wait()

    @property
    def cpu(self):
        return cpu_of(self.process.pid)

    def call(self, method, *parameters):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "aria2." + method, "params": parameters})
        self._connection.request("POST", "/jsonrpc", body, {"Content-Type": "application/json"})
        return json.loads(self._connection.getresponse().read())["result"]

    def add(self, url, **options):
        self.call("addUri", [url], options)

    def wait(self):
        """Until nothing is active or waiting."""
        began = time.monotonic()
        while True:
            stats = self.call("getGlobalStat")
            if stats["numActive"] == stats["numWaiting"] == "0":
                return
            time.sleep(pause_after(time.monotonic() - began))


class Dlserv:
    """The daemon as a process of its own; a context manager."""

    def __init__(self, folder, *arguments, program=None):
        self.folder = fresh(folder)
        self._command = [sys.executable, program or os.path.join(ROOT, "dlserv.py"), "--port", "0",
                         "--download-dir", self.folder, "--log-level", "error",
                         "--db", os.path.join(self.folder, ".db")] + list(arguments)

    def __enter__(self):
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE)
        self.url = self.process.stdout.readline().decode().split()[-1]
        self._connection = http.client.HTTPConnection(self.url.partition("//")[2], timeout=60)
        return self

    def __exit__(self, *exc_info):
        self._connection.close()
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    @property
    def cpu(self):
        """CPU seconds it has used so far."""
        return cpu_of(self.process.pid)

    @property
    def rss(self):
        """Resident memory in bytes."""
        with open("/proc/%d/status" % self.process.pid) as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS"))

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, data, {"Content-Type": "application/json"})
        reply = self._connection.getresponse()
        answer = json.loads(reply.read())
        assert reply.status == 200, answer
        return answer

    def add(self, url, **options):
        return self.call("POST", "/task", {"url": url, "options": options})["tid"]

    def fetch(self, url, **options):
        """Fetch one file and forget it; return the Cost."""
        cpu, began = self.cpu, time.monotonic()
        tid = self.add(url, **options)
        self.wait()
        cost = Cost(time.monotonic() - began, self.cpu - cpu)
        self.call("DELETE", "/task/tid/%s?del_file=true" % tid)
        return cost

    def wait(self):
        """Until every task is finished."""
        began = time.monotonic()
        while True:
            counts = self.call("GET", "/task/state_coutner")["detail"]
            assert not counts["invalid"], self.call("GET", "/task/list?exerpt=false&state=invalid")
            if counts["finished"] == counts["all"]:
                return
            time.sleep(pause_after(time.monotonic() - began))
