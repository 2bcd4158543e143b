"""The small process that watches one job: its parent, its log writer, and its executioner.

One supervisor is forked for each container of a job (see `spawner`). It starts the job's program,
writes what that prints to the log, runs the commands of ``exec`` beside it, and when the program
has ended, by itself or by order, ends whatever it has left running. When the platform goes away,
however that happens, the socket between them closes and the supervisor kills the job.
"""

import fcntl
import os
import selectors
import signal
import socket
import time
from typing import Any, Dict, List, Mapping, Optional

from .logstore import STDERR, STDOUT, LogWriter
from .messages import Message, MessageReader, send_message
from .process import (
    ProgramError,
    Stdio,
    adopt_orphans,
    descendants,
    exit_code,
    kill_descendants,
    memory_in_use,
    resident_bytes,
    signal_group,
    start_program,
)
from .terminals import read_terminal
from .view import View

__all__ = ["Supervisor"]

_READ_SIZE = 256 * 1024
_PIPE_SIZE = 1024 * 1024
_F_SETPIPE_SZ = 1031
_MEMORY_PERIOD = 1.0


class Supervisor:
    """Runs one container of a job.

    Args:
        spec: argv, env, directory, tty, memory, log (directory and limit), view (see `sandbox`).
        channel: the socket to the platform.
        stdin: what the job reads; with ``tty`` the slave side of its terminal.
        terminal: the master side of the terminal, or None.
    """

    def __init__(
        self, spec: Mapping[str, Any], channel: socket.socket, stdin: int, terminal: Optional[int]
    ) -> None:
        self._spec = spec
        self._channel = channel
        self._messages = MessageReader(channel)
        self._stdin = stdin
        self._terminal = terminal
        self._selector = selectors.DefaultSelector()
        self._log = LogWriter(spec["log"], limit=spec["log_limit"], on_failure=self._log_failed)
        self._view: Optional[View] = None
        self._pid = 0
        self._commands: Dict[int, int] = {}  # process id of an exec'd program -> its number
        self._kill_at: Optional[float] = None
        self._watched = False  # the platform wants to hear of the next output
        self._out_of_memory = False
        self._status: Optional[int] = None

    def run(self) -> None:
        """Lives as long as the job does."""
        adopt_orphans()
        wake, woken = os.pipe()
        for file in (wake, woken):
            os.set_blocking(file, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        self._selector.register(wake, selectors.EVENT_READ, self._reap)
        self._selector.register(self._channel, selectors.EVENT_READ, self._listen)
        started = self._log.start_container()
        try:
            self._start()
        except ProgramError as error:
            self._finish(error.exit_code, "ContainerCannotRun", error.description, started)
            return
        self._say(
            {
                "event": "started",
                "pid": self._pid,
                "supervisor": os.getpid(),
                "time_ns": started,
            }
        )
        next_look = time.monotonic() + _MEMORY_PERIOD
        while self._status is None:
            for key, _ in self._selector.select(self._patience(next_look)):
                key.data(key.fd)
                if self._status is not None:
                    break
            now = time.monotonic()
            if self._kill_at is not None and now >= self._kill_at:
                self._kill()
            elif now >= next_look:
                next_look = now + _MEMORY_PERIOD
                self._check_memory()
        self._end()

    def _patience(self, next_look: float) -> float:
        until = next_look if self._kill_at is None else min(next_look, self._kill_at)
        return max(0.0, until - time.monotonic())

    # Starting

    def _start(self) -> None:
        if self._spec["view"]:
            self._view = View.open(self._spec["view"])
        if self._terminal is not None:
            stdio = Stdio(self._stdin, self._stdin, self._stdin)
            os.set_blocking(self._terminal, False)
            self._take(self._terminal, STDOUT)
        else:
            stdio = Stdio(self._stdin, self._output(STDOUT), self._output(STDERR))
        try:
            self._pid = self._program(self._spec["argv"], stdio, self._terminal is not None)
        finally:
            for file in set(stdio):
                os.close(file)

    def _program(self, argv: List[str], stdio: Stdio, tty: bool) -> int:
        env = dict(self._spec["env"])
        if tty:
            env.setdefault("TERM", "xterm")
        return start_program(
            argv,
            env,
            stdio,
            directory=self._spec["directory"],
            tty=tty,
            view=self._view.pid if self._view is not None else None,
        )

    def _output(self, kind: int) -> int:
        """A pipe for the job to write to."""
        source, sink = os.pipe()
        os.set_blocking(source, False)
        try:
            fcntl.fcntl(sink, _F_SETPIPE_SZ, _PIPE_SIZE)
        except OSError:
            pass  # not Linux, or the user has too many of them: slower, no worse
        self._take(source, kind)
        return sink

    def _take(self, source: int, kind: int) -> None:
        self._selector.register(source, selectors.EVENT_READ, lambda file: self._copy(file, kind))

    # Output

    def _copy(self, source: int, kind: int) -> bool:
        """Copies what is there to the log; False when there is nothing more, now or ever."""
        read = read_terminal if source == self._terminal else os.read
        try:
            data = read(source, _READ_SIZE)
        except BlockingIOError:
            return False
        if not data:
            self._selector.unregister(source)
            os.close(source)
            return False
        self._log.write(kind, data)
        if self._watched:
            self._watched = False
            self._say({"event": "output"})
        return True

    def _drain(self) -> None:
        """Copies what is left. All writers are dead, so an empty pipe stays empty; one that a
        process outside of the job holds open is not waited for."""
        for key in list(self._selector.get_map().values()):
            if key.fd == self._channel.fileno() or key.data == self._reap:
                continue
            while key.data(key.fd):
                pass

    # Orders

    def _listen(self, _: int) -> None:
        messages = self._messages.receive()
        if messages is None:  # the platform is gone
            self._kill()
            return
        for message in messages:
            self._obey(message)

    def _obey(self, message: Message) -> None:
        order = message.body["order"]
        if order == "watch":
            if message.body["position"] < self._log.position:
                self._say({"event": "output"})
            else:
                self._watched = True
        elif order == "exec":
            self._exec(message.body, message.files)
        elif order == "hangup":
            for pid, number in self._commands.items():
                if number == message.body["number"]:
                    signal_group(pid, signal.SIGHUP)
        elif order == "terminate":
            signal_group(self._pid, signal.SIGTERM)
            self._kill_at = time.monotonic() + message.body["grace"]
        elif order == "kill":
            self._kill()

    def _exec(self, body: Mapping[str, Any], files: List[int]) -> None:
        number = body["number"]
        stdio = Stdio(*(files * 3 if body["tty"] else files))
        try:
            pid = self._program(body["argv"], stdio, body["tty"])
        except ProgramError as error:
            self._say_ended(number, error.exit_code, error.description)
            return
        finally:
            for file in files:
                os.close(file)
        self._commands[pid] = number

    # Ends

    def _reap(self, wake: int) -> None:
        try:
            while os.read(wake, 512):
                pass
        except BlockingIOError:
            pass
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            self._ended(pid, status)

    def _ended(self, pid: int, status: int) -> None:
        if pid == self._pid:
            self._status = status
        elif pid in self._commands:
            self._say_ended(self._commands.pop(pid), exit_code(status), "")

    def _say_ended(self, number: int, code: int, description: str) -> None:
        self._say({"event": "ended", "number": number, "code": code, "description": description})

    def _kill(self) -> None:
        """Ends everything, at once."""
        signal_group(self._pid, signal.SIGKILL)
        for pid, status in kill_descendants().items():
            self._ended(pid, status)
        if self._status is None:
            self._status = signal.SIGKILL  # it cannot die, but it is of no use any more

    def _check_memory(self) -> None:
        limit = self._spec["memory"]
        if not limit:
            return
        pids = descendants(os.getpid())
        if resident_bytes(pids) > limit and memory_in_use(pids) > limit:
            self._out_of_memory = True
            self._kill()

    def _end(self) -> None:
        assert self._status is not None
        for pid, status in kill_descendants().items():
            self._ended(pid, status)
        self._drain()
        code = exit_code(self._status)
        if self._out_of_memory:
            self._finish(code, "OOMKilled", "it used more than its memory")
        else:
            self._finish(code, "Completed" if code == 0 else "Error", "")

    def _finish(self, code: int, reason: str, description: str, started: int = 0) -> None:
        if self._view is not None:
            self._view.close()
        self._log.close()
        self._say(
            {
                "event": "finished",
                "code": code,
                "reason": reason,
                "description": description,
                "time_ns": started,
            }
        )
        self._channel.close()

    # Words

    def _log_failed(self, reason: str) -> None:
        self._say({"event": "trouble", "text": reason})

    def _say(self, body: Dict[str, Any]) -> None:
        try:
            send_message(self._channel, body)
        except OSError:
            pass  # the platform is gone: `_listen` sees that, and kills the job
