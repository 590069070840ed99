"""The manual page: complete, and clean roff."""

import shutil
from argparse import SUPPRESS
import subprocess

import pytest

from dlserv.commands.catalogue import COMMANDS
from dlserv.settings import options
from dlserv.settings.config import TABLES


def test_it_has_every_command_flag_setting_and_option(run):
    code, out, err = run("man")
    text = out.replace("\\-", "-").replace("\\(aq", "'")
    assert (code, err) == (0, "") and text.startswith(".TH DLSERV 1 ")
    words = ["dlserv " + command.name for command in COMMANDS]
    words += [flag for command in COMMANDS for argument in command.arguments for flag in argument.flags
              if argument.options["help"] != SUPPRESS and not argument.is_positional]
    words += ["%s.%s" % (section, key) for section, table in TABLES.items() for key in table.fields]
    words += list(options.TABLE.fields) + ["DLSERV_TOKEN", "NO_COLOR", "EXIT STATUS"]
    missing = [word for word in words if word not in text]
    assert not missing


@pytest.mark.parametrize("width", [60, 78, 120])
def test_groff_has_nothing_to_say_about_it(run, width):
    if shutil.which("groff") is None:
        pytest.skip("there is no groff here: the manual was NOT formatted")
    done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-P-cbou", "-rLL=%dn" % width],
                          input=run("man")[1].encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    assert "--limit-rate" in text and "~/.config/dlserv/config.json" in text and "'N: V'" in text
