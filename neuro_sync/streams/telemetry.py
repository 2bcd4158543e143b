"""What a job uses, sample by sample."""

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Deque, List, Mapping, Optional

from ..errors import ConnectionFailed, ProtocolError, ResourceNotFound, ServerError
from ..transport.ws_connection import WsClosed
from ..wire.json_text import json_reader
from .onereader import OneReader
from .reader import Reader, close_text

if TYPE_CHECKING:
    from ..models.telemetry import JobTelemetry
    from ..transport.ws_connection import WsConnection

__all__ = ["TelemetryStream"]

_ORDERLY = (1000, 1005)
_INTERNAL_ERROR = 1011
# Ten minutes of samples: what a notebook shows of them.
_KEPT = 600


class TelemetryStream:
    """The telemetry of a job, about one sample a second until it ends.

    An iterator and a context manager. Under ``with`` the connection is made, and its errors raised,
    on entry; otherwise at the first sample. In a notebook it shows the samples that were taken so far, cpu
    and memory over time.

    Args:
        dial: makes the connection; called in another thread.
        decode: makes a sample of the JSON object of a frame.
        poll_job: tells the job, where the server ends the stream, called in another thread: with
            it, an end while the job goes on is an error.
    """

    def __init__(
        self,
        dial: "Callable[[], WsConnection]",
        decode: "Callable[[Mapping[str, Any]], JobTelemetry]",
        poll_job: Optional[Callable[[], Any]] = None,
    ) -> None:
        self._dial = dial
        self._decode = decode
        self._read = json_reader()
        self._poll_job = poll_job
        self._one_reader = OneReader()
        self._reader: Optional[Reader] = None
        self._taken: "Deque[JobTelemetry]" = deque(maxlen=_KEPT)
        self._sampled = False
        self._over = False

    def __iter__(self) -> "TelemetryStream":
        return self

    def __next__(self) -> "JobTelemetry":
        """Wait for the next sample.

        Raises:
            ResourceNotFound: the job ended without a single sample.
            ServerError: the server could not collect the figures.
            ConnectionFailed: the connection was lost.
            ConcurrentRead: another thread is reading.
        """
        with self._one_reader:
            while not self._over:
                reader = self._reader or self._open()
                frames = reader.items
                if frames:
                    sample = self._sample(frames)
                    # Here, so that Ctrl-C can't find it on its way.
                    frames.popleft()
                    return sample
                if not reader.take(_samples):
                    self._end(reader)
            raise StopIteration

    def _sample(self, frames: Deque[bytes]) -> "JobTelemetry":
        self._sampled = True
        try:
            payload = self._read(frames[0])
            if payload.__class__ is not dict:
                raise ProtocolError(
                    "a telemetry frame is no JSON object: {!r}".format(frames[0][:100])
                )
            sample = self._decode(payload)
        except ValueError as error:
            raise ProtocolError(
                "a telemetry frame is not JSON: {!r}".format(frames.popleft()[:100])
            ) from error
        except ProtocolError:
            frames.popleft()
            raise
        self._taken.append(sample)
        return sample

    def _open(self) -> Reader:
        if self._reader is None:
            self._reader = Reader(self._dial, partial(_poll_after, self._poll_job))
            if self._over:  # close() in another thread came in between
                self._reader.close()
        return self._reader

    def _end(self, reader: Reader) -> None:
        failure = None if reader.closed else self._failure(reader)
        # Not before it is known: Ctrl-C must not make an end in order of it.
        self._over = True
        if failure is not None:
            raise failure

    def _failure(self, reader: Reader) -> Optional[BaseException]:
        """What was wrong with the end of the connection, or None."""
        error, job, conn = reader.error, reader.afterwards, reader.connection
        if conn is None or not isinstance(error, WsClosed):
            return error
        if error.code == _INTERNAL_ERROR:
            text = "the server could not collect the telemetry: " + (error.reason or "no reason")
            return ServerError(text, **conn.facts)
        if error.code not in _ORDERLY:
            text = "the server ended the telemetry" + close_text(error)
            return ConnectionFailed(text, **conn.facts)
        if isinstance(job, BaseException):
            return job
        if job is not None and not job.status.is_finished:
            text = "the server ended the telemetry though the job goes on (it is {})"
            return ConnectionFailed(text.format(job.status.value), **conn.facts)
        if not self._sampled:
            text = "the job is not running: there is no telemetry of it"
            return ResourceNotFound(text, **conn.facts)
        return None

    def __enter__(self) -> "TelemetryStream":
        if not self._over:
            reader = self._open()
            if not reader.opened():
                self._end(reader)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End the stream, from any thread, at any time."""
        self._over = True
        if self._reader is not None:
            self._reader.close()

    def __repr__(self) -> str:
        state = "closed" if self._over else "new" if self._reader is None else "open"
        return "<TelemetryStream {}>".format(state)

    def _repr_html_(self) -> str:
        from ..display import telemetry_html

        return telemetry_html(list(self._taken))


def _poll_after(poll_job: Optional[Callable[[], Any]], error: BaseException, opened: bool) -> Any:
    """Ask for the job where the server ended the stream as it does when the job has ended."""
    in_order = isinstance(error, WsClosed) and error.code in _ORDERLY
    return poll_job() if in_order and poll_job is not None else None


def _samples(frames: List[bytes]) -> Deque[bytes]:
    return deque(filter(None, frames))
