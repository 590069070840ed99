"""The rows of the commands: the flags that people know, and no flag with two meanings."""

import pytest

from dlserv.commands import unit
from dlserv.commands.catalogue import COMMANDS, UNITS


@pytest.mark.parametrize("flags", [
    "-o -O -c -P -d -i -x -j -H -U -e -u -k --limit-rate --proxy --checksum --insecure --load-cookies --tries"
    " --timeout --mirror --overwrite --output --remote-name --output-document --directory-prefix --output-dir"
    " --input-file --continue --location --max-concurrent-downloads"])
def test_get_has_the_flags_that_people_know(flags):
    for command in COMMANDS:
        if command.name in ("get", "add"):
            own = {flag for argument in command.arguments for flag in argument.flags + argument.aliases}
            missing = set(flags.split()) - own
            assert missing <= {"-j", "--max-concurrent-downloads", "--overwrite"} and (
                not missing or command.name == "add")


def test_no_flag_means_two_things():
    for command in COMMANDS:
        flags = [flag for argument in command.arguments for flag in argument.flags + tuple(argument.aliases)]
        assert len(flags) == len(set(flags)), command.name


def test_the_kinds_of_unit_are_those_it_can_print():
    assert tuple(unit.KINDS) == UNITS
    assert [each.flags[0] for each in next(row for row in COMMANDS if row.name == "unit").arguments] == [
        "kind", "--user"]
