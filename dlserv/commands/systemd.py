"""The unit file for systemd: a confined service of the system, or an unconfined one of a user.

Values are quoted as systemd.syntax(7) and systemd.unit(5) read them.
"""

import os

HOMES = ("/home", "/root", "/run/user")
TEMPORARY = ("/tmp", "/var/tmp")

# Neither ProcSubset=pid, which hides the boot's id and so costs a resumed download its last seconds,
# nor RemoveIPC=yes, which would take the shared memory of the user's other programs away.
_SYSTEM = """\
# Put this into /etc/systemd/system/dlserv.service, then:
#   systemctl daemon-reload
#   systemctl enable --now dlserv
[Unit]
Description=dlserv download daemon
After=network-online.target
Wants=network-online.target
RequiresMountsFor={mounts}

[Service]
{start}
User={user}
{more}
# The daemon and its hooks may write to these folders only.
{access}
ProtectSystem=strict
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
CapabilityBoundingSet=
AmbientCapabilities=
{confined}

[Install]
WantedBy=multi-user.target
"""
_USER = """\
# Put this into ~/.config/systemd/user/dlserv.service, then:
#   systemctl --user daemon-reload && loginctl enable-linger
#   systemctl --user enable --now dlserv
[Unit]
Description=dlserv download daemon
RequiresMountsFor={mounts}

[Service]
{start}

{confined}

[Install]
WantedBy=default.target
"""
_START = """\
Type=notify
ExecStart={command}
ExecReload=kill -HUP $MAINPID
Restart=on-failure
WatchdogSec=120
TimeoutStartSec=600
TimeoutStopSec=30
UMask=0027
LimitNOFILE=8192"""
_CONFINED = """\
LockPersonality=yes
MemoryDenyWriteExecute=yes
NoNewPrivileges=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM"""


def unit_file(machine):
    """Return the unit of the system, or of the user."""
    facts = {"mounts": _words(machine.writable), "confined": _CONFINED}
    if machine.for_user:
        return _USER.format(start=_START.format(command=_command(machine.command)), **facts)
    owned, more = list(_owned(machine)), []
    if machine.token_file:          # which only root need be able to read
        more.append("LoadCredential=token:" + machine.token_file.replace("%", "%%"))
    more += [f"{setting}={name}" for setting, name, _ in owned]
    made = [path for _, _, path in owned]
    more += ["ExecStartPre=+" + _maker(machine, path) for path in machine.missing if path not in made]
    return _SYSTEM.format(start=_START.format(command=_command(machine.start)), user=machine.user,
                          more="".join(each + "\n" for each in more), access=_access(machine), **facts)


def _words(words):
    return " ".join(map(_quoted, words))


def _quoted(word):
    word = word.replace("\\", "\\\\").replace("%", "%%").replace('"', '\\"')
    return f'"{word}"' if any(char in word for char in " \t\"'\\;#") else word


def _command(words):
    """Return the command line, in which nothing is a variable."""
    if any(char in words[0] for char in "\\\"'$"):        # which systemd refuses in the name of a program
        words = ["/bin/sh", "-c", 'exec "$@"', "sh"] + words
    return _words(words).replace("$", "$$")


def _below(path, folders):
    return any(path == each or path.startswith(each + "/") for each in folders)


def _owned(machine):
    """Yield (setting, name, path) of folders that systemd creates."""
    for setting, root in (("StateDirectory", "/var/lib/"), ("RuntimeDirectory", "/run/")):
        for path in machine.writable:
            name = path[len(root):]
            if path.startswith(root) and not _below(path, HOMES) and name.replace("-", "").isalnum():
                yield setting, name, path


def _maker(machine, path):
    """Return the command that makes the folder, as the user where that is allowed."""
    above = os.path.dirname(path)
    while not os.path.isdir(above):
        above = os.path.dirname(above)
    if machine.uid and machine.uid == os.geteuid() and os.access(above, os.W_OK):
        return _command(["runuser", "-u", machine.user, "--", "mkdir", "-p", path])
    return _command(["install", "-d", "-o", machine.user, path])


def _access(machine):
    temporary = [path for path in machine.writable if _below(path, TEMPORARY)]
    others = [path for path in machine.writable if path not in temporary]
    hidden = [path for path in dict.fromkeys(machine.readable) if _below(path, TEMPORARY)]
    at_home = any(_below(path, HOMES) for path in others + machine.readable + [machine.python])
    lines = [f"{name}={_words(paths)}" for name, paths in (
        ("ReadWritePaths", others), ("BindPaths", temporary), ("BindReadOnlyPaths", hidden)) if paths]
    return "\n".join(lines + ["ProtectHome=" + ("read-only" if at_home else "yes")])
