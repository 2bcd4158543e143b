"""LocalPlatform: a platform in a process of its own, for as long as it is wanted."""

import importlib.util
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, List, Optional, Union
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

if TYPE_CHECKING:
    from ..client import Client

__all__ = ["Faults", "LocalPlatform", "require_extra"]

_EXTRA = ("aiohttp", "psutil", "jwt", "trafaret")

# Without the empty entry: files of the current directory may have the names of libraries.
_START = (
    "import sys; sys.path[:] = [{!r}, *filter(None, sys.path)]; "
    "from neuro_sync.local.__main__ import main; sys.exit(main())"
)
_START_PATIENCE = 60.0
_STOP_PATIENCE = 15.0


class LocalPlatform:
    """A platform on this machine, in a process of its own; a context manager.

    ::

        with LocalPlatform() as platform, platform.client() as client:
            job = client.jobs.start(image="ubuntu", preset_name="cpu-small", command="sleep 5")

    It listens on 127.0.0.1 alone, runs jobs as processes of this machine, and ends, with all its jobs,
    when it is closed or when this process ends.

    Args:
        data_dir: where it keeps jobs, logs and its token, and finds those of last time; None: a new directory,
            removed at the end.
        port: TCP port; 0 takes a free one.
        jobs_quota: jobs that may be active at once; None: any number.
        seconds_per_minute: how long a minute of a life span takes, for tests of life spans.

    Raises:
        ImportError: what it needs is not installed; the message says how to get it.
        RuntimeError: it could not be started; the message has its last words.

    Attributes:
        api_url: address of its API.
        data_dir: where it keeps everything.
        faults: the switch that makes requests go wrong.
    """

    def __init__(
        self,
        data_dir: Union[str, Path, None] = None,
        port: int = 0,
        *,
        jobs_quota: Optional[int] = None,
        seconds_per_minute: float = 60.0,
    ) -> None:
        require_extra()
        temporary = None
        if data_dir is None:
            data_dir = temporary = tempfile.mkdtemp(prefix="neuro_sync-")
        self.data_dir = Path(data_dir).absolute()
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        words = ["--port", str(port), "--data-dir", str(self.data_dir)]
        words += ["--seconds-per-minute", str(seconds_per_minute)]
        if jobs_quota is not None:
            words += ["--jobs-quota", str(jobs_quota)]
        if temporary is not None:
            words += ["--remove-data-dir"]
        with _Log(self.data_dir / "platform.log") as log:
            process, lifeline, ready = _spawn(words, log)
            self._close = weakref.finalize(self, _stop, process, lifeline, temporary, os.getpid())
            try:
                self.api_url = _await_ready(process, ready, log)
            except BaseException:
                self._close()
                raise
        self.faults = Faults(self)

    @property
    def token(self) -> str:
        """The token; a new one after ``faults.expire_token()``."""
        return (self.data_dir / "token").read_text(encoding="utf-8")

    def client(self, **options: Any) -> "Client":
        """A client of it; the options are those of ``Client.from_token``."""
        from ..client import Client

        return Client.from_token(self.api_url, self.token, **options)

    def close(self) -> None:
        """End it and all its jobs."""
        self._close()

    def __enter__(self) -> "LocalPlatform":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return "<LocalPlatform {}>".format(self.api_url)


def require_extra() -> None:
    """Raise ImportError where a library is missing that the platform needs and a client does not."""
    missing = [name for name in _EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            "the local platform needs {}: pip install 'neuro_sync[local]'".format(
                ", ".join(missing)
            )
        )


class Faults:
    """Makes requests to a local platform go wrong.

    Endpoints have these names: ``start``, ``run``, ``list``, ``status``, ``kill``, ``max_run_time``,
    ``config``, ``capacity``, ``log``, ``log_ws``, ``top``, ``save``, ``attach``, ``exec``, ``signal``,
    ``port_forward``, ``token``; ``*`` is all of them. ``times`` is how many requests are struck, None any
    number. Faults strike in the order in which they were switched on, one at a request. After 0 bytes
    a stream is struck as soon as it is open. Each method raises ValueError for what can't be.
    """

    def __init__(self, platform: LocalPlatform) -> None:
        self._platform = platform
        # Never through a proxy: it is this machine.
        self._open = build_opener(ProxyHandler({})).open

    def answer(
        self,
        status: int,
        *,
        retry_after: Optional[float] = None,
        endpoint: str = "*",
        times: Optional[int] = 1,
        body: Optional[str] = None,
    ) -> None:
        """Answer with a status; the request is not executed.

        Args:
            retry_after: seconds, for that header.
            body: text of the answer; None: an error as the platform has it.
        """
        self._add("answer", endpoint, times, status=status, retry_after=retry_after, body=body)

    def refuse(self, endpoint: str = "*", *, status: int = 503, times: Optional[int] = 1) -> None:
        """Answer with a status; the request is not executed."""
        self._add("answer", endpoint, times, status=status)

    def reset_after(self, nbytes: int, *, endpoint: str = "*", times: Optional[int] = 1) -> None:
        """Reset the connection once so many bytes of the answer or the stream have been sent."""
        self._add("reset_after", endpoint, times, after=nbytes)

    def lose_answer(self, endpoint: str = "*", *, times: Optional[int] = 1) -> None:
        """Execute the request, and reset the connection instead of answering."""
        self._add("lose_answer", endpoint, times)

    def stall(self, endpoint: str = "*", *, after: int = 0, times: Optional[int] = 1) -> None:
        """Go silent, pings unanswered, once so many bytes have been sent."""
        self._add("stall", endpoint, times, after=after)

    def close(
        self, code: int, *, endpoint: str = "*", after: int = 0, times: Optional[int] = 1
    ) -> None:
        """Close a stream with a code once so many bytes have been sent; 1006: without a close frame."""
        self._add("close", endpoint, times, code=code, after=after)

    def expire_token(self) -> None:
        """Refuse every token that there is with 401. ``platform.token`` is a new one then."""
        self._call("POST", {"kind": "expire_token"})

    def rotate_refresh_tokens(self) -> None:
        """Take each refresh token once from now on, until ``clear()``, and give the next one with the answer."""
        self._call("POST", {"kind": "rotate_refresh_tokens"})

    def clear(self) -> None:
        """Switch all faults off, and count requests anew."""
        self._call("DELETE")

    def seen(self, endpoint: str) -> int:
        """How many requests an endpoint has got since the last ``clear()``, struck ones too."""
        counts = self._call("GET")["seen"]
        return int(counts.get(endpoint, 0))

    def _add(self, kind: str, endpoint: str, times: Optional[int], **facts: Any) -> None:
        self._call("POST", {"kind": kind, "endpoint": endpoint, "times": times, **facts})

    def _call(self, method: str, body: Any = None) -> Any:
        request = Request(
            self._platform.api_url + "/_local/faults",
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": "Bearer " + self._platform.token,
                "Content-Type": "application/json",
            },
            method=method,
        )
        try:
            with self._open(request, timeout=30) as response:
                return json.loads(response.read().decode())
        except HTTPError as error:
            with error:
                text = error.read().decode()
            if error.code != 400:
                raise
            raise ValueError(json.loads(text)["error"]) from None


class _Log:
    """The file that a platform's own words go to, behind those of earlier ones."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(str(path), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self.file = os.fdopen(descriptor, "r+b", buffering=0)
        self._start = os.fstat(descriptor).st_size

    def last_words(self) -> str:
        self.file.seek(self._start)
        text = self.file.read().decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-15:])

    def __enter__(self) -> "_Log":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.file.close()


def _spawn(words: List[str], log: _Log) -> Any:
    """Start the process; the ends of two pipes come with it: one to let it live, one to hear of it."""
    root = str(Path(__file__).resolve().parents[2])
    lifeline_theirs, lifeline = os.pipe()
    ready, ready_theirs = os.pipe()
    words = [*words, "--ready-fd", str(ready_theirs), "--parent-fd", str(lifeline_theirs)]
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", _START.format(root), *words],
            stdin=subprocess.DEVNULL,
            stdout=log.file,
            stderr=log.file,
            pass_fds=[lifeline_theirs, ready_theirs],
            # Ctrl-C at the terminal is for the user's program, which then closes this one.
            start_new_session=True,
        )
    except BaseException:
        os.close(lifeline)
        os.close(ready)
        raise
    finally:
        os.close(lifeline_theirs)
        os.close(ready_theirs)
    return process, lifeline, ready


def _await_ready(process: "subprocess.Popen[bytes]", ready: int, log: _Log) -> str:
    deadline = time.monotonic() + _START_PATIENCE
    text = b""
    with os.fdopen(ready, "rb", buffering=0) as pipe:
        while not text.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                raise RuntimeError(
                    "the local platform did not start in time:\n{}".format(log.last_words())
                )
            piece = pipe.read(4096)
            if not piece:
                process.wait()
                raise RuntimeError("the local platform did not start:\n{}".format(log.last_words()))
            text += piece
    return text.decode().strip()


def _stop(
    process: "subprocess.Popen[bytes]", lifeline: int, temporary: Optional[str], pid: int
) -> None:
    os.close(lifeline)
    if os.getpid() != pid:
        return  # the child of a fork: the platform is its parent's
    try:
        process.wait(_STOP_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if temporary is not None:
        shutil.rmtree(temporary, ignore_errors=True)
