"""Pipes and terminals read and written from the event loop."""

import asyncio
import os
from typing import Optional

from .terminals import read_terminal

__all__ = ["PipeReader", "PipeWriter"]

_READ_SIZE = 256 * 1024
_LAST_WORDS = 0.5  # seconds that a terminal may take to hand over what was written before its end


class PipeReader:
    """Reads a non-blocking file until its end.

    Args:
        file: closed by `close`.
        tty: it is the master side of a terminal.
    """

    def __init__(self, file: int, *, tty: bool = False) -> None:
        self._file = file
        self._tty = tty
        self._ending = False
        self._waiting: "Optional[asyncio.Future[None]]" = None

    async def read(self) -> bytes:
        """What is there, as soon as there is something; b"" at the end."""
        while True:
            data = self._read_now()
            if data is not None:
                return data
            if self._ending:
                return b""
            await self._readable()

    def _read_now(self) -> Optional[bytes]:
        read = read_terminal if self._tty else os.read
        try:
            return read(self._file, _READ_SIZE)
        except BlockingIOError:
            return None

    async def _readable(self) -> None:
        loop = asyncio.get_event_loop()
        self._waiting = loop.create_future()
        loop.add_reader(self._file, self._wake)
        try:
            await self._waiting
        finally:
            loop.remove_reader(self._file)
            self._waiting = None

    def _wake(self) -> None:
        if self._waiting is not None:
            _set(self._waiting)

    def end(self) -> None:
        """The writer has ended: what is there now is all; whoever else holds the pipe is not waited
        for. A terminal hands its last words over a little later."""
        if self._tty:
            asyncio.get_event_loop().call_later(_LAST_WORDS, self._end_now)
        else:
            self._end_now()

    def _end_now(self) -> None:
        self._ending = True
        self._wake()

    def close(self) -> None:
        self._end_now()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class PipeWriter:
    """Writes to a non-blocking file.

    Args:
        file: closed by `close`.
    """

    def __init__(self, file: int) -> None:
        self._file = file

    async def write(self, data: bytes) -> None:
        """Writes all of it.

        Raises:
            OSError: nobody reads it any more.
        """
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._file, view) :]
            except BlockingIOError:
                await self._writable()

    async def _writable(self) -> None:
        loop = asyncio.get_event_loop()
        ready = loop.create_future()
        loop.add_writer(self._file, _set, ready)
        try:
            await ready
        finally:
            loop.remove_writer(self._file)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _set(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)
