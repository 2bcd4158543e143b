"""What comes out of a command."""

from dataclasses import dataclass

__all__ = ["ExecResult", "Message"]


@dataclass(frozen=True)
class Message:
    """A chunk of output of a job or a command. Where chunks are cut means nothing.

    Attributes:
        fileno: 1 for stdout, 2 for stderr.
        data: the chunk.
    """

    fileno: int
    data: bytes


@dataclass(frozen=True)
class ExecResult:
    """What became of a command.

    Attributes:
        exit_code: its exit code.
        stdout, stderr: all that it wrote.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
