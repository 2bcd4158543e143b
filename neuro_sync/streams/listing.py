"""A listing of jobs that decodes each as it arrives."""

from typing import TYPE_CHECKING, Any, Callable, Iterator, List, Mapping, Optional

from ..errors import NDJSONError, NeuroError, ProtocolError
from ..transport.calloff import Making
from ..wire.json_text import json_reader, load_json
from ..wire.ndjson import NdjsonSplitter
from .onereader import OneReader

if TYPE_CHECKING:
    from ..models.jobs import JobDescription
    from ..transport.answers import HttpStream

__all__ = ["JobListing"]

_SHOWN = 20


class JobListing:
    """Jobs of the platform, in order: an iterator and a context manager.

    Under ``with`` the request is made, and its errors raised, on entry; otherwise at the first item.
    A break, an exception or ``close()`` in another thread ends it at once. In a notebook an
    expression that is a listing shows its first jobs as a table, by a request of its own.

    Raises:
        NDJSONError: the server failed half-way; all jobs before were delivered.
        ConnectionFailed: the answer was cut half-way.
        ProtocolError: the answer is not a listing.
        ConcurrentRead: another thread is reading; that one goes on.
    """

    def __init__(
        self,
        open_stream: "Callable[[Optional[int]], HttpStream]",
        decode: "Callable[[Mapping[str, Any]], JobDescription]",
        limit: Optional[int] = None,
    ) -> None:
        # open_stream(limit) asks for at most so many jobs.
        self._open_stream = open_stream
        self._decode = decode
        self._limit = limit
        self._stream: "Optional[HttpStream]" = None
        self._jobs: "Optional[Iterator[JobDescription]]" = None
        self._making = Making()
        self._one_reader = OneReader()
        self._closed = False

    def _open(self) -> None:
        if self._stream is not None or self._closed:
            return
        try:
            with self._making:
                stream = self._open_stream(self._limit)
        except NeuroError:
            if self._closed:
                return  # close() in another thread called it off: that is its end, no failure
            raise
        self._stream = stream
        if self._closed:
            stream.close()
        else:
            self._jobs = _read(stream, self._decode)

    def __iter__(self) -> "Iterator[JobDescription]":
        return self

    def __next__(self) -> "JobDescription":
        with self._one_reader:
            if self._jobs is None:
                self._open()
            jobs = self._jobs
            if jobs is None:
                raise StopIteration
            try:
                return next(jobs)
            except BaseException as error:
                closed = self._closed
                self.close()
                if closed and not isinstance(error, (KeyboardInterrupt, SystemExit)):
                    # close() in another thread tore the connection down: that is its end, no failure.
                    raise StopIteration from error
                if isinstance(error, NeuroError) and self._stream is not None:
                    self._stream.mark(error)
                raise

    def __enter__(self) -> "JobListing":
        with self._one_reader:
            self._open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End the listing, from any thread."""
        self._closed = True
        self._jobs = None
        self._making.call_off()
        if self._stream is not None:
            self._stream.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "new" if self._stream is None else "open"
        return "<JobListing {}>".format(state)

    def _repr_html_(self) -> str:
        from ..display import jobs_table_html

        shown = _SHOWN if self._limit is None else min(self._limit, _SHOWN)
        with JobListing(self._open_stream, self._decode, shown) as jobs:
            return jobs_table_html(list(jobs))


def _read(
    stream: "HttpStream", decode: "Callable[[Mapping[str, Any]], JobDescription]"
) -> "Iterator[JobDescription]":
    # It does not know the listing: one that is forgotten is collected at once, and its connection with it.
    if not stream.headers.get("Content-Type", "").startswith("application/x-ndjson"):
        # Servers and proxies that do not know ndjson answer with one JSON document.
        for item in _jobs_of_document(b"".join(stream)):
            yield decode(item)
        return
    splitter = NdjsonSplitter()
    read_json = json_reader()
    for chunk in stream:
        for line in splitter.feed(chunk):
            if line.strip():
                yield decode(_job_of_line(line, read_json))
    rest = splitter.finish()
    if rest.strip():
        # An error that happens after the first line comes last and without a line end.
        _job_of_line(rest, read_json)
        raise ProtocolError("the listing ended in the middle of a line")


def _job_of_line(line: bytes, read_json: Callable[[bytes], Any]) -> Mapping[str, Any]:
    try:
        item = read_json(line)
    except ValueError as error:
        raise ProtocolError("a line of the listing is not JSON") from error
    if not isinstance(item, dict):
        raise ProtocolError("a line of the listing is not a JSON object")
    if "error" in item:
        raise NDJSONError(str(item["error"]))
    return item


def _jobs_of_document(body: bytes) -> List[Mapping[str, Any]]:
    try:
        document = load_json(body)
    except ValueError as error:
        raise ProtocolError("the listing is not JSON") from error
    jobs = document.get("jobs") if isinstance(document, dict) else None
    if not isinstance(jobs, list) or not all(isinstance(item, dict) for item in jobs):
        raise ProtocolError("the listing has no list of jobs")
    return jobs
