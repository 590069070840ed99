"""The server of the files: nginx where there is one, else one of our own."""

import contextlib
import functools
import http.server
import os
import shutil
import socket
import subprocess
import threading
import time

_CONFIGURATION = """daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 2048; }}
http {{ sendfile on; access_log off; keepalive_requests 100000;
client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
uwsgi_temp_path {folder}; scgi_temp_path {folder};
server {{ listen {address}:{port}{tls}; {certificate} root {root};
location /slow/ {{ alias {root}/; limit_rate {rate}; }} }} }}
"""


@contextlib.contextmanager
def serving(root, folder, certificate=None, rate=20 * 10 ** 6, address="127.0.0.1", prefix=()):
    """Yield the URL of a server of the files in `root`; below /slow/ each connection gets `rate`.

    `prefix` is the command that runs nginx where `address` is.
    """
    if shutil.which("nginx"):
        with _nginx(root, folder, certificate, rate, address, list(prefix)) as url:
            yield url
    else:
        with _python(root) as url:
            yield url


@contextlib.contextmanager
def _nginx(root, folder, certificate, rate, address, prefix):
    port = free_port()
    os.chmod(os.path.dirname(folder), 0o755)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "nginx.conf")
    with open(path, "w") as file:
        file.write(_CONFIGURATION.format(
            folder=folder, address=address, port=port, root=root, rate=rate, tls=" ssl" if certificate else "",
            certificate="ssl_certificate {0}; ssl_certificate_key {0};".format(certificate)
            if certificate else ""))
    os.chmod(folder, 0o755)
    process = subprocess.Popen(prefix + ["nginx", "-c", path], stderr=subprocess.DEVNULL)
    try:
        wait_for(port, address)
        yield "%s://%s:%d" % ("https" if certificate else "http", address, port)
    finally:
        process.terminate()
        process.wait()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def _python(root):
    handler = functools.partial(_Quiet, directory=root)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield "http://127.0.0.1:%d" % server.server_port
        server.shutdown()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_for(port, address="127.0.0.1"):
    deadline = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection((address, port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, "the server does not come up"
            time.sleep(0.02)
