"""The methods that open a stream: exec, attach, monitor, top and port_forward."""

from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Callable, Iterator, List, Optional, Tuple

from ..errors import JobNotFound, NeuroError, ResourceNotFound
from ..transport.deadline import Deadline
from ..wire.queries import attach_query, exec_query, log_query
from .base import JobsBase
from .outcome import outcome

if TYPE_CHECKING:
    from ..errors import LogGap
    from ..models.jobs import JobDescription
    from ..streams.forward import PortForward
    from ..streams.log import LogStream
    from ..streams.std import StdStream
    from ..streams.telemetry import TelemetryStream
    from ..transport.ws_connection import WsConnection

__all__ = ["StreamingCalls"]

_ATTACH_PROTOCOL = "v2.channels.neu.ro"
# Seconds to learn why a stream was refused: a help in an error, so it may not take long.
_EXPLAIN_PATIENCE = 5.0
_NO_LIMIT = Deadline(None)


class StreamingCalls(JobsBase):
    """The methods of JobsClient that open a stream."""

    def exec(
        self,
        id: str,
        cmd: str,
        *,
        tty: bool = False,
        stdin: bool = False,
        stdout: bool = False,
        stderr: bool = False,
        cluster_name: Optional[str] = None,
    ) -> "StdStream":
        """Run a command in a running job, and get its standard streams.

        The command is split into words as a shell splits them, but no shell runs it. See
        :meth:`exec_run` for the whole of it in one call.

        Args:
            id: job id.
            cmd: the command.
            tty: give the command a terminal; then ask for ``stdout`` and not for ``stderr``.
            stdin, stdout, stderr: which streams to connect; at least one.
            cluster_name: cluster of the job; None is the current one.

        Raises:
            JobNotFound: there is no such job.
            ResourceNotFound: the job is not running.
            IllegalArgumentError: no stream asked for.
            TypeError, ValueError: a command that can't be right; nothing was sent.
            OutcomeUnknown: the connection broke while the command was being started.

        Endpoint: ``GET {monitoring_url}/{id}/exec`` (WebSocket).
        """
        query = exec_query(cmd, tty=tty, stdin=stdin, stdout=stdout, stderr=stderr)
        return self._std_stream(id, "exec", query, (), cluster_name)

    def attach(
        self,
        id: str,
        *,
        tty: bool = False,
        stdin: bool = False,
        stdout: bool = False,
        stderr: bool = False,
        cluster_name: Optional[str] = None,
    ) -> "StdStream":
        """Get the standard streams of a running job itself.

        The exit code at the end is always 0, whatever the job's own: ask :meth:`wait` for that one.

        Args:
            id: job id.
            tty: True for a job that was started with a terminal (``job.container.tty``); then ask
                for ``stdout`` and not for ``stderr``.
            stdin, stdout, stderr: which streams to connect; at least one.
            cluster_name: cluster of the job; None is the current one.

        Raises:
            JobNotFound: there is no such job.
            ResourceNotFound: the job is not running.
            IllegalArgumentError: no stream asked for.
            OutcomeUnknown: the connection broke while it was being made.

        Endpoint: ``GET {monitoring_url}/{id}/attach`` (WebSocket).
        """
        query = attach_query(tty=tty, stdin=stdin, stdout=stdout, stderr=stderr)
        return self._std_stream(id, "attach", query, (_ATTACH_PROTOCOL,), cluster_name)

    def _std_stream(
        self,
        id: str,
        verb: str,
        query: "List[Tuple[str, str]]",
        subprotocols: "Tuple[str, ...]",
        cluster_name: Optional[str],
        seconds: Optional[float] = None,
    ) -> "StdStream":
        from ..streams.std import StdStream

        deadline = Deadline(seconds)
        url = self._monitoring_url(id, verb, cluster_name, seconds)
        with self._explained(id, deadline):
            connection = self._ws.dial(
                url,
                params=query,
                subprotocols=subprotocols,
                repeatable=False,
                seconds=deadline.left,
            )
        return StdStream(connection)

    def monitor(
        self,
        id: str,
        *,
        cluster_name: Optional[str] = None,
        since: Optional[datetime] = None,
        timestamps: bool = False,
        separator: Optional[str] = None,
        debug: bool = False,
        reconnect: bool = True,
        after: Optional[str] = None,
        on_gap: "Optional[Callable[[LogGap], None]]" = None,
    ) -> "LogStream":
        """Read the log of a job, from its start to the end of the job.

        It ends when the job has ended and all of its log has arrived. A connection that breaks
        before is taken up again where it broke: no line is lost, and none comes twice.

        ::

            for chunk in jobs.monitor(job.id):            # bytes, as they come
                sys.stdout.buffer.write(chunk)
            for line in jobs.monitor(job.id).lines():     # str, without the line ends
                ...

        Args:
            id: job id.
            cluster_name: cluster of the job; None is the current one.
            since: only lines of that moment and later; a naive value is local time.
            timestamps: put a time stamp before each line.
            separator: text of the line between the archived and the live part of the log, where
                there are both; None makes one of random characters, "" leaves it out.
            debug: let the server add diagnostic lines. Such a log can't be taken up again.
            reconnect: False ends the log with its first connection.
            after: a ``LogStream.cursor``: go on behind the line where that one was taken.
            on_gap: called with a LogGap where a gap can't be excluded, instead of raising it.

        Raises:
            JobNotFound: there is no such job.
            ValueError: ``after`` is no cursor, or one of another job.
            LogGap: lines may be missing, and there is no ``on_gap``.
            ConnectionFailed: the log could not be taken up again.

        Endpoint: ``GET {monitoring_url}/{id}/log_ws`` (WebSocket), and ``GET {api}/jobs/{id}`` to
        learn whether the job has ended.
        """
        from ..streams.log import LogStream

        url = self._monitoring_url(id, "log_ws", cluster_name)

        def dial(since: Optional[datetime], separator: Optional[str]) -> "WsConnection":
            with self._explained(id):
                return self._ws.dial(
                    url,
                    params=log_query(
                        since=since, timestamps=True, separator=separator, debug=debug
                    ),
                )

        return LogStream(
            dial,
            lambda: self.status(id),
            since=since,
            timestamps=timestamps,
            separator=separator,
            after=after,
            reconnect=reconnect and not debug,
            on_gap=on_gap,
            name=id,
        )

    def top(self, id: str, *, cluster_name: Optional[str] = None) -> "TelemetryStream":
        """Follow what a job uses: cpu, memory, GPU, about once a second until it ends.

        ::

            with jobs.top(job.id) as samples:
                for sample in samples:
                    print(sample.cpu, sample.memory)

        Args:
            id: job id.
            cluster_name: cluster of the job; None is the current one.

        Raises:
            JobNotFound: there is no such job.
            ResourceNotFound: the job ended without a single sample.
            ServerError: the server could not collect the figures.
            ConnectionFailed: the connection was lost, or the server ended it while the job goes on.

        Endpoint: ``GET {monitoring_url}/{id}/top`` (WebSocket).
        """
        from ..models.telemetry import JobTelemetry
        from ..streams.telemetry import TelemetryStream

        url = self._monitoring_url(id, "top", cluster_name)

        def dial() -> "WsConnection":
            with self._explained(id):
                return self._ws.dial(url)

        return TelemetryStream(dial, JobTelemetry.from_dict, lambda: self.status(id))

    def port_forward(
        self,
        id: str,
        local_port: int,
        job_port: int,
        *,
        no_key_check: bool = False,
        cluster_name: Optional[str] = None,
    ) -> "PortForward":
        """Make a port of a running job a port of this machine, inside a ``with`` block.

        ::

            with jobs.port_forward(job.id, 0, 8080) as forward:
                requests.get("http://localhost:{}/".format(forward.local_port))

        Args:
            id: job id.
            local_port: TCP port of this machine; 0 takes a free one.
            job_port: TCP port in the job.
            no_key_check: for compatibility, without meaning.
            cluster_name: cluster of the job; None is the current one.

        Raises:
            JobNotFound: there is no such job.
            ResourceNotFound: the job is not running.
            OSError: the local port is taken.

        Endpoint: ``GET {monitoring_url}/{id}/port_forward/{job_port}`` (WebSocket), once for each
        connection.
        """
        from ..streams.forward import PortForward

        for port, least in ((local_port, 0), (job_port, 1)):
            if not isinstance(port, int) or not least <= port <= 65535:
                raise ValueError("no TCP port: {!r}".format(port))
        job = self.status(id)
        if not job.status.is_running:
            raise ResourceNotFound(_not_running(job))
        # By its id: this one is found by its name, too, but not so its connections.
        url = self._monitoring_url(job.id, "port_forward/{}".format(job_port), cluster_name)

        def dial() -> "WsConnection":
            with self._explained(job.id):
                return self._ws.dial(url)

        return PortForward(dial, local_port, job_port)

    @contextmanager
    def _explained(self, id: str, deadline: Deadline = _NO_LIMIT) -> Iterator[None]:
        """Add to the server's "not running" and "no such job" what the user wants to know next."""
        try:
            yield
        except JobNotFound as error:
            if not id.startswith("job-"):
                error.args = (
                    "{} (streams take the id of a job, its name fits only status and kill)".format(
                        error.args[0]
                    ),
                )
            raise
        except ResourceNotFound as error:
            left = deadline.left
            try:
                job = self._status(
                    id, _EXPLAIN_PATIENCE if left is None else min(left, _EXPLAIN_PATIENCE)
                )
            except NeuroError:
                raise error from None
            if not job.status.is_running:
                error.args = (_not_running(job),)
            raise


def _not_running(job: "JobDescription") -> str:
    return "job {!r} is not running ({})".format(job.id, outcome(job))
