#!/usr/bin/env python3
"""Run the whole service with one command: `python3 run.py` (see `--help`); test it: `python3 run.py test`."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older Python must reach this message, not a SyntaxError
    sys.exit("run.py needs Python 3.11 or newer; this is %d.%d." % sys.version_info[:2])  # noqa: UP031

from launcher.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
