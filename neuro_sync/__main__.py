"""``python -m neuro_sync``: a small command line to try the package with."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
