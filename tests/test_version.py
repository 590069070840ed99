"""The version is one fact, which the package, the command and the requests tell."""

import re

import dlserv
from dlserv import version
from dlserv.settings.config import Config


def test_the_version_is_told_everywhere():
    assert re.fullmatch(r"\d+\.\d+(\.\d+)?", version.__version__)
    assert dlserv.__version__ == version.__version__
    assert Config.parse({}).download.user_agent == "dlserv/" + version.__version__
