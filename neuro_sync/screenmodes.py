"""Which modes of a terminal a program has changed, and what undoes it.

A full-screen program clears up after itself when it ends. One that is left running, or whose connection
is lost, does not: without this, the user's shell would come back on another screen, without a
cursor, or with a mouse that types.
"""

import re
from typing import Dict

__all__ = ["ScreenModes"]

# DEC private modes that are on in a terminal that nobody has changed: lines wrap, the cursor is seen.
_ON = frozenset({"7", "25"})
# Switching back from one of these brings the user's own screen and the place of the cursor.
_OTHER_SCREENS = ("47", "1047", "1049")
_SEQUENCE = re.compile(
    rb"\x1b\[\?(?P<modes>[0-9;]+)(?P<set>[hl])"
    rb"|\x1b\[(?P<region>[0-9;]*)r"
    rb"|\x1b\[(?P<style>[0-9;:]*)m"
    rb"|\x1b(?P<keypad>[=>])"
    rb"|\x1b\((?P<charset>[0-9A-Za-z])"
    rb"|\x1b(?P<reset>c)"
)
# An escape sequence that has not come to its end yet.
_UNFINISHED = re.compile(rb"\x1b(?:[(\[][0-9;:?]{0,64})?\Z")


class ScreenModes:
    """Reads what a program writes to the terminal, however it is split."""

    def __init__(self) -> None:
        self._held = b""
        self._forget()

    def _forget(self) -> None:
        self._modes: Dict[str, bool] = {}
        self._region = self._style = self._keypad = self._charset = False

    def feed(self, data: bytes) -> None:
        """Take note of a piece of output."""
        data = self._held + data
        for found in _SEQUENCE.finditer(data):
            kind = found.lastgroup
            if kind == "set":
                for mode in found.group("modes").decode().split(";"):
                    self._modes[mode] = found.group("set") == b"h"
            elif kind == "region":
                self._region = found.group("region") not in (b"", b";")
            elif kind == "style":
                self._style = found.group("style") not in (b"", b"0")
            elif kind == "keypad":
                self._keypad = found.group("keypad") == b"="
            elif kind == "charset":
                self._charset = found.group("charset") != b"B"
            else:
                self._forget()
        unfinished = _UNFINISHED.search(data)
        self._held = unfinished.group() if unfinished else b""

    def undo(self) -> bytes:
        """What to write so that the terminal is as it was."""
        parts = []
        if self._region:
            # Setting it moves the cursor, so its place is kept.
            parts.append("\x1b7\x1b[r\x1b8")
        if self._charset:
            parts.append("\x1b(B")
        if self._keypad:
            parts.append("\x1b>")
        if self._style:
            parts.append("\x1b[0m")
        changed = [mode for mode, is_on in self._modes.items() if is_on != (mode in _ON)]
        changed.sort(key=lambda mode: mode in _OTHER_SCREENS)
        parts += ["\x1b[?{}{}".format(mode, "h" if mode in _ON else "l") for mode in changed]
        self._forget()
        return "".join(parts).encode()
