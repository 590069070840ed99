"""unit: start-up files for every init system, printed with the paths of this machine."""

import csv
import io
import json
import os
import sys
from html import escape
from shlex import quote

from ..errors import InvalidValue
from . import systemd
from .machine import Machine

FOR_USERS = ("systemd", "launchd")


def unit(options, terminals):
    """Print the start-up file."""
    if options.for_user and options.kind not in FOR_USERS:
        raise InvalidValue("--user", f"{options.kind} has no services for single users; leave it out")
    machine = Machine(options)
    for remark in machine.remarks:
        terminals[1].complain(remark)
    terminals[0].stream.reconfigure(encoding=sys.getfilesystemencoding())      # as the paths are
    terminals[0].write(KINDS[options.kind](machine).rstrip("\n"))
    return 0


def _words(words):
    return " ".join(map(quote, words))


def _script(template, machine, indent="", **more):
    """Return the shell script, in which {make} creates the missing folders."""
    user = quote(machine.user)
    make = "".join(f"{indent}[ -d {path} ] || {{ mkdir -p {path} && chown {user} {path}; }}\n"
                   for path in map(quote, machine.missing))
    return template.format(**dict({"make": make, "command": _words(machine.command), "user": user,
                                   "uid": machine.uid}, **more))


# -- procd: OpenWrt ---------------------------------------------------------------------------

_PROCD = """\
#!/bin/sh /etc/rc.common
# Put this into /etc/init.d/dlserv, then:
#   chmod +x /etc/init.d/dlserv
#   /etc/init.d/dlserv enable && /etc/init.d/dlserv start
START=99
STOP=10
USE_PROCD=1

start_service() {{
{make}\tprocd_open_instance
\tprocd_set_param command {command}
\tprocd_set_param user {user}
\tprocd_set_param respawn
\tprocd_set_param stdout 1
\tprocd_set_param stderr 1
\tprocd_set_param nice 10
\tprocd_set_param limits nofile="4096 8192"
\tprocd_close_instance
}}

service_triggers() {{
\tprocd_add_restart_mount_trigger {folders}
}}

reload_service() {{
\tprocd_send_signal dlserv '*' HUP
}}
"""


def _procd(machine):
    folders = _words(dict.fromkeys((machine.download_dir, machine.state_dir)))
    return _script(_PROCD, machine, "\t", folders=folders)


# -- openrc: Alpine, Gentoo ---------------------------------------------------------------------

_OPENRC = """\
#!/sbin/openrc-run
# Put this into /etc/init.d/dlserv, then:
#   chmod +x /etc/init.d/dlserv
#   rc-update add dlserv && rc-service dlserv start
description="dlserv download daemon"
supervisor=supervise-daemon
command={python}
command_args={arguments}
command_user={user}
error_log=/var/log/dlserv.log
extra_started_commands="reload"
retry="TERM/30/KILL/5"

depend() {{
\tneed net localmount
\tafter firewall
}}

start_pre() {{
\tcheckpath -f -o {user} -m 0640 /var/log/dlserv.log
{make}}}

reload() {{
\tsupervise-daemon "$RC_SVCNAME" --signal HUP
}}
"""


def _openrc(machine):
    make = "".join(f"\tcheckpath -d -o {quote(machine.user)} {quote(path)}\n" for path in machine.missing)
    python, *arguments = machine.command
    return _script(_OPENRC, machine, make=make, python=quote(quote(python)),  # evaluated like the arguments
                   arguments=quote(_words(arguments)))


# -- launchd: macOS ---------------------------------------------------------------------------

_LAUNCHD = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- Put this into {where}, then:
       launchctl enable {domain}/dlserv
       launchctl bootstrap {domain} {where} -->
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key><string>dlserv</string>
  <key>ProgramArguments</key>
  <array>
{words}
  </array>
{more}  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
  <key>ThrottleInterval</key><integer>10</integer>
  <key>ProcessType</key><string>Background</string>
</dict>
</plist>
"""


def _launchd(machine):
    for_user = machine.for_user
    more = {} if for_user else {"UserName": machine.user}
    for folder in (machine.state_dir, os.path.expanduser("~/Library/Logs")):
        if os.path.isdir(folder):
            more["StandardErrorPath"] = os.path.join(folder, "dlserv.log")
    return _LAUNCHD.format(
        where="~/Library/LaunchAgents/dlserv.plist" if for_user else "/Library/LaunchDaemons/dlserv.plist",
        domain="gui/$(id -u)" if for_user else "system",
        words="\n".join(f"    <string>{escape(word)}</string>" for word in machine.command),
        more="".join(f"  <key>{key}</key><string>{escape(value)}</string>\n" for key, value in more.items()))


# -- runit: Void, Termux ------------------------------------------------------------------------

_RUNIT = """\
#!/bin/sh
# Put this into /etc/sv/dlserv/run (Termux: $PREFIX/var/service/dlserv/run), then:
#   chmod +x /etc/sv/dlserv/run
#   ln -s /etc/sv/dlserv /var/service/    (Termux: sv-enable dlserv)
exec 2>&1
{make}set -- {command}
if [ "$(id -u)" != {uid} ]; then
\texec chpst -u {user} "$@"
fi
exec "$@"
"""


def _runit(machine):
    return _script(_RUNIT, machine)


# -- docker, podman ---------------------------------------------------------------------------

_DOCKER = """\
# Put this into a file named Containerfile, then, in its folder:
#   {build}
#   docker run -d --name dlserv -p {port}:{port} --mount {mount} -v dlserv-state:/state dlserv
# Its token is in the output of `docker logs dlserv`, once. Settings are variables: docker run -e DLSERV_...
FROM python:3-alpine
{copy}
RUN mkdir /downloads /state && chown {uid}:{gid} /downloads /state
USER {uid}:{gid}
VOLUME ["/downloads", "/state"]
ENV DLSERV_HOST=0.0.0.0 DLSERV_PORT={port} DLSERV_DOWNLOAD_DIR=/downloads STATE_DIRECTORY=/state
EXPOSE {port}
HEALTHCHECK CMD {check}
ENTRYPOINT {entrypoint}
"""
_CHECK = ("import http.client, os, sys; "
          "c = http.client.HTTPConnection('127.0.0.1', int(os.environ['DLSERV_PORT']), timeout=10); "
          "c.request('GET', '/health'); sys.exit(c.getresponse().status != 200)")


def _docker(machine):
    if machine.folder is None:
        prepare, context = f"cp {quote(machine.program)} dlserv.pyz && ", "."
        copy, program = "COPY dlserv.pyz /opt/dlserv.pyz", ["/opt/dlserv.pyz"]
    else:
        prepare, context = "", machine.folder
        copy, program = "COPY dlserv /opt/dlserv/dlserv\nENV PYTHONPATH=/opt/dlserv", ["-m", "dlserv"]
    if machine.download_dir in machine.missing:
        prepare = f"mkdir -p {quote(machine.download_dir)} && {prepare}"
    return _DOCKER.format(build=f"{prepare}docker build -t dlserv -f Containerfile {quote(context)}", copy=copy,
                          port=machine.port, mount=_mount(machine.download_dir),
                          uid=machine.uid or 1000, gid=machine.gid or 1000,
                          check=json.dumps(["python3", "-c", _CHECK]),
                          entrypoint=json.dumps(["python3"] + program))


def _mount(path):
    """Return the value of --mount, a line of CSV, for a shell."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(["type=bind", "source=" + path, "target=/downloads"])
    return quote(line.getvalue())


# -- Synology -----------------------------------------------------------------------------------

_SYNOLOGY = """\
# Control Panel > Task Scheduler > Create > Triggered Task > User-defined script, then:
#   General: task "dlserv", user "{user}", event "Boot-up"
#   Task Settings: paste this as the script; press OK, select the task and press Run
{make}exec {command}
"""


def _synology(machine):
    return _script(_SYNOLOGY, machine, user=machine.user)


KINDS = {"systemd": systemd.unit_file, "procd": _procd, "openrc": _openrc, "launchd": _launchd,
         "runit": _runit, "docker": _docker, "synology": _synology}
