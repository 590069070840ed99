"""completion: the commands' table, as bash, zsh and fish want it."""

from ..client.rest import STATES
from .table import COMMANDS, CONNECTION

PROGRAMS = "dlserv dlserv.py dlserv.pyz"
SERVE = ("serve", "run the daemon")


def completion(options, terminals):
    terminals[0].write({"bash": _bash, "zsh": _zsh, "fish": _fish}[options.shell]())
    return 0


def _arguments(command):
    return command.arguments + (CONNECTION if command.needs_daemon else ())


def _flagged(command):
    """Its arguments that have flags."""
    return [each for each in _arguments(command) if each.flags[0].startswith("-")]


def _positional(command):
    return [each for each in _arguments(command) if not each.flags[0].startswith("-")]


def _takes_value(argument):
    return argument.options.get("action") != "store_true"


# -- bash ---------------------------------------------------------------------------------

_BASH = r'''_dlserv_tasks() {
    compgen -W "all %(states)s $("${COMP_WORDS[0]}" list 2>/dev/null | cut -f1)" -- "$1"
}
_dlserv() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
    local IFS=$' \t\n'
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "%(commands)s" -- "$current"))
        return
    fi
    case "${COMP_WORDS[1]} $before" in
%(values)s
    esac
    case "${COMP_WORDS[1]} $current" in
%(flags)s
    esac
    case "${COMP_WORDS[1]}" in
%(positional)s
    esac
}
complete -o default -F _dlserv %(programs)s'''


def _bash():
    values, flags, positional = {}, [], []
    for command in COMMANDS:
        for argument in filter(_takes_value, _flagged(command)):
            values.setdefault(_bash_values(argument), []).extend(
                '"%s %s"' % (command.name, flag) for flag in argument.flags)
        words = " ".join(flag for argument in _flagged(command) for flag in argument.flags)
        flags.append('        "%s -"*) COMPREPLY=($(compgen -W "%s --help" -- "$current")); return;;'
                     % (command.name, words))
        positional += ["        %s) %s;;" % (command.name, _bash_values(argument))
                       for argument in _positional(command)[-1:]]
    return _BASH % {"states": " ".join(STATES), "commands": " ".join(_names()), "values": "\n".join(
        "        %s) %s; return;;" % ("|".join(patterns), reply) for reply, patterns in values.items()),
                    "flags": "\n".join(flags), "positional": "\n".join(positional), "programs": PROGRAMS}


def _bash_values(argument):
    if argument.values == "tasks":
        return 'COMPREPLY=($(_dlserv_tasks "$current"))'
    if not argument.values or argument.values in ("files", "folders"):
        return "COMPREPLY=()"       # readline's own, which quotes blanks
    return 'COMPREPLY=($(compgen -W "%s" -- "$current"))' % " ".join(argument.values)


def _names():
    return [SERVE[0]] + [command.name for command in COMMANDS]


# -- zsh ----------------------------------------------------------------------------------

_ZSH = r'''#compdef %(programs)s
_dlserv_tasks() {
    local -a tasks
    tasks=(all %(states)s ${(f)"$($service list 2>/dev/null | cut -f1)"})
    compadd -a tasks
}
_dlserv() {
    local service=$words[1] command=$words[2]
    local -a commands
    commands=(
%(commands)s
    )
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    shift words
    (( CURRENT-- ))
    case $command in
%(cases)s
    esac
}
compdef _dlserv %(programs)s'''


def _zsh():
    described = [SERVE] + [(command.name, command.help) for command in COMMANDS]
    cases = ["        %s) _arguments %s;;" % (command.name, " ".join(
        spec for argument in _arguments(command) for spec in _zsh_specs(argument))) for command in COMMANDS]
    return _ZSH % {"programs": PROGRAMS, "states": " ".join(STATES), "cases": "\n".join(cases),
                   "commands": "\n".join("        " + _quoted("%s:%s" % each) for each in described)}


def _zsh_specs(argument):
    """One for each of its flags."""
    value = ":%s:%s" % (argument.options.get("metavar", argument.flags[0]).strip("'").replace(":", ""),
                        _zsh_values(argument))
    help_text = "".join("\\" + char if char in "[]:" else char for char in argument.options["help"])
    if not argument.flags[0].startswith("-"):
        return [_quoted(("*" if "nargs" in argument.options else "") + value)]
    again = "*" if argument.options.get("action") == "append" else ""
    return [_quoted("%s%s[%s]%s" % (again, flag, help_text, value if _takes_value(argument) else ""))
            for flag in argument.flags]


def _zsh_values(argument):
    known = {"tasks": "_dlserv_tasks", "files": "_files", "folders": "_files -/", (): " "}
    return known.get(argument.values) or "(%s)" % " ".join(argument.values)


def _quoted(text):
    return "'%s'" % text.replace("'", "'\\''")


# -- fish ---------------------------------------------------------------------------------

def _fish():
    lines = ["complete -c dlserv -f",
             "function __dlserv_tasks; printf '%%s\\n' all %s; dlserv list 2>/dev/null | cut -f1,6; end"
             % " ".join(STATES)]
    lines += ["complete -c dlserv -n __fish_use_subcommand -a %s -d %s" % (name, _quoted(text))
              for name, text in [SERVE] + [(command.name, command.help) for command in COMMANDS]]
    for command in COMMANDS:
        lines += ["complete -c dlserv -n '__fish_seen_subcommand_from %s'%s"
                  % (command.name, _fish_argument(each))
                  for each in _arguments(command) if each.flags[0].startswith("-") or each.values]
    return "\n".join(lines)


def _fish_argument(argument):
    flags = "".join(" -l " + flag[2:] if flag.startswith("--") else " -s " + flag[1:]
                    for flag in argument.flags if flag.startswith("-"))
    known = {"tasks": " -a '(__dlserv_tasks)'", "folders": " -a '(__fish_complete_directories)'",
             "files": "", (): ""}
    values = known.get(argument.values)
    if values is None:
        values = " -a '%s'" % " ".join(argument.values)
    needs = (" -r -F" if argument.values == "files" else " -x") if flags and _takes_value(argument) else ""
    return "%s%s%s%s" % (flags, needs, values, " -d " + _quoted(argument.options["help"]) if flags else "")
