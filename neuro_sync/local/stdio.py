"""The interactive streams: a command beside a job (exec), and the job's own input and output
(attach)."""

import asyncio
import os
import shlex
from dataclasses import dataclass, replace
from typing import List, Mapping, Optional, Tuple

from aiohttp import WSMsgType, web

from ..errors import ProtocolError
from ..wire import channels
from .logstore import CONTAINER, STDERR, STDOUT, Record
from .pipes import PipeReader, PipeWriter
from .replies import flag, refusal
from .runner import Command, LogFeed, RunningJob
from .streams import FrameSink, converse, open_websocket
from .terminals import open_terminal, resize_terminal

__all__ = ["StdioQuery", "attach", "exec_command", "split_command"]

_PROTOCOL = "v2.channels.neu.ro"
_MESSAGE_OF_FAILURE = "command terminated with non-zero exit code"


@dataclass(frozen=True)
class StdioQuery:
    """Which of the standard streams were asked for."""

    tty: bool
    stdin: bool
    stdout: bool
    stderr: bool

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "StdioQuery":
        """Reads and checks the parameters.

        Raises:
            HTTPBadRequest: they make no sense.
        """
        parsed = cls(
            tty=flag(query, "tty"),
            stdin=flag(query, "stdin"),
            stdout=flag(query, "stdout", True),
            stderr=flag(query, "stderr", True),
        )
        if not (parsed.stdin or parsed.stdout or parsed.stderr):
            message = "at least one of stdin, stdout and stderr is needed"
            raise refusal(web.HTTPBadRequest, error=message)
        if parsed.tty and parsed.stdout and parsed.stderr:
            message = "a tty has no stderr beside its stdout: ask for one of them"
            raise refusal(web.HTTPBadRequest, error=message)
        return parsed

    def refuse_tty_with_stderr(self) -> None:
        """What passes the first check is refused by the node, and that is a 404.

        Raises:
            HTTPNotFound: a tty and stderr.
        """
        if self.tty and self.stderr:
            message = "tty and stderr cannot be asked for together"
            raise refusal(web.HTTPNotFound, error=message)


def split_command(text: str) -> List[str]:
    """The words of a command.

    Raises:
        HTTPNotFound: its quotes are not closed.
    """
    try:
        return shlex.split(text)
    except ValueError as error:
        message = "cannot split the command {!r}: {}".format(text, error)
        raise refusal(web.HTTPNotFound, error=message) from None


class _Input:
    """What the peer sends, on its way to a process."""

    def __init__(
        self, ws: web.WebSocketResponse, stdin: Optional[PipeWriter], terminal: Optional[int]
    ) -> None:
        self._ws = ws
        self._stdin = stdin
        self._terminal = terminal

    async def listen(self) -> None:
        """Ends when the peer closes, or breaks the protocol: the node ends the stream for that."""
        async for message in self._ws:
            if message.type != WSMsgType.BINARY:
                return
            try:
                channel, payload = channels.split(message.data)
                if channel == channels.STDIN:
                    await self._write(payload)
                elif channel == channels.RESIZE and self._terminal is not None:
                    height, width = channels.parse_resize(payload)
                    resize_terminal(self._terminal, min(height, 65535), min(width, 65535))
            except ProtocolError:
                return

    async def _write(self, data: bytes) -> None:
        if self._stdin is None:
            return
        try:
            await self._stdin.write(data)
        except OSError:
            self._stdin = None  # the process reads no more; its output still matters


# exec


async def exec_command(
    request: web.Request, job: RunningJob, argv: List[str], query: StdioQuery
) -> web.StreamResponse:
    """Runs a command beside a job and connects the peer to it. Hangs up on it when the peer
    goes."""
    ws = await open_websocket(request, protocols=[_PROTOCOL])
    files = _CommandFiles(query)
    try:
        command = job.exec(argv, files.theirs, tty=query.tty)
    finally:
        files.close_theirs()
    try:
        listener = _Input(ws, files.stdin, files.terminal)
        await converse(ws, _tell(FrameSink(request, ws), command, files), listener.listen())
    finally:
        command.hang_up()
        files.close()
    return ws


class _CommandFiles:
    """Pipes, or a terminal, between us and a command."""

    def __init__(self, query: StdioQuery) -> None:
        self.theirs: List[int] = []
        self.outputs: List[Tuple[int, PipeReader]] = []
        self.stdin: Optional[PipeWriter] = None
        self.terminal: Optional[int] = None
        if query.tty:
            self._open_terminal(query)
        else:
            self._open_pipes(query)

    def _open_terminal(self, query: StdioQuery) -> None:
        self.terminal, slave = open_terminal()
        self.theirs = [slave]
        self.outputs.append((channels.STDOUT, PipeReader(self.terminal, tty=True)))
        if query.stdin:
            self.stdin = PipeWriter(os.dup(self.terminal))

    def _open_pipes(self, query: StdioQuery) -> None:
        if query.stdin:
            source, sink = os.pipe()
            os.set_blocking(sink, False)
            self.theirs.append(source)
            self.stdin = PipeWriter(sink)
        else:
            self.theirs.append(os.open(os.devnull, os.O_RDONLY))
        for wanted, channel in (
            (query.stdout, channels.STDOUT),
            (query.stderr, channels.STDERR),
        ):
            if not wanted:
                self.theirs.append(os.open(os.devnull, os.O_WRONLY))
                continue
            source, sink = os.pipe()
            os.set_blocking(source, False)
            self.theirs.append(sink)
            self.outputs.append((channel, PipeReader(source)))

    def end(self) -> None:
        """The command has ended: what it has printed by now is all."""
        for _, output in self.outputs:
            output.end()

    def close_theirs(self) -> None:
        for file in self.theirs:
            os.close(file)

    def close(self) -> None:
        if self.stdin is not None:
            self.stdin.close()
        for _, output in self.outputs:
            output.close()


async def _tell(sink: FrameSink, command: Command, files: _CommandFiles) -> None:
    """Sends what the command prints, and at last how it ended."""
    await sink.send([channels.encode(channel, b"") for channel, _ in files.outputs])
    command.ended.add_done_callback(lambda _: files.end())
    copies = [
        asyncio.ensure_future(_copy(sink, channel, output)) for channel, output in files.outputs
    ]
    try:
        if copies:
            await asyncio.gather(*copies)
        result = await asyncio.shield(command.ended)
    finally:
        for copy in copies:
            copy.cancel()
    message = None
    if result.exit_code:
        message = result.description or _MESSAGE_OF_FAILURE
    await sink.send([channels.encode_exit(result.exit_code, message)])


async def _copy(sink: FrameSink, channel: int, output: PipeReader) -> None:
    while True:
        data = await output.read()
        if not data:
            return
        await sink.send([channels.encode(channel, data)])


# attach


async def attach(
    request: web.Request, job: RunningJob, feed: LogFeed, query: StdioQuery
) -> web.StreamResponse:
    """Connects the peer to the input and, from now on, to the output of a job."""
    query = replace(query, tty=job.tty, stdin=True)
    query.refuse_tty_with_stderr()
    file = os.dup(job.stdin)
    stdin = PipeWriter(file)
    try:
        output = _JobOutput(job, feed, query)
        ws = await open_websocket(request, protocols=[_PROTOCOL, "attach.apolo.us"])
        listener = _Input(ws, stdin, file if job.tty else None)
        await converse(ws, output.tell(FrameSink(request, ws)), listener.listen())
    finally:
        stdin.close()
    return ws


class _JobOutput:
    """What one container of a job prints from now on."""

    def __init__(self, job: RunningJob, feed: LogFeed, query: StdioQuery) -> None:
        self._job = job
        self._feed = feed
        self._files = feed.open()
        self._next = len(self._files)
        self._position = 0
        for record in self._files.records(self._next - 1, 1) if self._next else ():
            self._position = record.end
        self._channels = {}
        if query.stdout:
            self._channels[STDOUT] = channels.STDOUT
        if query.stderr:
            self._channels[STDERR] = channels.STDERR

    async def tell(self, sink: FrameSink) -> None:
        """Sends it until the container has ended. Whatever its exit code, the platform says 0."""
        try:
            await sink.send([channels.encode(channel, b"") for channel in self._channels.values()])
            while True:
                running = self._job.is_running
                news = self._feed.news(
                    self._position
                )  # asked for before looking: nothing is missed
                records = self._files.records(self._next)
                if records:
                    if not await self._send(sink, records):
                        break
                elif running:
                    await asyncio.wait({news})
                else:
                    break
            await sink.send([channels.encode_exit(0)])
        finally:
            self._files.close()

    async def _send(self, sink: FrameSink, records: List[Record]) -> bool:
        """Sends pieces of output; False where another container of the job begins."""
        for record in records:
            if record.kind == CONTAINER:
                return False
            self._next += 1
            self._position = record.end
            channel = self._channels.get(record.kind)
            if channel is not None:
                data = self._files.read(record.offset, record.length)
                await sink.send([channels.encode(channel, data)])
        return True
