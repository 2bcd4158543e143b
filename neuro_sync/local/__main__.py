"""``python -m neuro_sync.local``: a platform in the foreground, until Ctrl-C."""

import argparse
import asyncio
import errno
import logging
import os
import shlex
import shutil
import signal
import sys
import tempfile
from typing import TYPE_CHECKING, List, Optional

from .platform import require_extra
from .settings import Settings

if TYPE_CHECKING:
    from .app import Server

__all__ = ["main"]


def main(argv: Optional[List[str]] = None) -> int:
    """Run a platform until Ctrl-C, SIGTERM, or the end of the process that it was started for."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    if arguments.data_dir is None:
        with tempfile.TemporaryDirectory(prefix="neuro_sync-") as directory:
            return _run(directory, arguments)
    try:
        return _run(arguments.data_dir, arguments)
    finally:
        if arguments.remove_data_dir:
            shutil.rmtree(arguments.data_dir, ignore_errors=True)


def _run(data_dir: str, arguments: argparse.Namespace) -> int:
    try:
        require_extra()
    except ImportError as error:
        print(error, file=sys.stderr)
        return 1
    from .app import Server

    settings = Settings(
        jobs_quota=arguments.jobs_quota, seconds_per_minute=arguments.seconds_per_minute
    )
    server = Server(data_dir, arguments.port, settings)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(_serve(server, arguments.ready_fd, arguments.parent_fd))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return _fail("port {} is taken (0 takes a free one)".format(arguments.port))
        return _fail(str(error))
    finally:
        loop.close()


def _fail(reason: str) -> int:
    print("the local platform cannot start: {}".format(reason), file=sys.stderr)
    return 1


async def _serve(server: "Server", ready_fd: Optional[int], parent_fd: Optional[int]) -> int:
    loop = asyncio.get_event_loop()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ended.set)
    if parent_fd is not None:
        # Its other end is the parent's alone: it becomes readable when the parent has gone.
        loop.add_reader(parent_fd, ended.set)
    await server.start()
    if ready_fd is not None:
        os.write(ready_fd, "{}\n".format(server.api_url).encode())
        os.close(ready_fd)
    else:
        _greet(server)
    await ended.wait()
    if parent_fd is not None:
        loop.remove_reader(parent_fd)
    await server.stop()
    if ready_fd is None:
        try:
            print("\nThe local platform has ended.", flush=True)
        except BrokenPipeError:
            # Ctrl-C has ended the reader, too (`| tee`): nobody is left to tell.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _greet(server: "Server") -> None:
    print(
        "A local platform, for this machine alone; its jobs are processes of it.\n\n"
        "  API    {url}\n"
        "  token  {file}\n\n"
        "In a shell:\n\n"
        "  python -m neuro_sync --url {url} \\\n"
        "      --token-file {quoted} ls\n\n"
        "In Python:\n\n"
        "  import neuro_sync\n"
        "  jobs = neuro_sync.JobsClient(\n"
        "      {url!r},\n"
        "      open({file!r}).read())\n\n"
        "Ctrl-C ends it and all its jobs.".format(
            url=server.api_url, file=server.token_file, quoted=shlex.quote(server.token_file)
        ),
        flush=True,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m neuro_sync.local",
        description="A platform on this machine: the real protocol, real processes as jobs.",
    )
    parser.add_argument("--port", type=_port, default=0, help="TCP port; 0 takes a free one")
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="where it keeps jobs, logs and its token, and finds those of last time; "
        "without it a new directory, removed at the end",
    )
    parser.add_argument(
        "--jobs-quota", type=int, metavar="N", help="jobs that may be active at once"
    )
    parser.add_argument(
        "--seconds-per-minute",
        type=float,
        default=60.0,
        metavar="S",
        help="how long a minute of a life span takes, for tests of it",
    )
    # How LocalPlatform talks to it.
    parser.add_argument("--remove-data-dir", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--parent-fd", type=int, help=argparse.SUPPRESS)
    return parser


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError("{!r} is no port".format(text))
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
