"""Reads the command line and calls the function of the command."""

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any, Callable, List, Optional

from .._version import __version__
from ..errors import NeuroError
from . import commands, doctor
from .output import prepare_streams, report

if TYPE_CHECKING:
    from ..client import Client

__all__ = ["client_of", "main"]

# What a shell reports for a program that was ended by Ctrl-C.
_INTERRUPTED = 130


def main(argv: Optional[List[str]] = None) -> int:
    """Run a command line; returns the exit code, which is the job's own where a command waits for it."""
    prepare_streams()
    arguments = _parser().parse_args(argv)
    try:
        if not arguments.needs_client:
            code = arguments.function(arguments)
        else:
            with client_of(arguments) as client:
                code = arguments.function(client, arguments)
        sys.stdout.flush()
        return int(code or 0)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): that is no failure, and nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (NeuroError, ValueError, OSError, ImportError, RuntimeError) as error:
        report("neuro_sync: {}".format(error))
        return 1


def client_of(arguments: argparse.Namespace) -> "Client":
    if arguments.url is None:
        if arguments.token_file is not None:
            raise ValueError(
                "--token-file needs --url, the address of the API that takes the token"
            )
        from ..client import get

        return get()
    from ..client import Client

    if arguments.token_file is None:
        raise ValueError("--url needs --token-file, a file that has the token in it")
    with open(arguments.token_file, encoding="utf-8") as file:
        return Client.from_token(arguments.url, file.read().strip())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m neuro_sync",
        description="Run jobs of the Neu.ro / Apolo platform. The login is that of the platform's own "
        "CLI, unless --url and --token-file name another.",
    )
    parser.add_argument("--version", action="version", version="neuro_sync " + __version__)
    parser.add_argument("--url", help="address of the API, ends in /api/v1")
    parser.add_argument("--token-file", metavar="FILE", help="file that has the token in it")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    subparsers.required = True

    def add(
        name: str, function: Callable[..., Any], help: str, needs_client: bool = True
    ) -> argparse.ArgumentParser:
        subparser = subparsers.add_parser(name, help=help, description=help)
        subparser.set_defaults(function=function, needs_client=needs_client)
        return subparser

    add(
        "doctor", doctor.doctor, "check the login, the server and the way there", needs_client=False
    )

    local = add("local", commands.local, "run a local platform until Ctrl-C", needs_client=False)
    local.add_argument("--port", type=int, default=0, help="TCP port; 0 takes a free one")
    local.add_argument("--data-dir", metavar="DIR", help="where it keeps jobs, logs and its token")

    run = add("run", commands.run, "start a job, show its log, exit with its exit code")
    run.add_argument("image")
    run.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND", help="command to run")
    run.add_argument("-p", "--preset", help="preset of resources; the first one by default")
    run.add_argument("-n", "--name")
    run.add_argument("-e", "--env", action="append", default=[], metavar="NAME=VALUE")
    run.add_argument("-v", "--volume", action="append", default=[], metavar="URI:PATH[:ro]")
    run.add_argument("-d", "--detach", action="store_true", help="print the id and leave")

    logs = add("logs", commands.logs, "show the log of a job until the job has ended")
    logs.add_argument("job")
    logs.add_argument("-t", "--timestamps", action="store_true")

    exec_ = add("exec", commands.exec_, "run a command in a job, exit with its exit code")
    exec_.add_argument("job")
    exec_.add_argument(
        "-n", "--no-stdin", action="store_true", help="leave standard input alone: it is not read"
    )
    exec_.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")

    top = add("top", commands.top, "show what a job uses, once a second")
    top.add_argument("job")

    forward = add("port-forward", commands.port_forward, "make ports of a job local ones")
    forward.add_argument("job")
    forward.add_argument(
        "ports", nargs="+", metavar="LOCAL:JOB", help="two TCP ports, as in 8080:80"
    )

    ls = add("ls", commands.ls, "list jobs that have not ended, or all of them")
    ls.add_argument("-a", "--all", action="store_true")
    ls.add_argument("--limit", type=int)

    kill = add("kill", commands.kill, "kill jobs")
    kill.add_argument("jobs", nargs="+", metavar="JOB")
    return parser
