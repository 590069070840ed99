#!/usr/bin/env python3
"""dlserv: run this file. It is the script, and the zip's __main__.py as well."""

import sys

from dlserv.cli import main

if __name__ == "__main__":
    sys.exit(main())
