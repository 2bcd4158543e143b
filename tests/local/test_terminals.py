"""The master side of a terminal."""

import errno
import os

import pytest

from neuro_sync.local import terminals
from neuro_sync.local.terminals import open_terminal, read_terminal


@pytest.fixture
def kernel(monkeypatch):
    """What the kernel answers to reads, one after the other."""

    def kernel(*answers):
        left = list(answers)

        def read(file, size):
            answer = left.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(terminals.os, "read", read)

    return kernel


def end():
    return OSError(errno.EIO, "Input/output error")


def test_what_is_handed_over_behind_the_end_is_read(kernel):
    kernel(b"first", end(), b"the rest", end(), end())
    assert [read_terminal(0, 100) for _ in range(3)] == [b"first", b"the rest", b""]


def test_nothing_at_the_moment_is_not_the_end(kernel):
    kernel(BlockingIOError(), end(), BlockingIOError())
    for _ in range(2):
        with pytest.raises(BlockingIOError):
            read_terminal(0, 100)


def test_other_errors_are_told(kernel):
    kernel(OSError(errno.EBADF, "Bad file descriptor"))
    with pytest.raises(OSError, match="Bad file"):
        read_terminal(0, 100)


def test_a_terminal_that_nobody_has_open_is_read_to_its_end():
    master, slave = open_terminal()
    os.write(slave, b"last words\n")
    os.close(slave)
    try:
        assert read_terminal(master, 100) == b"last words\r\n"
        assert read_terminal(master, 100) == b""
    finally:
        os.close(master)
