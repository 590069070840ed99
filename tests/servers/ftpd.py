"""An FTP server for tests: passive, REST, SIZE, MDTM, explicit and implicit TLS, faults by field."""

import socket
import socketserver
import threading
import time

from servers.background import Background


class Ftpd(Background):
    """A context manager. `files` is {path: bytes}; `commands` lists what was said.

    cut       bytes after which the next data connection is dropped, once
    sizes     {path: what SIZE says of it}, where that is wrong
    folders   paths that CWD knows; it knows those that its files are in as well
    listings  {command: bytes that it lists in any folder}, in place of its files
    links     {path: path of the folder that it is a symbolic link to}
    replies   {command: what is said to it, lines and all}; "" greets. A line that is cut
              short, "" to hang up, and an iterable of replies are possible
    logins    how many may be logged in at once, None for any number
    lag       seconds until it notices that a client has gone
    closed    commands, EPSV or PASV, that name a port where nobody listens
    without   commands that it does not know, such as "EPSV" or "REST"
    deaf      whether it answers 350 to REST and sends from byte 0 all the same
    rate      bytes a second at which it sends, about; None for as fast as it can
    users     {user: password}; anonymous by default
    context   an ssl.SSLContext for AUTH TLS, or for everything with `implicit`
    early     a reply that comes before TLS does, where nobody can have vouched for it
    polite    TLS on a data connection is ended with a word
    reused    for each data connection under TLS, whether it went on with a session
    """

    def __init__(self, files, without=(), users=None, context=None, implicit=False):
        super().__init__(("127.0.0.1", 0), _Control)
        self.files, self.without, self.users = files, set(without), users or {"anonymous": None}
        self.context, self.implicit = context, implicit
        self.commands, self.cut, self.modified, self.sent = [], None, "20240101000000", 0
        self.reused, self.deaf, self.rate = [], False, None
        self.sizes, self.folders, self.replies = {}, set(), {}
        self.listings, self.links = {}, {}
        self.early, self.polite = None, False
        self.logins, self.closed, self.most_logins = None, set(), 0
        self.lag = 0
        self._logged_in, self._lock = set(), threading.Lock()

    def url(self, path, user=None, scheme=None):
        scheme = scheme or ("ftps" if self.context else "ftp")
        return "%s://%s127.0.0.1:%d%s" % (scheme, user + "@" if user else "", self.server_address[1], path)

    def inside(self, folder):
        """Return {name: "file", "dir" or "link"} of a folder, named from the root, or None."""
        folder, found = self._real(folder.strip("/").split("/")), {}
        for path, kind in [(path, "file") for path in self.files] + [(path, "link") for path in self.links]:
            parts = path.strip("/").split("/")
            if parts[:len(folder)] == folder and len(parts) > len(folder):
                found[parts[len(folder)]] = kind if len(parts) == len(folder) + 1 else "dir"
        return found or None

    def _real(self, parts):
        """Return the parts of a folder's path with its symbolic links resolved."""
        real = []
        for part in filter(None, parts):
            real.append(part)
            there = self.links.get("/".join(real))
            real = real if there is None else list(filter(None, there.split("/")))
        return real

    def log_in(self, control):
        """Count the client in. Return False if there is no room for it."""
        with self._lock:
            if self.logins is not None and len(self._logged_in) >= self.logins:
                return False
            self._logged_in.add(control)
            self.most_logins = max(self.most_logins, len(self._logged_in))
            return True

    def log_out(self, control):
        with self._lock:
            self._logged_in.discard(control)

    def handle_error(self, request, client_address):
        pass


class _Control(socketserver.BaseRequestHandler):
    def handle(self):
        self.rest, self.user, self.listener, self.protected = 0, None, None, False
        self.folder = ""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)     # a reply waits for no acknowledgement
        self.request.settimeout(10)
        if self.server.implicit:
            self._secure()
        self.say(self.server.replies.get("", "220 ready"))
        try:
            while True:
                line = self._readline()
                if not line:
                    return
                command, _, argument = line.partition(" ")
                self.server.commands.append(line)
                if command in self.server.without:
                    self.reply("502 not known")
                elif command in self.server.replies:
                    if not self.server.replies[command]:
                        return
                    self.say(self.server.replies[command])
                elif getattr(self, "do_" + command, self.unknown)(argument) is False:
                    return
        finally:
            if self.listener is not None:
                self.listener.close()
            time.sleep(self.server.lag)
            self.server.log_out(self)
            self.request.close()

    def _secure(self):
        self.request = self.server.context.wrap_socket(self.request, server_side=True)

    def _readline(self):
        line = b""
        while not line.endswith(b"\r\n"):
            byte = self.request.recv(1)
            if not byte:
                return ""
            line += byte
        return line.decode("utf-8", "surrogateescape").rstrip("\r\n")

    def reply(self, text):
        self.request.sendall(text.encode("utf-8", "surrogateescape") + b"\r\n")

    def say(self, told):
        """Send the reply, or one after the other for as long as the client takes them."""
        for text in [told] if isinstance(told, str) else told:
            self.reply(text)

    def unknown(self, argument):
        self.reply("502 not known")

    def do_AUTH(self, argument):
        if self.server.context is None:
            return self.reply("534 no TLS here")
        self.reply("234 go on" + ("\r\n" + self.server.early if self.server.early else ""))
        self._secure()

    def do_PBSZ(self, argument):
        self.reply("200 fine")

    def do_PROT(self, argument):
        self.protected = argument == "P"
        self.reply("200 fine")

    def do_USER(self, argument):
        self.user = argument
        self.reply("331 password, please")

    def do_PASS(self, argument):
        known = self.server.users.get(self.user, "\0")
        if known not in (None, argument):
            self.reply("530 Login incorrect.")
        elif self.server.log_in(self):
            self.reply("230 welcome")
        else:
            self.reply(self.server.replies.get("full", "530 Sorry, the maximum number of clients is connected."))

    def do_TYPE(self, argument):
        self.reply("200 fine")

    def do_SIZE(self, argument):
        self._about(argument, lambda data: "213 %s" % self.server.sizes.get(argument, len(data)))

    def do_MDTM(self, argument):
        self._about(argument, lambda data: "213 " + self.server.modified)

    def _about(self, path, text):
        data = self.server.files.get(path)
        self.reply("550 No such file." if data is None else text(data))

    def do_REST(self, argument):
        self.rest = int(argument)
        self.reply("350 from there")

    def _listen(self):
        if self.listener is not None:
            self.listener.close()
        self.listener = socket.create_server(("127.0.0.1", 0))
        return self.listener.getsockname()[1]

    def _port_after(self, command):
        port = self._listen()
        if command in self.server.closed:
            self.listener.close()
        return port

    def do_CWD(self, argument):
        there = argument if argument.startswith("/") else self.folder + "/" + argument
        if argument in self.server.folders or self.server.inside(there) is not None:
            self.folder = there
            return self.reply("250 there")
        self.reply("550 No such folder.")

    def do_PWD(self, argument):
        self.reply('257 "%s" is where you are' % (self.folder or "/").replace('"', '""'))

    def do_MLSD(self, argument):
        kinds = {"file": "file", "dir": "dir", "link": "OS.unix=slink:elsewhere"}
        self._list("MLSD", ["type=cdir; .", "type=pdir; .."], lambda name, kind: "size=7;Type=%s; %s" % (
            kinds[kind], name))

    def do_LIST(self, argument):
        kinds = {"file": "-", "dir": "d", "link": "l"}
        self._list("LIST", ["total 8"], lambda name, kind: "%srw-r--r--    1 ftp      ftp  7 Jan 01  2024 %s%s" % (
            kinds[kind], name, " -> elsewhere" if kind == "link" else ""))

    def do_NLST(self, argument):
        self._list("NLST", [], lambda name, kind: name)

    def _list(self, command, lines, line):
        """Send the lines about this folder over the data connection."""
        found = self.server.inside(self.folder) or {}
        lines = lines + [line(name, kind) for name, kind in found.items()]
        data = self.server.listings.get(command, "".join(each + "\r\n" for each in lines).encode(
            "utf-8", "surrogateescape"))
        self.reply("150 here it comes")
        connection, _ = self.listener.accept()
        with connection:
            if self.protected:
                connection.settimeout(10)
                connection = self.server.context.wrap_socket(connection, server_side=True)
            try:
                connection.sendall(data)
                if self.protected and self.server.polite:
                    connection.settimeout(0)
                    connection.unwrap()
            except OSError:
                pass
            connection.close()
        self.reply(self.server.replies.get("end", "226 done"))

    def do_EPSV(self, argument):
        self.reply("229 Extended Passive (|||%d|)" % self._port_after("EPSV"))

    def do_PASV(self, argument):
        port = self._port_after("PASV")
        # An address that nobody may connect to: clients keep to the server's own.
        self.reply("227 Passive (192,0,2,1,%d,%d)" % divmod(port, 256))

    def do_RETR(self, argument):
        data, start, self.rest = self.server.files.get(argument), self.rest, 0
        start = 0 if self.server.deaf else start
        if data is None:
            return self.reply("550 No such file.")
        self.reply("150 here it comes")
        connection, _ = self.listener.accept()
        if self.protected:
            connection.settimeout(10)
            connection = self.server.context.wrap_socket(connection, server_side=True)
            self.server.reused.append(connection.session_reused)
        cut, self.server.cut = self.server.cut, None
        body = data[start:][:cut]
        try:
            self._send(connection, body)
            if self.protected and self.server.polite:
                connection.settimeout(0)        # nobody waits for the other's word
                connection.unwrap()
        except OSError:
            pass
        finally:
            connection.close()
        end = self.server.replies.get("end", "226 done" if cut is None else "426 the line broke")
        if end:
            self.reply(end)
        return bool(end) and cut is None

    def _send(self, connection, body):
        piece = len(body) if self.server.rate is None else 16384
        for position in range(0, len(body), piece or 1):
            connection.sendall(body[position:position + piece])
            self.server.sent += len(body[position:position + piece])
            if self.server.rate is not None:
                time.sleep(piece / self.server.rate)

    def do_QUIT(self, argument):
        self.reply("221 bye")
        return False
