"""Makes this terminal the terminal of a command in a job."""

import errno
import os
import select
import signal
import sys
import threading
import time
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Iterator, List, Optional, Tuple

from .errors import StdStreamError, StreamClosed
from .screenmodes import ScreenModes

if TYPE_CHECKING:
    from .streams.std import StdStream

__all__ = ["NOT_RUN", "DetachKeys", "interact", "require_terminal"]

# Ctrl-P Ctrl-Q, as docker has it.
_FIRST, _SECOND = b"\x10", b"\x11"
# What a shell says of a command that could not be run: there was nobody to tell why.
NOT_RUN = (126, 127)
# How often the size of the terminal is looked at, in seconds. SIGWINCH would tell it too, but only in the
# main thread, and only by taking the place of a handler that the program may have.
_SIZE_CHECK = 0.25
# For so many seconds a Ctrl-P waits for the Ctrl-Q; then it is a key like others, as shells use it.
_KEY_PATIENCE = 1.0
_CHUNK = 32 * 1024


class DetachKeys:
    """Finds Ctrl-P Ctrl-Q in what is typed, however it is split."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, typed: bytes) -> Tuple[bytes, bool]:
        """Returns what goes on to the job, and whether the keys were pressed."""
        data = self._held + typed
        self._held = b""
        before, keys, _ = data.partition(_FIRST + _SECOND)
        if keys:
            return before, True
        if data.endswith(_FIRST):
            # Perhaps the first half: the next key decides.
            self._held = _FIRST
            data = data[:-1]
        return data, False

    def release(self) -> bytes:
        """What was held back and is to go to the job after all."""
        held, self._held = self._held, b""
        return held


def require_terminal() -> None:
    """Raise OSError where standard input or output is no terminal."""
    for name, stream in (("input", sys.stdin), ("output", sys.stdout)):
        if stream is None or not stream.isatty():
            raise OSError(
                errno.ENOTTY, "standard {} is not a terminal; use exec_run() instead".format(name)
            )


def interact(stream: "StdStream", *, tty: bool) -> Optional[int]:
    """Connect this terminal to a stream until the command ends or Ctrl-P Ctrl-Q is pressed.

    The terminal is as before afterwards, whatever happens.

    Args:
        stream: with stdin and stdout connected, and stderr where there is no tty.
        tty: the other side is a terminal: this one goes into raw mode, so that each key, Ctrl-C
            included, reaches the command, and its size is passed on. Without, Ctrl-C ends it here.

    Returns:
        The exit code of the command, or None where the keys were pressed.

    Raises:
        ConnectionFailed: the connection was lost.
    """
    sys.stdout.flush()  # what follows goes past its buffer
    keyboard, screen = sys.stdin.fileno(), sys.stdout.fileno()
    with _raw_mode(keyboard) if tty else _as_it_is():
        pump = _OutputPump(stream, screen, sys.stderr.fileno())
        finished = False
        try:
            detached = _send_keys(stream, keyboard, screen if tty else None, pump)
            finished = not detached
        finally:
            stream.close()
            pump.finish()
            if tty:
                _clear_up(screen, pump.modes, finished and pump.error is None)
    if pump.error is not None:
        raise pump.error
    return None if detached else stream.exit_code


class _OutputPump:
    """Writes what comes to the screen, in a thread, and tells when it has ended."""

    def __init__(self, stream: "StdStream", stdout: int, stderr: int) -> None:
        self.error: Optional[BaseException] = None
        self.modes = ScreenModes()
        self._stream = stream
        self._fds = {1: stdout, 2: stderr}
        self.ended, self._end = os.pipe()
        self._thread = threading.Thread(target=self._run, name="neuro_sync-screen", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while True:
                message = self._stream.read_out()
                if message is None:
                    break
                self.modes.feed(message.data)
                _write_all(self._fds.get(message.fileno, self._fds[1]), message.data)
        except StdStreamError as error:
            # Its exit code is the result.
            if error.exit_code in NOT_RUN:
                _write_all(self._fds[2], "{}\r\n".format(error).encode("utf-8", "replace"))
        except BaseException as error:
            self.error = error  # raised by interact(), in the caller's thread
        finally:
            os.close(self._end)

    def finish(self) -> None:
        self._thread.join()
        os.close(self.ended)


def _send_keys(
    stream: "StdStream", keyboard: int, screen: Optional[int], pump: _OutputPump
) -> bool:
    """Pass on keys and sizes until the output ends (False) or the user leaves (True)."""
    keys = DetachKeys()
    size: Optional[Tuple[int, int]] = None
    watched: List[int] = [keyboard, pump.ended]
    typed_at = 0.0
    try:
        while True:
            if screen is not None:
                now = os.get_terminal_size(screen)
                if size != (now.lines, now.columns):
                    size = (now.lines, now.columns)
                    stream.resize(*size)
            ready, _, _ = select.select(watched, [], [], _SIZE_CHECK)
            if pump.ended in ready:
                return False
            if keyboard in ready:
                typed, typed_at = os.read(keyboard, _CHUNK), time.monotonic()
                if not typed:
                    # Ctrl-D in a line, or the end of the terminal. The protocol has no end of
                    # file to pass on: go on listening.
                    watched.remove(keyboard)
                data, leave = keys.feed(typed)
                if data:
                    stream.write_in(data)
                if leave:
                    return True
            elif time.monotonic() - typed_at >= _KEY_PATIENCE:
                held = keys.release()
                if held:
                    stream.write_in(held)
    except StreamClosed:
        # The command ended while a key or a size was under way: the rest of its output, and how it
        # ended, are still to come.
        select.select([pump.ended], [], [])
        return False


def _clear_up(screen: int, modes: ScreenModes, finished: bool) -> None:
    """Undo what the command did to the terminal; where it was left behind, begin a line too."""
    try:
        _write_all(screen, modes.undo() + (b"" if finished else b"\r\n"))
    except OSError as error:
        if error.errno != errno.EIO:  # the terminal was closed: there is nothing to clear up
            raise


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


@contextmanager
def _raw_mode(fd: int) -> Iterator[None]:
    import termios
    import tty

    before = termios.tcgetattr(fd)
    with _signals_as_exits():
        try:
            # Not TCSAFLUSH, which would throw away what was typed ahead.
            tty.setraw(fd, termios.TCSADRAIN)
            yield
        finally:
            try:
                termios.tcsetattr(fd, termios.TCSAFLUSH, before)
            except termios.error as error:
                if error.args[0] != errno.EIO:  # the terminal was closed
                    raise


@contextmanager
def _signals_as_exits() -> Iterator[None]:
    """Let signals that would end this process at once end it through the ``finally`` blocks."""

    def leave(number: int, frame: Optional[FrameType]) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    taken = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is signal.SIG_DFL
    ]
    for number in taken:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
