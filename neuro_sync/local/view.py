"""A job's own view of the file system: a mount namespace that bubblewrap makes and `cat` keeps
open.

The job's program is not a child of ``bwrap``, which would stand between it and its signals, its
terminal and its exit code. It enters the namespace by itself, and so do the commands of ``exec``.
"""

import json
import os
import subprocess
from typing import List, Sequence

from .process import ProgramError

__all__ = ["View"]

_READY = b"ready\n"


class View:
    """A namespace that is ready to be entered: that of process ``pid``."""

    def __init__(self, holder: "subprocess.Popen[bytes]", pid: int) -> None:
        self._holder = holder
        self.pid = pid

    @classmethod
    def open(cls, arguments: Sequence[str]) -> "View":
        """Makes the view that bubblewrap's ``arguments`` describe.

        Raises:
            ProgramError: bubblewrap is not there, or refuses; its own words are in it.
        """
        info, child_info = os.pipe()
        command: List[str] = ["bwrap", *arguments, "--die-with-parent"]
        command += ["--info-fd", str(child_info), "--", "cat"]
        try:
            holder = subprocess.Popen(
                command,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[child_info],
                cwd="/",
            )
        except OSError as error:
            os.close(info)
            raise ProgramError(128, "cannot run bwrap: {}".format(error.strerror)) from error
        finally:
            os.close(child_info)
        return cls._await(holder, info)

    @classmethod
    def _await(cls, holder: "subprocess.Popen[bytes]", info: int) -> "View":
        """What comes back from `cat` says that every mount is in its place."""
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stderr is not None
        with os.fdopen(info, "rb") as lines:
            try:
                holder.stdin.write(_READY)
                ready = holder.stdout.read(len(_READY))
            except BrokenPipeError:
                ready = b""
            if ready != _READY:
                words = holder.stderr.read().decode("utf-8", "replace").strip()
                holder.wait()
                for pipe in (holder.stdin, holder.stdout, holder.stderr):
                    pipe.close()
                raise ProgramError(128, "cannot mount the volumes: {}".format(words))
            text = b""
            while not text.rstrip().endswith(b"}"):
                piece = lines.read(4096)
                if not piece:
                    break
                text += piece
        return cls(holder, json.loads(text.decode())["child-pid"])

    def close(self) -> None:
        """Lets the namespace go; whoever is in it keeps it."""
        for pipe in (self._holder.stdin, self._holder.stdout, self._holder.stderr):
            if pipe is not None:
                pipe.close()
