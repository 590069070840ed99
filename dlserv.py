#!/usr/bin/env python3
"""dlserv: run this file. It is the script, and the zip's __main__.py as well."""

import sys

from dlserv import zipped

if __name__ == "__main__":
    zipped.adopt(__loader__)
    from dlserv.cli import main
    sys.exit(main())
