"""Jobs as processes of this machine: starting them, and a handle on those that run.

Each container of a job is a process in a session of its own below a supervisor (see `supervisor`),
which is forked from one small process started here. The platform itself never forks, reads no
output and waits for no process: it exchanges messages with the supervisors.
"""

import asyncio
import datetime
import logging
import os
import pathlib
import shlex
import socket
import subprocess
import sys
import threading
import weakref
from dataclasses import dataclass, field
from typing import (
    Any,
    Callable,
    Dict,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from .logstore import DEFAULT_LIMIT, LogFiles
from .messages import MessageReader, send_message
from .sandbox import LaunchError, Sandbox
from .terminals import open_terminal

__all__ = ["JobExit", "JobSpec", "LaunchError", "LogFeed", "Runner", "RunningJob"]

_log = logging.getLogger(__name__)

_SPAWNER = (
    "import sys; sys.path.insert(0, {!r}); from neuro_sync.local.spawner import main; main({})"
)


@dataclass
class JobSpec:
    """What a job's next container is to run.

    Attributes:
        env: final, a passed config included; the secret environment is added here.
        container: the wire payload, for what is mounted and secret.
        memory: bytes, 0 for no limit.
        restarts: how many containers the job has had before.
    """

    job_id: str
    entrypoint: Optional[str] = None
    command: Optional[str] = None
    working_dir: Optional[str] = None
    env: Dict[str, str] = field(default_factory=dict)
    tty: bool = False
    container: Mapping[str, Any] = field(default_factory=dict)
    memory: int = 0
    cpu: float = 0.0
    http_port: Optional[int] = None
    user: str = "user"
    restarts: int = 0


class JobExit(NamedTuple):
    """How a container ended: ``reason`` is Completed, Error, OOMKilled or ContainerCannotRun."""

    exit_code: int
    reason: str
    description: str


class LogFeed:
    """A job's log on disk, and the news that there is more of it."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._news: "Optional[asyncio.Future[None]]" = None
        self.job: "Optional[RunningJob]" = None

    def open(self) -> LogFiles:
        """The files of the log, the caller's to close."""
        return LogFiles(self.directory)

    def news(self, position: int) -> "asyncio.Future[None]":
        """A future that is done when the output may be longer than ``position`` or a container has
        started or ended. One that was asked for before looking at the log misses nothing."""
        if self._news is None:
            self._news = asyncio.get_event_loop().create_future()
            if self.job is not None:
                self.job.watch(position)
        return self._news

    def announce(self) -> None:
        """Tells all that wait for news."""
        news, self._news = self._news, None
        if news is not None and not news.done():
            news.set_result(None)


class Command:
    """A command of ``exec``: the files to talk to it through are the caller's."""

    def __init__(self, number: int, job: "RunningJob") -> None:
        self.number = number
        self._job = job
        self.ended: "asyncio.Future[JobExit]" = asyncio.get_event_loop().create_future()

    def hang_up(self) -> None:
        """Sends SIGHUP to its process group, if it has not ended."""
        if not self.ended.done():
            self._job._order({"order": "hangup", "number": self.number})


class RunningJob:
    """A container that has been started, until and after it has ended.

    Attributes:
        pid: of the job's first process, the leader of its session and process group.
        supervisor: the process id of its parent, which is the ancestor of all that it starts.
        started_at: when it was started.
        tty: whether it has a terminal.
        stdin: the file that its standard input is written to (non-blocking); with `tty` its
            terminal.
    """

    def __init__(self, spec: JobSpec, channel: socket.socket, stdin: int, feed: LogFeed) -> None:
        self.spec = spec
        self.tty = spec.tty
        self.pid = 0
        self.supervisor = 0
        self.started_ns = 0
        self.stdin = stdin
        self._feed = feed
        self._channel = channel
        self._messages = MessageReader(channel)
        self._loop = asyncio.get_event_loop()
        self._ready: "asyncio.Future[None]" = self._loop.create_future()
        self._exit: "asyncio.Future[JobExit]" = self._loop.create_future()
        self._commands: Dict[int, Command] = {}
        self._command_count = 0
        self._loop.add_reader(channel.fileno(), self._listen)

    @property
    def started_at(self) -> datetime.datetime:
        seconds, fraction = divmod(self.started_ns, 10**9)
        moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
        return moment + datetime.timedelta(microseconds=fraction // 1000)

    @property
    def is_running(self) -> bool:
        return not self._exit.done()

    async def ready(self) -> None:
        """Waits until the container has been started, or could not be.

        Raises:
            LaunchError: the process that was to start it was lost.
        """
        await asyncio.shield(self._ready)
        if not self.started_ns:
            raise LaunchError("Error", (await self.wait()).description)

    def on_end(self, callback: "Callable[[RunningJob], object]") -> None:
        """Calls ``callback`` once the container has ended."""
        self._exit.add_done_callback(lambda _: callback(self))

    async def wait(self) -> JobExit:
        """Waits for the end of the job; all of its output is in the log then."""
        return await asyncio.shield(self._exit)

    async def terminate(self, grace: float) -> None:
        """Asks the job's process group to end (SIGTERM), kills all of it after ``grace`` seconds,
        and waits until it has ended."""
        self._order({"order": "terminate", "grace": grace})
        await self.wait()

    def kill(self) -> None:
        """Kills everything that the job has started, at once (SIGKILL)."""
        self._order({"order": "kill"})

    def exec(self, argv: Sequence[str], files: Sequence[int], *, tty: bool) -> Command:
        """Runs ``argv`` beside the job: same environment, directory and view of the file system.

        Args:
            files: its stdin, stdout and stderr, or one terminal; the caller closes them afterwards.
        """
        self._command_count += 1
        command = Command(self._command_count, self)
        self._commands[command.number] = command
        order = {"order": "exec", "number": command.number, "argv": list(argv), "tty": tty}
        self._order(order, files)
        if not self.is_running:
            self._end_commands()
        return command

    def watch(self, position: int) -> None:
        """Asks for one announcement of output past ``position`` to the job's `LogFeed`."""
        self._order({"order": "watch", "position": position})

    def _order(self, body: Dict[str, Any], files: Sequence[int] = ()) -> None:
        if not self.is_running:
            return
        try:
            send_message(self._channel, body, files)
        except OSError:
            pass  # it is ending: `_listen` gets to know

    def _listen(self) -> None:
        try:
            messages = self._messages.receive(wait=False)
        except BlockingIOError:
            return
        if messages is None:
            self._finish(JobExit(137, "Error", "the process that watched the job was lost"))
            return
        for message in messages:
            self._hear(message.body)

    def _hear(self, body: Mapping[str, Any]) -> None:
        event = body["event"]
        if event == "output":
            self._feed.announce()
        elif event == "started":
            self.pid = body["pid"]
            self.supervisor = body["supervisor"]
            self._start(body["time_ns"])
        elif event == "ended":
            command = self._commands.pop(body["number"], None)
            if command is not None and not command.ended.done():
                command.ended.set_result(JobExit(body["code"], "", body["description"]))
        elif event == "trouble":
            _log.warning("job %s: %s", self.spec.job_id, body["text"])
        elif event == "finished":
            if not self._ready.done():
                self._start(body["time_ns"])
            self._finish(JobExit(body["code"], body["reason"], body["description"]))

    def _start(self, time_ns: int) -> None:
        self.started_ns = time_ns
        self._ready.set_result(None)
        self._feed.announce()

    def _finish(self, result: JobExit) -> None:
        if self._exit.done():
            return
        self._loop.remove_reader(self._channel.fileno())
        self._channel.close()
        os.close(self.stdin)
        self.stdin = -1
        self._exit.set_result(result)
        if not self._ready.done():
            self._ready.set_result(None)
        self._end_commands()
        if self._feed.job is self:
            self._feed.job = None
        self._feed.announce()

    def _end_commands(self) -> None:
        """The commands have died with the job."""
        for command in self._commands.values():
            if not command.ended.done():
                command.ended.set_result(JobExit(137, "", "the job has ended"))
        self._commands.clear()


class Runner:
    """Starts jobs. Everything of theirs is below ``data_dir``: ``jobs/<id>/{log,work}``.

    Args:
        log_limit: bytes of log, of all containers of a job together.
    """

    def __init__(self, data_dir: pathlib.Path, *, log_limit: int = DEFAULT_LIMIT) -> None:
        self._data_dir = pathlib.Path(data_dir).absolute()
        self._log_limit = log_limit
        self._sandbox = Sandbox(self._data_dir)
        self._feeds: "weakref.WeakValueDictionary[str, LogFeed]" = weakref.WeakValueDictionary()
        self._jobs: "Set[RunningJob]" = set()
        self._spawner = _Spawner()

    def log(self, job_id: str) -> LogFeed:
        """The log of a job, also of one that has not started yet or has long finished."""
        feed = self._feeds.get(job_id)
        if feed is None:
            feed = self._feeds[job_id] = LogFeed(str(self._job_dir(job_id) / "log"))
        return feed

    async def start(self, spec: JobSpec) -> RunningJob:
        """Starts the job's next container.

        A program that is missing is no error here: the container runs and ends at once with the
        reason ContainerCannotRun.

        Raises:
            LaunchError: what the job needs is not there.
        """
        feed = self.log(spec.job_id)
        loop = asyncio.get_event_loop()
        payload = await loop.run_in_executor(None, self._prepare, spec, feed)
        ours, theirs = socket.socketpair()
        mine, child_files = _standard_input(spec.tty)
        job = RunningJob(spec, ours, mine, feed)
        feed.job = job
        try:
            files = [theirs.fileno(), *child_files]
            await loop.run_in_executor(None, self._spawner.send, payload, files)
        finally:
            theirs.close()
            os.close(child_files[0])
        await job.ready()
        self._jobs.add(job)
        job.on_end(self._jobs.discard)
        return job

    def _prepare(self, spec: JobSpec, feed: LogFeed) -> Dict[str, Any]:
        """Gets what the job needs from the disk: runs in a thread."""
        work = self._job_dir(spec.job_id) / "work"
        work.mkdir(mode=0o700, parents=True, exist_ok=True)
        container = dict(spec.container)
        if spec.working_dir is not None:
            container["working_dir"] = spec.working_dir
        env = _base_environment(str(work))
        env.update(spec.env)
        env.update(self._sandbox.secret_env(container))
        view, directory = self._sandbox.prepare(container, str(work))
        return {
            "argv": _words(spec.entrypoint) + _words(spec.command),
            "env": env,
            "directory": directory,
            "tty": spec.tty,
            "memory": spec.memory,
            "log": feed.directory,
            "log_limit": self._log_limit,
            "view": view,
        }

    def _job_dir(self, job_id: str) -> pathlib.Path:
        if not job_id or "/" in job_id or "\0" in job_id or job_id in (".", ".."):
            raise ValueError("not a job id: {!r}".format(job_id))
        return self._data_dir / "jobs" / job_id

    async def close(self) -> None:
        """Kills all jobs and waits until they have ended."""
        jobs = list(self._jobs)
        for job in jobs:
            job.kill()
        for job in jobs:
            await job.wait()
        await asyncio.get_event_loop().run_in_executor(None, self._spawner.close)


class _Spawner:
    """The process that supervisors are forked from; started when it is needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: "Optional[subprocess.Popen[bytes]]" = None
        self._socket: Optional[socket.socket] = None

    def send(self, payload: Dict[str, Any], files: Sequence[int]) -> None:
        with self._lock:
            if self._socket is not None:
                try:
                    send_message(self._socket, payload, files)
                    return
                except OSError:
                    _log.warning("the process that starts jobs was lost; starting another")
                    self._stop()
            send_message(self._start(), payload, files)

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        root = str(pathlib.Path(__file__).resolve().parents[2])
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-E", "-c", _SPAWNER.format(root, theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                cwd="/",
            )
        self._socket = ours
        return ours

    def _stop(self) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.wait()
        self._socket = self._process = None

    def close(self) -> None:
        with self._lock:
            self._stop()


def _words(text: Optional[str]) -> List[str]:
    return shlex.split(text) if text else []


def _base_environment(home: str) -> Dict[str, str]:
    """What any container's program can count on; nothing else of the platform's own environment.

    The Python that runs the platform comes first in the path: what a job calls ``python`` has what
    is installed beside neuro_sync.
    """
    path = os.pathsep.join((os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)))
    return {"PATH": path, "HOME": home, "LANG": "C.UTF-8"}


def _standard_input(tty: bool) -> Tuple[int, List[int]]:
    """Our file to write the job's input to; and what the supervisor gets, the first of it a copy of
    the job's own that we close."""
    if tty:
        master, slave = open_terminal()
        return master, [slave, master]
    source, sink = os.pipe()
    os.set_blocking(sink, False)
    return sink, [source]
