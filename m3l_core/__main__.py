"""Runs the command line as `python -m m3l_core`."""

import sys

from m3l_core.cli import main

if __name__ == '__main__':
    sys.exit(main())
