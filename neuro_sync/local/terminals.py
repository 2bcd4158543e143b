"""The terminals of jobs and commands, seen from the side that a person would sit at: the master side."""

import errno
import fcntl
import os
import pty
import struct
import termios
from typing import Tuple

__all__ = ["open_terminal", "read_terminal", "resize_terminal"]


def open_terminal(height: int = 24, width: int = 80) -> Tuple[int, int]:
    """A new terminal: its master (non-blocking) and slave side."""
    master, slave = pty.openpty()
    resize_terminal(master, height, width)
    os.set_blocking(master, False)
    return master, slave


def resize_terminal(file: int, height: int, width: int) -> None:
    """Sets the size of a terminal; the programs in it get SIGWINCH."""
    fcntl.ioctl(file, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))


def read_terminal(master: int, size: int) -> bytes:
    """What has been printed; b"" once nobody has the terminal open and all of it was read.

    Raises:
        BlockingIOError: there is nothing at the moment.
    """
    # Linux says now and then that it is the end while the last of what was printed is still on its way. Who asks
    # again waits for that inside the kernel.
    return _read(master, size) or _read(master, size)


def _read(master: int, size: int) -> bytes:
    try:
        return os.read(master, size)
    except OSError as error:
        if error.errno != errno.EIO:  # which is how a terminal says that nobody has it open
            raise
        return b""
