"""Ctrl-C at a place that a test chooses."""

import sys

__all__ = ["CtrlC"]


class CtrlC:
    """Interrupts this thread right behind a call of a module into C, where Python looks for signals.

    Args:
        module: whose calls.
        behind: which one, counted from 1.
    """

    def __init__(self, module, behind):
        self._file = module.__file__
        self._left = behind

    @property
    def pressed(self):
        return self._left <= 0

    def __enter__(self):
        self._before = sys.getprofile()
        sys.setprofile(self._event)
        return self

    def __exit__(self, *exc_info):
        sys.setprofile(self._before)

    def _event(self, frame, event, argument):
        if event == "c_return" and frame.f_code.co_filename == self._file:
            self._left -= 1
            if self._left == 0:
                raise KeyboardInterrupt
