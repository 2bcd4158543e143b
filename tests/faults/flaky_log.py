"""A server of one log that goes wrong in every way a log can, at places that a seed decides."""

import threading
from bisect import bisect_left
from collections import Counter, namedtuple
from datetime import datetime, timezone

from neuro_sync import JobStatus
from neuro_sync.streams.log import LogStream
from neuro_sync.streams.retrying import ReconnectPolicy
from neuro_sync.transport.auth import TokenSource
from neuro_sync.transport.retry import Retrier, RetryPolicy
from neuro_sync.transport.ws import WsTransport

from ..wire.stream_server import Refusal

__all__ = ["BREAKS", "FlakyLog", "Job", "LogClient"]

#: Each is a way in which a connection ends before the log does.
BREAKS = ("reset", "silent", "1000", "1001", "1006", "1011", "502", "expired", "restart", "backend")

_START = int(datetime(2026, 9, 14, 8, 11, 12, tzinfo=timezone.utc).timestamp()) * 10**9
_SECOND = 10**9
# How the archives write the time of a line: digits of the fraction, and what is behind it.
_ARCHIVES = ((3, b"Z "), (6, b"Z "), (9, b"Z "), (6, b" "))
_LIVE = (9, b"Z ")
_BATCH = 400
_FRAGMENT = 23  # the least that the live part sends of a line that is not complete

Job = namedtuple("Job", "status")
_Cut = namedtuple("_Cut", "position kind")


class FlakyLog:
    """A log of numbered lines, a little of it at each connection.

    Args:
        rng: decides everything.
        lines: how many.
        cuts: how many connections break.
    """

    def __init__(self, rng, lines, cuts):
        self._rng = rng
        self._lock = threading.Lock()
        self.lines = [b"%07d %s" % (number, _filling(rng)) for number in range(lines)]
        self.times = _times(rng, lines)
        # The job ends before its log has been delivered.
        self._left_at_end = rng.randrange(min(10, cuts))
        self.cuts = _cuts(rng, lines, cuts, self._left_at_end)
        self.broken = Counter()
        self.finished = False
        self.token = "token-0"
        self._refusals = 0
        self._container = 0  # the first line of the container that runs
        self._archive = rng.choice(_ARCHIVES)

    def job(self):
        """The job as the platform tells it."""
        return Job(JobStatus.SUCCEEDED if self.finished else JobStatus.RUNNING)

    def admit(self, peer, number):
        """Answers a handshake."""
        if peer.headers["authorization"] != "Bearer " + self.token:
            raise Refusal(401, body=b"401: Unauthorized")
        with self._lock:
            if self._refusals:
                self._refusals -= 1
                raise Refusal(502, body=b"<html>Bad Gateway</html>")

    def serve(self, peer):
        """The handler of a connection."""
        self.finished = len(self.cuts) <= self._left_at_end
        cut = self.cuts.pop(0) if self.cuts else _Cut(len(self.lines), "end")
        for frames in self._frames(peer.query, cut.position):
            peer.send(*frames)
        self.broken[cut.kind] += 1
        self._break(peer, cut)

    def _break(self, peer, cut):
        kind = cut.kind
        if kind == "end":
            peer.close(1000)
        elif kind == "reset":
            peer.reset()
        elif kind == "silent":
            # Reads, so that the client can send its pings, and answers nothing.
            peer.sock.settimeout(30)
            while peer.sock.recv(4096):
                pass
        elif kind == "502":
            self._refusals = self._rng.randrange(1, 5)
        elif kind == "expired":
            self.token = "token-{}".format(self.broken[kind])
        elif kind == "restart":
            self._container = cut.position
            peer.close(1000)
        elif kind == "backend":
            self._archive = self._rng.choice(_ARCHIVES)
        elif kind != "1006":
            peer.close(int(kind))

    def _frames(self, query, end):
        """The frames up to a line, and perhaps a piece of that one."""
        separator = query["separator"].encode() + b"\n"
        since = _nanoseconds(query.get("since"))
        first = bisect_left(self.times, since)
        border = (
            len(self.lines) if self.finished else self._rng.randrange(first, max(first, end) + 1)
        )
        border = max(border, min(self._container, end))
        frames = [self._line(number, self._archive) for number in range(first, min(border, end))]
        yield from _batches(frames)
        if border >= end:
            return
        live = border
        if first < border:
            if self._rng.random() < 0.5:
                # It is asked for whole seconds, so that some lines come from both parts.
                second = self.times[border] // _SECOND * _SECOND
                live = max(self._container, bisect_left(self.times, max(since, second)))
            yield [separator]
        frames = []
        for number in range(live, end):
            line = self._line(number, _LIVE)
            whole = number % 50 and len(line) < 1000
            frames += [line] if whole else self._fragments(line)
        if end < len(self.lines) and self._rng.random() < 0.5:
            pieces = self._fragments(self._line(end, _LIVE))
            frames += pieces[: self._rng.randrange(len(pieces))]
        yield from _batches(frames)

    def _line(self, number, form):
        digits, zone = form
        ns = self.times[number]
        if form is _ARCHIVES[1]:
            ns += 1000 * (number % 3 - 1)  # converted through a double, it is off by a microsecond
        second, fraction = divmod(ns, _SECOND)
        stamp = b"%s.%s%s" % (_text(second), (b"%09d" % fraction)[:digits], zone)
        return stamp + self.lines[number] + b"\n"

    def _fragments(self, line):
        pieces = []
        at = 0
        while at < len(line):
            size = self._rng.randrange(1, 60) if at else self._rng.randrange(_FRAGMENT, 80)
            if len(line) > 1000:
                size *= 1000
            pieces.append(line[at : at + size])
            at += size
        return pieces


class LogClient(TokenSource):
    """Reads that log as JobsClient does, with less patience."""

    def __init__(self, log, url):
        self._log = log
        self._url = url + "/log_ws"
        self._token = log.token
        self.refreshes = 0
        self._ws = WsTransport(
            self,
            retrier=Retrier(RetryPolicy(base=0.001)),
            heartbeat=0.05,
            silence=0.15,
        )

    def token(self, seconds=None):
        return self._token

    def refresh(self, rejected, seconds=None):
        self._token = self._log.token
        self.refreshes += 1
        return True

    def monitor(self, **options):
        return LogStream(
            self._dial,
            self._log.job,
            name="job-1",
            policy=ReconnectPolicy(patience=60, base=0.001, cap=0.01, archive_lag=0.05),
            **options,
        )

    def _dial(self, since, separator):
        params = [("timestamps", "true"), ("separator", separator)]
        if since is not None:
            params.append(("since", since.isoformat()))
        return self._ws.dial(self._url, params=params)


def _filling(rng):
    if rng.random() < 0.001:
        return b"long" * rng.randrange(10000)
    return b"x" * rng.randrange(60)


def _times(rng, count):
    """About 2,000 lines a second, in bursts, now and then a pause."""
    times = []
    ns = _START
    for _ in range(count):
        ns += rng.choice((1, 1, 1, 1000, 400000, 1000000, 2500000))
        if rng.random() < 0.0005:
            ns += rng.randrange(3 * _SECOND)
        times.append(ns)
    return times


def _cuts(rng, lines, count, left_at_end):
    positions = sorted(rng.randrange(lines) for _ in range(count))
    kinds = [BREAKS[number % len(BREAKS)] for number in range(count)]
    rng.shuffle(kinds)
    cuts = []
    for position, kind in zip(positions, kinds):
        if len(cuts) >= count - left_at_end and kind in ("1000", "restart"):
            # No container starts again now, and an orderly end that brings nothing new is the end.
            cuts.append(_Cut(min(lines, max(cut.position for cut in cuts) + 1), "1000"))
            continue
        if kind != "restart" and rng.random() < 0.15:
            # Before it gets to anything new.
            position = max(0, position - rng.randrange(2000))
        cuts.append(_Cut(position, kind))
    return cuts


def _batches(frames):
    for start in range(0, len(frames), _BATCH):
        yield frames[start : start + _BATCH]


def _nanoseconds(since):
    if since is None:
        return 0
    moment = datetime.strptime(since, "%Y-%m-%dT%H:%M:%S+00:00").replace(tzinfo=timezone.utc)
    return int(moment.timestamp()) * _SECOND


_texts = {}


def _text(second):
    if second not in _texts:
        moment = datetime.fromtimestamp(second, timezone.utc)
        _texts[second] = moment.strftime("%Y-%m-%dT%H:%M:%S").encode()
    return _texts[second]
