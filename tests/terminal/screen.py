"""A program at a terminal: a pty that it runs in, and an emulator that knows what a person would see."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

import pyte

__all__ = ["Terminal"]

PATIENCE = 30.0
_SLICE = 0.05


class Terminal:
    """Runs a program with a pty as its controlling terminal; ``until`` waits for what it shows.

    Reading goes on in ``until`` and ``wait`` alone, so a test sees each state of the screen that it
    waits for, and no thread is needed.
    """

    def __init__(self, command, *, lines=24, columns=80, env=None):
        self.master, self.slave = pty.openpty()
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.resize(lines, columns)
        self.settings_before = termios.tcgetattr(self.slave)
        # A session leader that opens a terminal gets it as its controlling one.
        self.process = subprocess.Popen(
            ["sh", "-c", 'exec "$@" <>"$0" >&0 2>&0', os.ttyname(self.slave), *command],
            start_new_session=True,
            env=dict(os.environ, TERM="linux", **(env or {})),
        )

    def resize(self, lines, columns):
        """What the window of a terminal does when it is resized."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen.resize(lines, columns)

    def type(self, keys):
        os.write(self.master, keys)

    @property
    def text(self):
        """What is on the screen, without the blanks at its right and its lower end."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def until(self, condition):
        """Read until a text is on the screen, or a condition of this object holds."""
        deadline = time.monotonic() + PATIENCE
        while not self._holds(condition):
            # In slices: a condition may come true without any output.
            if not self._read(_SLICE) and time.monotonic() > deadline:
                raise AssertionError(
                    "{!r} did not come; the screen shows:\n{}".format(condition, self.text)
                )
        return self

    def wait(self):
        """The exit code of the program, after all that it wrote was read."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                raise AssertionError("it did not end; the screen shows:\n" + self.text)
            self._read(_SLICE)
        while self._read(0):
            pass
        return self.process.returncode

    @property
    def is_whole(self):
        """The settings of the terminal are those of before."""
        return termios.tcgetattr(self.slave) == self.settings_before

    @property
    def is_raw(self):
        """Keys go to the program as they are."""
        return not termios.tcgetattr(self.slave)[3] & termios.ICANON

    def hang_up(self):
        """The window is closed."""
        os.close(self.slave)
        os.close(self.master)
        self.master = self.slave = None

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.master is not None:
            self.hang_up()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def _holds(self, condition):
        return condition(self) if callable(condition) else condition in self.text

    def _read(self, seconds):
        """Feed the emulator with the next piece of output; False: there was none in time."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        data = os.read(self.master, 65536)
        self.raw += data
        self._stream.feed(data)
        return True
