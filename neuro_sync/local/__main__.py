"""``python -m neuro_sync.local``: a platform in the foreground, until Ctrl-C."""

import argparse
import asyncio
import logging
import os
import signal
import sys
import tempfile
from typing import List, Optional

from .app import Server
from .settings import Settings

__all__ = ["main"]


def main(argv: Optional[List[str]] = None) -> int:
    """Run a platform until Ctrl-C, SIGTERM, or the end of the process that it was started for."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    settings = Settings(
        jobs_quota=arguments.jobs_quota, seconds_per_minute=arguments.seconds_per_minute
    )
    if arguments.data_dir is not None:
        return _run(arguments.data_dir, arguments, settings)
    with tempfile.TemporaryDirectory(prefix="neuro_sync-") as directory:
        return _run(directory, arguments, settings)


def _run(data_dir: str, arguments: argparse.Namespace, settings: Settings) -> int:
    server = Server(data_dir, arguments.port, settings)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(_serve(server, arguments.ready_fd, arguments.parent_fd))
    except OSError as error:
        print("the local platform cannot start: {}".format(error), file=sys.stderr)
        return 1
    finally:
        loop.close()


async def _serve(server: Server, ready_fd: Optional[int], parent_fd: Optional[int]) -> int:
    loop = asyncio.get_event_loop()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
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
    return 0


def _greet(server: Server) -> None:
    print(
        "A local platform, until Ctrl-C.\n\n"
        "  API    {url}\n"
        "  token  in {file}\n\n"
        "  python -m neuro_sync --url {url} --token-file {file} ls\n\n"
        "  jobs = neuro_sync.JobsClient({url!r}, open({file!r}).read())\n".format(
            url=server.api_url, file=server.token_file
        ),
        flush=True,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m neuro_sync.local",
        description="A platform on this machine: the real protocol, real processes as jobs.",
    )
    parser.add_argument("--port", type=int, default=0, help="TCP port; 0 takes a free one")
    parser.add_argument("--data-dir", metavar="DIR", help="where it keeps jobs, logs and its token")
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
    parser.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--parent-fd", type=int, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
