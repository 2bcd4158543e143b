"""What is shown at a terminal, whoever wrote it and whatever becomes of it."""

import os
import sys

from ..wire.texts import printable

__all__ = ["prepare_streams", "report"]


def prepare_streams() -> None:
    """Make the standard streams fit for use.

    One that was closed by who started us is as good as the null device; what standard output has no
    character for is escaped, as standard error does. Bytes that go to its buffer stay as they are.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def report(message: object) -> None:
    """Say on standard error what went wrong; its lines stay lines."""
    print("\n".join(map(printable, str(message).split("\n"))), file=sys.stderr)
