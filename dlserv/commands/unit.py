"""Start-up files for every init system, printed with the paths of this machine.

`unit_file` returns the text; its first lines are a comment that says where to put it and
which two commands enable it. Nothing is written and nothing is started here.
"""

import os
import shlex
from collections import namedtuple
from html import escape

from ..errors import InvalidValue


class Machine(namedtuple("Machine", "python program arguments download_dir db user port")):
    """The paths that a start-up file needs; every path is absolute.

    python        the interpreter
    program       dlserv.pyz or dlserv.py
    arguments     list of the daemon's own arguments, such as ["-c", "/etc/dlserv.json"]
    download_dir  where files go
    db            the database
    user          the login name that the daemon runs as
    port          int, for the container's EXPOSE
    """

    __slots__ = ()

    @property
    def command(self):
        """The whole command as a list."""
        return [self.python, self.program] + list(self.arguments)

    @property
    def state_dir(self):
        """The folder of the database."""
        return os.path.dirname(self.db)


def unit_file(kind, machine, for_user=False):
    """Return the start-up file of this kind. Raises InvalidValue if there is no such kind.

    With `for_user`, a systemd unit is for `systemctl --user` and a launchd job is an agent.
    """
    try:
        write = KINDS[kind]
    except KeyError:
        raise InvalidValue("unit", "%s is none of %s" % (kind, ", ".join(KINDS))) from None
    return write(machine, for_user)


def _quoted(words):
    return " ".join(map(shlex.quote, words))


# -- systemd ----------------------------------------------------------------------------------

_SYSTEMD = """\
# /etc/systemd/system/dlserv.service
#   systemctl daemon-reload
#   systemctl enable --now dlserv
[Unit]
Description=dlserv download daemon
After=network-online.target
Wants=network-online.target
RequiresMountsFor={mounts}

[Service]
Type=notify
ExecStart={command}
ExecReload=kill -HUP $MAINPID
User={user}
Restart=on-failure
WatchdogSec=120
TimeoutStopSec=30
UMask=0027
LimitNOFILE=8192
Environment=PYTHONUNBUFFERED=1
# A token for other machines: put it into this file, mode 0600, and remove the "#".
#LoadCredential=token:/etc/dlserv.token

# The daemon writes below these folders and nowhere else.
ReadWritePaths={writable}
ProtectSystem=strict
{home}
PrivateTmp=yes
PrivateDevices=yes
PrivateMounts=yes
PrivateUsers=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProcSubset=pid
RemoveIPC=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources

[Install]
WantedBy=multi-user.target
"""

_SYSTEMD_USER = """\
# {where}
#   systemctl --user daemon-reload
#   systemctl --user enable --now dlserv    (and once, to start at boot: loginctl enable-linger {user})
[Unit]
Description=dlserv download daemon
RequiresMountsFor={mounts}

[Service]
Type=notify
ExecStart={command}
ExecReload=kill -HUP $MAINPID
Restart=on-failure
WatchdogSec=120
TimeoutStopSec=30
UMask=0027
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes

[Install]
WantedBy=default.target
"""


def _systemd(machine, for_user):
    folders = sorted({machine.download_dir, machine.state_dir})
    facts = {"command": " ".join(_for_systemd(word).replace("$", "$$") for word in machine.command),
             "user": machine.user,
             "mounts": " ".join(map(_for_systemd, folders)), "writable": " ".join(map(_for_systemd, folders)),
             "home": _protect_home(machine.command + folders),
             "where": "~/.config/systemd/user/dlserv.service"}
    return (_SYSTEMD_USER if for_user else _SYSTEMD).format(**facts)


def _for_systemd(word):
    """Return the word as systemd reads it: % doubled, quoted where it has blanks."""
    word = word.replace("\\", "\\\\").replace("%", "%%")
    return '"%s"' % word.replace('"', '\\"') if any(char in word for char in " \t\"'") else word


def _protect_home(paths):
    """Return the line that hides homes, as far as none of the paths lies in one."""
    homes = tuple("/%s/" % name for name in ("home", "root", "run/user"))
    inside = any(path.startswith(homes) for path in paths)
    return "ProtectHome=%s" % ("tmpfs\nBindPaths=%s" % " ".join(
        sorted({_for_systemd(os.path.dirname(path) if os.path.isfile(path) else path)
                for path in paths if path.startswith(homes)})) if inside else "yes")


# -- the others ---------------------------------------------------------------------------------

_PROCD = """\
#!/bin/sh /etc/rc.common
# /etc/init.d/dlserv
#   chmod +x /etc/init.d/dlserv
#   /etc/init.d/dlserv enable && /etc/init.d/dlserv start
# shellcheck shell=sh disable=SC1008,SC2034
START=99
STOP=10
USE_PROCD=1

start_service() {{
{tab}procd_open_instance
{tab}procd_set_param command {command}
{tab}procd_set_param user {user}
{tab}procd_set_param respawn
{tab}procd_set_param stderr 1
{tab}procd_set_param nice 10
{tab}procd_set_param limits nofile="4096 8192"
{tab}procd_close_instance
}}

service_triggers() {{
{tab}procd_add_restart_mount_trigger {folders}
}}

reload_service() {{
{tab}procd_send_signal dlserv '*' HUP
}}
"""

_OPENRC = """\
#!/sbin/openrc-run
# /etc/init.d/dlserv
#   chmod +x /etc/init.d/dlserv
#   rc-update add dlserv && rc-service dlserv start
# shellcheck shell=sh disable=SC1008,SC2034
description="dlserv download daemon"
supervisor=supervise-daemon
command={python}
command_args={arguments}
command_user={user}
error_log=/var/log/dlserv.log
extra_started_commands="reload"
retry="TERM/30/KILL/5"

depend() {{
{tab}need net localmount
{tab}after firewall
}}

start_pre() {{
{tab}checkpath -d -o {user} {state_dir} {download_dir}
{tab}checkpath -f -o {user} /var/log/dlserv.log
}}

reload() {{
{tab}supervise-daemon "$RC_SVCNAME" --signal HUP
}}
"""

_LAUNCHD = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- {where}
     launchctl bootstrap {domain} {where}
     launchctl print {domain}/dlserv -->
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key><string>dlserv</string>
  <key>ProgramArguments</key>
  <array>
{words}
  </array>
  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
  <key>ThrottleInterval</key><integer>10</integer>
  <key>ProcessType</key><string>Background</string>
  <key>StandardErrorPath</key><string>{log}</string>
</dict>
</plist>
"""

_RUNIT = """\
#!/bin/sh
# /etc/sv/dlserv/run (Termux: $PREFIX/var/service/dlserv/run)
#   chmod +x /etc/sv/dlserv/run
#   ln -s /etc/sv/dlserv /var/service/ (Termux: sv-enable dlserv)
exec 2>&1
exec {command}
"""

_DOCKER = """\
# Containerfile, beside dlserv.pyz
#   docker build -t dlserv -f Containerfile .
#   docker run -d --name dlserv -p {port}:{port} -v {download_dir}:/downloads -v dlserv-state:/state dlserv
FROM python:3-alpine
COPY dlserv.pyz /usr/local/bin/dlserv.pyz
RUN mkdir /downloads /state && chown 1000:1000 /downloads /state
USER 1000:1000
VOLUME ["/downloads", "/state"]
ENV DLSERV_HOST=0.0.0.0 DLSERV_PORT={port} DLSERV_DOWNLOAD_DIR=/downloads STATE_DIRECTORY=/state
EXPOSE {port}
HEALTHCHECK CMD ["python3", "-c", \
  "from urllib.request import urlopen; urlopen('http://127.0.0.1:{port}/health', timeout=5)"]
ENTRYPOINT ["python3", "/usr/local/bin/dlserv.pyz"]
"""

_SYNOLOGY = """\
# Control Panel > Task Scheduler > Create > Triggered Task > User-defined script
#   General: task "dlserv", user {user}, event "Boot-up"
#   Task Settings: paste the line below; then select the task and click "Run"
exec {command}
"""


def _procd(machine, for_user):
    return _PROCD.format(tab="\t", command=_quoted(machine.command), user=machine.user,
                         folders=_quoted(sorted({machine.download_dir, machine.state_dir})))


def _openrc(machine, for_user):
    return _OPENRC.format(tab="\t", python=shlex.quote(machine.python), user=shlex.quote(machine.user),
                          arguments=shlex.quote(_quoted(machine.command[1:])),
                          state_dir=shlex.quote(machine.state_dir),
                          download_dir=shlex.quote(machine.download_dir))


def _launchd(machine, for_user):
    home = os.path.expanduser("~")
    where = "~/Library/LaunchAgents/dlserv.plist" if for_user else "/Library/LaunchDaemons/dlserv.plist"
    log = os.path.join(home, "Library/Logs/dlserv.log") if for_user else "/var/log/dlserv.log"
    words = "\n".join("    <string>%s</string>" % escape(word) for word in machine.command)
    return _LAUNCHD.format(where=where, words=words, log=escape(log),
                           domain="gui/$(id -u)" if for_user else "system")


def _runit(machine, for_user):
    return _RUNIT.format(command=_quoted(machine.command))


def _docker(machine, for_user):
    return _DOCKER.format(port=machine.port, download_dir=shlex.quote(machine.download_dir))


def _synology(machine, for_user):
    return _SYNOLOGY.format(user=machine.user, command=_quoted(machine.command))


KINDS = {"systemd": _systemd, "procd": _procd, "openrc": _openrc, "launchd": _launchd, "runit": _runit,
         "docker": _docker, "synology": _synology}
