"""Whole tasks in one call: a command with its output, a job with its log, a terminal."""

import codecs
import io
import logging
import shlex
import threading
from contextlib import closing
from datetime import timedelta
from queue import Empty, SimpleQueue
from typing import IO, TYPE_CHECKING, Any, Callable, List, Optional, Tuple, Union

from ..errors import (
    ConnectionFailed,
    ExecTimeout,
    JobFailed,
    JobWaitTimeout,
    LogGap,
    NeuroError,
    OutcomeUnknown,
    StdStreamError,
    StreamClosed,
)
from ..models.jobs import JobDescription, JobStatus
from ..streams.retrying import PASSING
from ..transport.deadline import Deadline
from ..wire.queries import check_command, exec_query
from .calls import Calls
from .lastlines import LastLines
from .outcome import outcome
from .streaming import StreamingCalls
from .waiting import FINISHED, Waiting, Watch

if TYPE_CHECKING:
    from ..models.messages import ExecResult
    from ..streams.std import StdStream

__all__ = ["Running"]

_logger = logging.getLogger(__name__)

# Seconds for the answer to a start that is called off, or that has less time.
_START_PATIENCE = 1.0
# Seconds: some clocks tick as coarsely, and what waits for a moment may be told of it a tick early.
_TICK = 0.02
_TAIL_SPAN = timedelta(minutes=1)
_TAIL_PATIENCE = 5.0  # seconds


class Running(Waiting, StreamingCalls, Calls):
    """The methods of JobsClient that do a whole task."""

    def exec_run(
        self,
        id: str,
        cmd: str,
        *,
        input: Optional[bytes] = None,
        timeout: Optional[float] = None,
        check: bool = False,
        cluster_name: Optional[str] = None,
    ) -> "ExecResult":
        """Run a command in a running job and collect what it writes, as ``subprocess.run`` does.

        The protocol can't end a standard input. With ``input`` the command therefore runs under the
        container's ``sh`` and ``head``, which give it exactly these bytes and then the end of file.

        Args:
            id: job id.
            cmd: the command; split into words as a shell does, no shell runs it.
            input: what the command reads from its standard input, as bytes or a buffer of them; None
                connects none.
            timeout: seconds for all of it, the connection too; None: no limit.
            check: raise StdStreamError where the exit code is not 0.
            cluster_name: cluster of the job; None is the current one.

        Returns:
            ``ExecResult(exit_code, stdout, stderr)``, the output as bytes.

        Raises:
            TypeError, ValueError: a command or an input that can't be right; nothing was sent.
            StdStreamError: with ``check``, the command failed; has ``stdout`` and ``stderr``.
            ExecTimeout: the command did not end in time. What becomes of it is not known; it has
                lost its connection, or never had one: then it may not have been started either.
            OutcomeUnknown: the connection broke while the command was being started.
            ConnectionFailed: the connection ended before the command did.

        Endpoint: ``GET {monitoring_url}/{id}/exec`` (WebSocket).
        """
        from ..models.messages import ExecResult

        deadline = Deadline(timeout)
        if isinstance(input, str):
            raise TypeError("input must be bytes, not str: input=text.encode()")
        check_command(cmd)
        if input is not None:
            # The items of a buffer may be larger than a byte.
            input = bytes(memoryview(input))
        command = cmd if input is None else _with_input(cmd, len(input))
        stdout: List[bytes] = []
        stderr: List[bytes] = []
        query = exec_query(command, tty=False, stdin=input is not None, stdout=True, stderr=True)
        try:
            stream = self._std_stream(id, "exec", query, (), cluster_name, deadline.left)
        except (ConnectionFailed, OutcomeUnknown) as error:
            if not deadline.is_within(_TICK):
                raise
            raise ExecTimeout(
                "{!r} had no connection within {} s; it may have been started".format(cmd, timeout)
            ) from error
        with stream:
            writer = _InputWriter(stream, input) if input else None
            try:
                exit_code, reason = _collect(stream, stdout, stderr, deadline)
            except TimeoutError as error:
                raise ExecTimeout(
                    "{!r} did not end within {} s".format(cmd, timeout),
                    stdout=b"".join(stdout),
                    stderr=b"".join(stderr),
                ) from error
            finally:
                stream.close()
                if writer is not None:
                    writer.join()
        result = ExecResult(exit_code, b"".join(stdout), b"".join(stderr))
        if check and exit_code != 0:
            raise StdStreamError(
                exit_code,
                "{!r} ended with exit code {}{}".format(
                    cmd, exit_code, _last_line(result.stderr) or reason
                ),
                stdout=result.stdout,
                stderr=result.stderr,
            )
        return result

    def start_and_wait(
        self,
        *,
        output: "Union[IO[bytes], IO[str], Callable[[bytes], Any], None]" = None,
        timeout: Optional[float] = None,
        check: bool = False,
        kill_on_error: bool = True,
        **start_args: Any,
    ) -> JobDescription:
        """Start a job, copy its log as it comes, and wait for its end.

        ::

            jobs.start_and_wait(
                image="ubuntu", preset_name="cpu-small", command="uname -a",
                output=sys.stdout, check=True,
            )

        Args:
            output: a file, or a callable, that gets the log as bytes; a text file gets it as text. None: it
                is not copied. Where lines may be missing from it, a warning is logged.
            timeout: seconds for all of it but the killing; None: no limit.
            check: raise JobFailed where the job does not succeed.
            kill_on_error: kill the job where an exception, Ctrl-C included, ends the waiting.
            **start_args: the arguments of :meth:`start`.

        Returns:
            The job in its final state.

        Raises:
            JobFailed: with ``check``, the job failed or was cancelled; ``.job`` has the reason and the
                exit code, ``.log_tail`` the last lines of its log.
            JobWaitTimeout: it, or the copy of its log, did not end in time; ``.job`` is how it was last seen.
            OutcomeUnknown: there was no answer to the start, or not in time, and the job may have been
                started. With ``kill_on_error`` it is killed, should the answer still come.

        Endpoint: those of :meth:`start`, :meth:`monitor`, :meth:`status` and :meth:`kill`.
        """
        watch = Watch(timeout)
        write = None if output is None else _writer(output)
        cluster_name = start_args.get("cluster_name")
        tail = LastLines()
        starting = _Starting(lambda: self.start(**start_args))
        try:
            job = watch.call(starting.run, watch.left)
            if write is None:
                ended = self._wait(watch, job, FINISHED, job.id)
            else:
                flush = getattr(output, "flush", None)
                ended = self._copy_log(job, write, flush, tail, watch, cluster_name)
        except BaseException:
            if kill_on_error:
                starting.undo(self._kill_for_sure)
            raise
        if check and ended.status is not JobStatus.SUCCEEDED:
            if output is None:
                self._read_tail(ended, tail, cluster_name)
            lines = tail.lines()
            raise JobFailed(
                "job {!r} did not succeed ({}){}".format(
                    ended.id, outcome(ended), "".join("\n  " + line for line in lines)
                ),
                job=ended,
                log_tail=lines,
            )
        return ended

    def _kill_for_sure(self, id: str) -> None:
        try:
            self.kill(id)
        except NeuroError as error:
            # What is being raised says more of what went wrong than this does.
            _logger.warning("job %s may go on: it could not be killed: %s", id, error)

    def _copy_log(
        self,
        job: JobDescription,
        write: Callable[[bytes], Any],
        flush: Optional[Callable[[], Any]],
        tail: LastLines,
        watch: Watch,
        cluster_name: Optional[str],
    ) -> JobDescription:
        # Not "with": that waits for the first connection, however long it takes.
        log = self.monitor(job.id, cluster_name=cluster_name, separator="", on_gap=_warn_of_gap)
        with closing(log):
            while True:
                # A log that comes faster than it is written always has a next chunk.
                is_late = watch.left == 0.0
                try:
                    chunk = log.read_chunk(timeout=watch.left)
                except TimeoutError as error:
                    raise self._not_ended(job, watch) from error
                except LogGap as gap:
                    # It can't be taken up again: its lines have no time stamps.
                    _warn_of_gap(gap)
                    return self._wait(watch, job, FINISHED, job.id)
                if chunk is None:
                    ended: JobDescription = log.job
                    return ended
                write(chunk)
                if flush is not None:
                    flush()
                tail.feed(chunk)
                if is_late:
                    raise self._not_ended(job, watch)

    def _not_ended(self, job: JobDescription, watch: Watch) -> JobWaitTimeout:
        """That the time is over, with the job, or with how it was last seen where that takes too long."""
        try:
            job = self._status(job.id, watch.seconds)
        except PASSING:
            pass
        # Of one that has ended the output may lack its end, and must not look whole.
        what = "its log" if job.status.is_finished else "it"
        text = "job {!r}: {} did not end within {} s ({})"
        return JobWaitTimeout(text.format(job.id, what, watch.timeout, outcome(job)), job=job)

    def _read_tail(self, job: JobDescription, tail: LastLines, cluster_name: Optional[str]) -> None:
        """Read the last lines of a job that has ended: a help in an error, so it may not take long."""
        finished_at = job.history.finished_at
        since = finished_at - _TAIL_SPAN if finished_at is not None else None
        deadline = Deadline(_TAIL_PATIENCE)
        try:
            log = self.monitor(job.id, cluster_name=cluster_name, since=since, separator="")
            with closing(log):
                while deadline.left:
                    chunk = log.read_chunk(timeout=deadline.left)
                    if chunk is None:
                        break
                    tail.feed(chunk)
        except TimeoutError:
            pass  # what has come by now will do
        except NeuroError as error:
            tail.feed("(its log could not be read: {})".format(error).encode())

    def interact(
        self, id: str, cmd: Optional[str] = None, *, cluster_name: Optional[str] = None
    ) -> Optional[int]:
        """Make this terminal the job's terminal: run a command in it, or attach to it.

        Each key goes to the job, Ctrl-C too. Ctrl-P Ctrl-Q leaves and the job goes on; a Ctrl-P alone
        arrives a second later. The terminal is as before afterwards, whatever happens. A job that was
        started without a terminal keeps it that way: attached to it, lines are sent as they are
        entered and Ctrl-C leaves.

        Args:
            id: job id.
            cmd: the command; None attaches to the job itself.
            cluster_name: cluster of the job; None is the current one.

        Returns:
            The exit code of the command, or of the job where it attached; None after Ctrl-P Ctrl-Q.

        Raises:
            OSError: standard input or output is no terminal.
            JobNotFound: there is no such job.
            ResourceNotFound: the job is not running.
            ConnectionFailed: the connection was lost; the job goes on.

        Endpoint: ``GET {monitoring_url}/{id}/exec`` or ``/attach`` (WebSocket).
        """
        from ..terminal import interact, require_terminal

        require_terminal()
        if cmd is not None:
            with self.exec(
                id, cmd, tty=True, stdin=True, stdout=True, cluster_name=cluster_name
            ) as stream:
                return interact(stream, tty=True)
        tty = self.status(id).container.tty
        with self.attach(
            id, tty=tty, stdin=True, stdout=True, stderr=not tty, cluster_name=cluster_name
        ) as stream:
            if interact(stream, tty=tty) is None:
                return None
        # The protocol says 0 at the end of each attached session: the job knows better.
        return self.wait(id).history.exit_code


def _warn_of_gap(gap: LogGap) -> None:
    # No reason to kill the job.
    _logger.warning("%s", gap)


def _writer(output: Any) -> Callable[[bytes], Any]:
    """What writes bytes to a file, as text where it is one, or to a callable."""
    if callable(output):
        return output  # type: ignore[no-any-return]
    if not hasattr(output, "write"):
        raise TypeError("output must be a file or a callable, not {!r}".format(output))
    if not isinstance(output, io.TextIOBase):
        return output.write  # type: ignore[no-any-return]
    # A piece of the log may end in the middle of a character.
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return lambda data: output.write(decoder.decode(data))


class _Starting:
    """Starts a job in a thread of its own: a Ctrl-C must not lose the answer that says which job it is."""

    def __init__(self, start: Callable[[], JobDescription]) -> None:
        self._start = start
        self._answers: "SimpleQueue[Union[JobDescription, BaseException]]" = SimpleQueue()
        self._lock = threading.Lock()
        self._job: Optional[JobDescription] = None
        self._kill: Optional[Callable[[str], None]] = None
        self._thread = threading.Thread(target=self._run, name="neuro_sync-start", daemon=True)

    def run(self, seconds: Optional[float]) -> JobDescription:
        """Start the job, or raise what prevents it, or that it has not been answered for some seconds."""
        self._thread.start()
        try:
            answer = self._answers.get(
                timeout=None if seconds is None else max(seconds, _START_PATIENCE)
            )
        except Empty:
            raise OutcomeUnknown(
                "the start was not answered in time; the job may have been started"
            ) from None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _run(self) -> None:
        try:
            job = self._start()
        except BaseException as error:  # handed to who waits, whatever it is
            self._answers.put(error)
            return
        with self._lock:
            self._job, kill = job, self._kill
        self._answers.put(job)
        if kill is not None:
            kill(job.id)

    def undo(self, kill: Callable[[str], None]) -> None:
        """Kill the job, at once or as soon as it is known which one it is."""
        with self._lock:
            self._kill, job = kill, self._job
        if job is not None:
            kill(job.id)
        elif self._thread.ident is not None:
            self._thread.join(_START_PATIENCE)
            if self._thread.is_alive():
                _logger.warning("a job may have been started at the last moment, and go on")


class _InputWriter:
    """Writes the input while the output is being read: the command may need both at once."""

    def __init__(self, stream: "StdStream", data: bytes) -> None:
        self._thread = threading.Thread(
            target=self._run, args=(stream, data), name="neuro_sync-input", daemon=True
        )
        self._thread.start()

    @staticmethod
    def _run(stream: "StdStream", data: bytes) -> None:
        try:
            stream.write_in(data)
        except (StreamClosed, NeuroError):
            pass  # the command ended without reading all of it; how it ended is told by the reader

    def join(self) -> None:
        self._thread.join()


def _with_input(cmd: str, length: int) -> str:
    return "sh -c {} {} {}".format(shlex.quote('head -c "$0" | "$@"'), length, cmd)


def _collect(
    stream: "StdStream", stdout: List[bytes], stderr: List[bytes], deadline: Deadline
) -> Tuple[int, str]:
    """The exit code of the command, and what the server says of it."""
    while True:
        try:
            message = stream.read_out(timeout=deadline.left)
        except StdStreamError as error:
            return error.exit_code, ": {}".format(error)
        except TimeoutError:
            if stream.exit_code is None:
                raise
            return stream.exit_code, ""  # it has ended in time: only the server does not close
        if message is None:
            return 0, ""
        (stderr if message.fileno == 2 else stdout).append(message.data)
        if deadline.left == 0.0 and stream.exit_code is None:
            raise TimeoutError  # a command that never stops to write always has a next message


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    return ": " + lines[-1] if lines else ""
