"""One function for each command; what it returns is the exit code."""

import argparse
import shlex
import sys
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, List, Optional, Tuple

from ..errors import NeuroError, StdStreamError
from ..jobs.outcome import outcome
from ..models.jobs import JobStatus
from ..terminal import NOT_RUN
from ..wire.texts import printable
from .output import report

if TYPE_CHECKING:
    from ..client import Client

__all__ = ["exec_", "kill", "local", "logs", "ls", "port_forward", "run", "top"]


def local(arguments: argparse.Namespace) -> Optional[int]:
    from ..local.platform import require_extra

    require_extra()
    from ..local.__main__ import main

    words = ["--port", str(arguments.port)]
    if arguments.data_dir is not None:
        words += ["--data-dir", arguments.data_dir]
    return main(words)


def run(client: "Client", arguments: argparse.Namespace) -> int:
    parsed = client.parse.envs(arguments.env)
    volumes = client.parse.volumes(arguments.volume)
    job = client.jobs.start(
        image=arguments.image,
        preset_name=arguments.preset or _first_preset(client),
        command=_command(arguments.words),
        name=arguments.name,
        env=parsed.env,
        secret_env=parsed.secret_env,
        volumes=list(volumes.volumes),
        secret_files=list(volumes.secret_files),
        disk_volumes=list(volumes.disk_volumes),
    )
    print(job.id, file=sys.stdout if arguments.detach else sys.stderr)
    if arguments.detach:
        return 0
    try:
        _copy_log(client, job.id)
    except KeyboardInterrupt:
        print("\nthe job goes on; to end it:", _kill_line(arguments, job.id), file=sys.stderr)
        raise
    ended = client.jobs.wait(job.id)
    if ended.status is JobStatus.SUCCEEDED:
        return 0
    report("{}: {}".format(ended.id, outcome(ended)))
    # A job that was cancelled may have no exit code of its own, or 0.
    return ended.history.exit_code or 1


def logs(client: "Client", arguments: argparse.Namespace) -> None:
    _copy_log(client, client.jobs.status(arguments.job).id, timestamps=arguments.timestamps)


def exec_(client: "Client", arguments: argparse.Namespace) -> Optional[int]:
    command = _command(arguments.words)
    if not command:
        raise ValueError("no command given")
    id = _running(client, arguments.job)
    if arguments.no_stdin:
        return _copy_output(client, id, command)
    if sys.stdin.isatty() and sys.stdout.isatty():
        return client.jobs.interact(id, command)
    # Not a terminal: what comes on standard input is the input of the command. The protocol has no
    # end of input: the command is told its length, so all of it is read before.
    data = b"" if sys.stdin.isatty() else sys.stdin.buffer.read()
    if not data:
        return _copy_output(client, id, command)
    result = client.jobs.exec_run(id, command, input=data)
    sys.stdout.buffer.write(result.stdout)
    sys.stdout.flush()
    sys.stderr.buffer.write(result.stderr)
    return result.exit_code


def top(client: "Client", arguments: argparse.Namespace) -> None:
    row = "{:>8} {:>12} {:>6} {:>12}"
    print(row.format("CPU", "MEMORY MiB", "GPU %", "GPU MiB"))
    with client.jobs.top(_running(client, arguments.job)) as samples:
        for sample in samples:
            duty, memory = sample.gpu_duty_cycle, sample.gpu_memory
            print(
                row.format(
                    "{:.2f}".format(sample.cpu),
                    "{:.1f}".format(sample.memory),
                    "-" if duty is None else duty,
                    "-" if memory is None else "{:.0f}".format(memory),
                ),
                flush=True,
            )


def port_forward(client: "Client", arguments: argparse.Namespace) -> None:
    ports = [_ports(text) for text in arguments.ports]
    id = _running(client, arguments.job)
    with ExitStack() as stack:
        for local_port, job_port in ports:
            forward = stack.enter_context(client.jobs.port_forward(id, local_port, job_port))
            print("127.0.0.1:{} -> {}".format(forward.local_port, job_port), flush=True)
        print("until Ctrl-C", flush=True)
        threading.Event().wait()


def ls(client: "Client", arguments: argparse.Namespace) -> None:
    statuses = () if arguments.all else JobStatus.active_items()
    row = "{:<40} {:<20} {:<10} {:<20} {}"
    print(row.format("ID", "NAME", "STATUS", "CREATED", "IMAGE"))
    with client.jobs.list(statuses=statuses, limit=arguments.limit, reverse=True) as jobs:
        for job in jobs:
            created = job.history.created_at
            print(
                row.format(
                    printable(job.id),
                    printable(job.name or ""),
                    printable(job.status.value),
                    "" if created is None else "{:%Y-%m-%d %H:%M:%S}".format(created),
                    printable(str(job.container.image)),
                )
            )


def kill(client: "Client", arguments: argparse.Namespace) -> int:
    failed = 0
    for job in arguments.jobs:
        try:
            client.jobs.kill(client.jobs.status(job).id)
            print(job)
        except (NeuroError, ValueError) as error:
            # The others are killed all the same.
            report("{}: {}".format(job or "''", error))
            failed = 1
    return failed


def _first_preset(client: "Client") -> str:
    for name in client.presets:
        return name
    raise ValueError("cluster {} has no presets, and a job needs one".format(client.cluster_name))


def _kill_line(arguments: argparse.Namespace, id: str) -> str:
    """The line that kills a job with the login that is in use."""
    words = ["python", "-m", "neuro_sync"]
    if arguments.url is not None:
        words += ["--url", arguments.url, "--token-file", arguments.token_file]
    return " ".join(map(shlex.quote, [*words, "kill", id]))


def _running(client: "Client", job: str) -> str:
    """The id of a job, once it runs: one that was started a moment ago is still to begin."""
    found = client.jobs.status(job)
    if found.status.is_pending:
        print("waiting for {} to start".format(job), file=sys.stderr)
    return client.jobs.wait(found.id, statuses={JobStatus.RUNNING}).id


def _copy_output(client: "Client", id: str, command: str) -> Optional[int]:
    """Show what a command writes as it comes; returns its exit code."""
    with client.jobs.exec(id, command, stdout=True, stderr=True) as stream:
        try:
            for message in stream:
                target = sys.stderr if message.fileno == 2 else sys.stdout
                target.buffer.write(message.data)
                target.buffer.flush()
        except StdStreamError as error:
            if error.exit_code in NOT_RUN:
                report(error)
        return stream.exit_code


def _copy_log(client: "Client", id: str, timestamps: bool = False) -> None:
    with client.jobs.monitor(id, timestamps=timestamps, separator="", on_gap=report) as log:
        for chunk in log:
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()


def _command(words: List[str]) -> Optional[str]:
    if words[:1] == ["--"]:
        words = words[1:]
    # One word is a command line already, several are the words of one.
    return " ".join(map(shlex.quote, words)) if len(words) > 1 else "".join(words) or None


def _ports(text: str) -> Tuple[int, int]:
    local_port, colon, job_port = text.partition(":")
    if not (colon and local_port.isdigit() and job_port.isdigit()):
        raise ValueError("{!r} is not LOCAL:JOB, two TCP ports as in 8080:80".format(text))
    return int(local_port), int(job_port)
