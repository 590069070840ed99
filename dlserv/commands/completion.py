"""completion: the commands' table, as bash, zsh and fish want it.

The shells ask `dlserv list` for tids and file names. These come from servers, so they are
only ever compared and quoted, never expanded.
"""

from argparse import SUPPRESS

from ..contract import STATES
from ..settings import options as task_options
from ..settings.config import TABLES
from .catalogue import COMMANDS
from .parser import ANYWHERE, HELP, VERSION
from .serving import CONNECTION

PROGRAMS = "dlserv dlserv.py dlserv.pyz"
_REPEATED = ("--header", "--mirror", "--option", "--accept", "--reject")
WORDS = "all failed " + " ".join(STATES)


def completion(options, terminals):
    terminals[0].write({"bash": _bash, "zsh": _zsh, "fish": _fish}[options.shell]())
    return 0


def _arguments(command):
    own = command.arguments + (CONNECTION if command.needs_daemon else ())
    return [each for each in own if each.options["help"] != SUPPRESS] + [HELP]


def _flagged(command):
    return [each for each in _arguments(command) if not each.is_positional]


def _positional(command):
    return [each for each in _arguments(command) if each.is_positional]


def _words_of(argument):
    """Return the words that the argument's value is completed from, or None for tasks and files."""
    if argument.values in ("tasks", "files", "folders"):
        return None
    return {
        "commands": [command.name for command in COMMANDS],
        "settings": [f"{section}.{key}=" for section, table in TABLES.items() for key in table.fields],
        "options": [key + "=" for key in task_options.TABLE.fields] + ["url="],
    }.get(argument.values, list(argument.values))


# -- bash ---------------------------------------------------------------------------------

_BASH = r'''_dlserv_tasks() {
    local each
    COMPREPLY=($(compgen -W "%(words)s" -- "$1"))
    while IFS= read -r each; do
        [[ -n $each && $each == "$1"* ]] && COMPREPLY+=("$(printf %%q "$each")")
    done < <("${COMP_WORDS[0]}" list 2>/dev/null | cut -f1,6 | tr '\t' '\n')
}
_dlserv() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= index
    local IFS=$' \t\n'
    for ((index = 1; index < COMP_CWORD; index++)); do
        case "${COMP_WORDS[index]}" in
            %(valued)s) ((index++));;
            -*) ;;
            *) command=${COMP_WORDS[index]}; break;;
        esac
    done
    COMPREPLY=()
    case "$command $before" in
%(values)s
    esac
    case "$command $current" in
%(flags)s
    esac
    case "$command" in
        "") COMPREPLY=($(compgen -W "%(commands)s" -- "$current"));;
%(positional)s
    esac
    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
    return 0
}
complete -o default -F _dlserv %(programs)s'''


def _bash():
    values, flags = {}, [_bash_flags("", ANYWHERE + (HELP, VERSION))]
    for argument in filter(_takes_value, ANYWHERE):
        values.setdefault(_bash_values(argument), []).extend('" %s"' % flag for flag in argument.flags)
    for command in COMMANDS:
        for argument in filter(_takes_value, _flagged(command)):
            values.setdefault(_bash_values(argument), []).extend(
                '"%s %s"' % (command.name, flag) for flag in argument.flags)
        flags.append(_bash_flags(command.name, _flagged(command)))
    positional = ["        %s) %s;;" % (command.name, _bash_values(argument))
                  for command in COMMANDS for argument in _positional(command)[-1:]]
    return _BASH % {
        "words": WORDS, "programs": PROGRAMS, "commands": " ".join(command.name for command in COMMANDS),
        "valued": "|".join(_valued()),
        "values": "\n".join("        %s) %s; return;;" % ("|".join(patterns), reply)
                            for reply, patterns in values.items()),
        "flags": "\n".join(flags), "positional": "\n".join(positional)}


def _valued():
    """Return the flags with values that may stand before the command."""
    return [flag for each in filter(_takes_value, ANYWHERE) for flag in each.flags]


def _takes_value(argument):
    return argument.takes_value


def _bash_flags(name, arguments):
    words = " ".join(flag for argument in arguments for flag in argument.flags)
    return '        "%s -"*) COMPREPLY=($(compgen -W "%s" -- "$current")); return;;' % (name, words)


def _bash_values(argument):
    if argument.values == "tasks":
        return '_dlserv_tasks "$current"'
    words = _words_of(argument)
    if not words:
        return "COMPREPLY=()"       # readline's own, which quotes blanks
    return 'COMPREPLY=($(compgen -W "%s" -- "$current"))' % " ".join(words)


# -- zsh ----------------------------------------------------------------------------------

_ZSH = r'''#compdef %(programs)s
_dlserv_tasks() {
    local -a tasks
    tasks=(%(words)s ${(f)"$($service list 2>/dev/null | cut -f1,6 | tr '\t' '\n')"})
    compadd -a tasks
}
_dlserv() {
    local service=$words[1] curcontext=$curcontext state line
    local -a commands
    commands=(
%(commands)s
    )
    _arguments -C %(anywhere)s '1: :->command' '*:: :->rest'
    case $state in
        command) _describe command commands;;
        rest)
            case $words[1] in
%(cases)s
            esac;;
    esac
}
compdef _dlserv %(programs)s'''


def _zsh():
    described = [(command.name, command.help) for command in COMMANDS]
    cases = ["                %s) _arguments %s;;" % (command.name, " ".join(
        spec for argument in _arguments(command) for spec in _zsh_specs(argument))) for command in COMMANDS]
    anywhere = " ".join(spec for argument in ANYWHERE + (HELP, VERSION) for spec in _zsh_specs(argument))
    return _ZSH % {"programs": PROGRAMS, "words": WORDS, "cases": "\n".join(cases), "anywhere": anywhere,
                   "commands": "\n".join("        " + _quoted("%s:%s" % each) for each in described)}


def _zsh_specs(argument):
    """Return the specification of each of its flags."""
    value = ":%s:%s" % (argument.options.get("metavar", argument.flags[0]).strip("'").replace(":", ""),
                        _zsh_values(argument))
    help_text = "".join("\\" + char if char in "[]:" else char for char in argument.options["help"])
    if argument.is_positional:
        return [_quoted(("*" if argument.options.get("nargs") in ("*", "+") else "") + value)]
    again = "*" if "--" + argument.flags[0].strip("-") in _REPEATED else ""
    return [_quoted("%s%s[%s]%s" % (again, flag, help_text, value if argument.takes_value else ""))
            for flag in argument.flags]


def _zsh_values(argument):
    known = {"tasks": "_dlserv_tasks", "files": "_files", "folders": "_files -/"}
    words = _words_of(argument)
    if words is None:
        return known[argument.values]
    if words and words[0].endswith("="):        # the value follows at once
        return "{compadd -S \"\" -- %s}" % " ".join(words)
    return "(%s)" % " ".join(words) if words else " "


def _quoted(text):
    return "'%s'" % text.replace("'", "'\\''")


# -- fish ---------------------------------------------------------------------------------

_FISH = r'''complete -c dlserv -f
function __dlserv_is
    set -l words (commandline -opc)
    set -e words[1]
    while set -q words[1]
        switch $words[1]
            case %(valued)s
                set -e words[1]
            case '-*'
            case '*'
                break
        end
        set -e words[1]
    end
    test "$words[1]" = "$argv[1]"
end
function __dlserv_tasks
    printf '%%s\n' %(words)s
    dlserv list 2>/dev/null | while read -l -d \t tid state percent total speed name error
        printf '%%s\t%%s\n%%s\t%%s\n' $tid $name $name $state
    end
end'''


def _fish():
    lines = [_FISH % {"words": WORDS, "valued": " ".join(_valued())}]
    lines += ["complete -c dlserv -n \"__dlserv_is ''\" -a %s -d %s" % (command.name, _quoted(command.help))
              for command in COMMANDS]
    lines += ["complete -c dlserv -n \"__dlserv_is ''\"%s" % _fish_argument(each)
              for each in ANYWHERE + (HELP, VERSION)]
    for command in COMMANDS:
        lines += ["complete -c dlserv -n '__dlserv_is %s'%s" % (command.name, _fish_argument(each))
                  for each in _arguments(command) if not each.is_positional or each.values]
    return "\n".join(lines)


def _fish_argument(argument):
    flags = "".join(" -l " + flag[2:] if flag.startswith("--") else " -s " + flag[1:]
                    for flag in argument.flags if not argument.is_positional)
    needs = (" -r -F" if argument.values == "files" else " -x") if flags and argument.takes_value else ""
    return "%s%s%s%s" % (flags, needs, _fish_values(argument),
                         " -d " + _quoted(argument.options["help"]) if flags else "")


def _fish_values(argument):
    known = {"tasks": " -a '(__dlserv_tasks)'", "folders": " -a '(__fish_complete_directories)'", "files": ""}
    words = _words_of(argument)
    if words is None:
        return known[argument.values]
    return " -a '%s'" % " ".join(words) if words else ""
