"""completion: the commands' table, as bash, zsh and fish want it.

Names of tasks come from servers, so they are only ever compared and quoted, never expanded.
"""

from ..contract import STATES
from ..settings import options as task_options
from ..settings.config import TABLES
from .catalogue import COMMANDS
from .flags import ANYWHERE
from .parser import GENERAL, HELP, arguments_of

PROGRAMS = "dlserv dlserv.py dlserv.pyz"
_REPEATED = ("--header", "--mirror", "--option", "--accept", "--reject")
WORDS = "all failed " + " ".join(STATES)
# The flags with values that may stand before the command.
_VALUED = [flag for each in ANYWHERE if each.takes_value for flag in each.flags]


def completion(options, terminals):
    terminals[0].write({"bash": _bash, "zsh": _zsh, "fish": _fish}[options.shell]())
    return 0


def _commands():
    """Yield (name, its arguments) of each command, and of none."""
    yield "", GENERAL
    for command in COMMANDS:
        yield command.name, [each for each in arguments_of(command) if not each.is_hidden] + [HELP]


def _words_of(argument):
    return " ".join({
        "commands": [command.name for command in COMMANDS],
        "settings": [f"{section}.{key}=" for section, table in TABLES.items() for key in table.fields],
        "options": [key + "=" for key in task_options.TABLE.fields] + ["url="],
    }.get(argument.values, argument.values))


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
    values, flags, positional = {}, [], []
    for name, arguments in _commands():
        flagged = [each for each in arguments if not each.is_positional]
        for argument in flagged:
            if argument.takes_value:
                values.setdefault(_bash_values(argument), []).extend(f'"{name} {flag}"' for flag in argument.flags)
        words = " ".join(flag for argument in flagged for flag in argument.flags)
        flags.append(f'        "{name} -"*) COMPREPLY=($(compgen -W "{words}" -- "$current")); return;;')
        positional += [f"        {name}) {_bash_values(each)};;" for each in arguments if each.is_positional][-1:]
    return _BASH % {
        "words": WORDS, "programs": PROGRAMS, "commands": " ".join(command.name for command in COMMANDS),
        "valued": "|".join(_VALUED),
        "values": "\n".join("        %s) %s; return;;" % ("|".join(patterns), reply)
                            for reply, patterns in values.items()),
        "flags": "\n".join(flags), "positional": "\n".join(positional)}


def _bash_values(argument):
    if argument.values == "tasks":
        return '_dlserv_tasks "$current"'
    if argument.values in ("files", "folders", ()):
        return "COMPREPLY=()"       # readline's own, which quotes blanks
    return 'COMPREPLY=($(compgen -W "%s" -- "$current"))' % _words_of(argument)


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
    specs = {name: " ".join(_quoted(spec) for each in arguments for spec in _zsh_specs(each))
             for name, arguments in _commands()}
    return _ZSH % {
        "programs": PROGRAMS, "words": WORDS, "anywhere": specs.pop(""),
        "cases": "\n".join(f"                {name}) _arguments {text};;" for name, text in specs.items()),
        "commands": "\n".join("        " + _quoted(f"{each.name}:{each.help}") for each in COMMANDS)}


def _zsh_specs(argument):
    value = ":%s:%s" % (argument.options.get("metavar", argument.flags[0]).strip("'").replace(":", ""),
                        _zsh_values(argument))
    if argument.is_positional:
        return ["*" * (argument.options.get("nargs") in ("*", "+")) + value]
    help_text = "".join("\\" + char if char in "[]:" else char for char in argument.options["help"])
    again = "*" if "--" + argument.flags[0].strip("-") in _REPEATED else ""
    return [f"{again}{flag}[{help_text}]{value * argument.takes_value}" for flag in argument.flags]


def _zsh_values(argument):
    known = {"tasks": "_dlserv_tasks", "files": "_files", "folders": "_files -/", (): " "}
    if argument.values in known:
        return known[argument.values]
    words = _words_of(argument)     # behind a "=" the value follows at once
    return '{compadd -S "" -- %s}' % words if words.endswith("=") else f"({words})"


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
    lines = [_FISH % {"words": WORDS, "valued": " ".join(_VALUED)}]
    lines += ["complete -c dlserv -n \"__dlserv_is ''\" -a %s -d %s" % (command.name, _quoted(command.help))
              for command in COMMANDS]
    lines += [f"complete -c dlserv -n \"__dlserv_is '{name}'\"{_fish_argument(each)}"
              for name, arguments in _commands() for each in arguments if not each.is_positional or each.values]
    return "\n".join(lines)


def _fish_argument(argument):
    if argument.is_positional:
        return _fish_values(argument)
    flags = "".join(" -l " + flag[2:] if flag.startswith("--") else " -s " + flag[1:] for flag in argument.flags)
    if argument.takes_value:
        flags += " -r -F" if argument.values == "files" else " -x"
    return f"{flags}{_fish_values(argument)} -d {_quoted(argument.options['help'])}"


def _fish_values(argument):
    known = {"tasks": " -a '(__dlserv_tasks)'", "folders": " -a '(__fish_complete_directories)'",
             "files": "", (): ""}
    return known[argument.values] if argument.values in known else f" -a '{_words_of(argument)}'"
