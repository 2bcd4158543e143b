"""The command line: ``python -m neuro_sync``.

For trying the package and for finding out what is wrong with a login. ``parser`` reads the words,
``commands`` has a function for each, ``doctor`` the checks.
"""

from .parser import main

__all__ = ["main"]
