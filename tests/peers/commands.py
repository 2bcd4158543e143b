"""The platform's own CLIs: run, typed to at a terminal, logged in with a browser."""

import os
import pty
import re
import select
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

from .. import summary
from .environments import peer_python

__all__ = ["CLIS", "TIMEOUT", "Cli", "until"]

TIMEOUT = 60
CLIS = {"apolo": "apolo-26.9.0", "neuro": "neuro-25.5.0"}
# Goes where the page sends it, as a browser of a person who is logged in there does.
_BROWSER = """#!{}
import sys, urllib.request
urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(sys.argv[1], timeout=20).read()
"""


def until(condition):
    """Wait for a condition; returns what it returned at last."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        result = condition()
        if result or time.monotonic() > deadline:
            return result
        time.sleep(0.05)


class Cli:
    """A CLI with a home of its own."""

    def __init__(self, name, home):
        self.name = name
        self.program = str(Path(peer_python(CLIS[name])).with_name(name))
        self.home = home
        browser = home / "browser"
        browser.write_text(_BROWSER.format(sys.executable))
        browser.chmod(stat.S_IRWXU)
        self.env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("APOLO_", "NEURO"))
        }
        self.env.update(
            HOME=str(home),
            COLUMNS="200",
            PYTHONWARNINGS="ignore",
            BROWSER="{} %s".format(browser),
        )

    def command(self, *words):
        summary.count(summary.COMMANDS, 1)
        return [self.program, "--color", "no", *words]

    def run(self, *words):
        """Exit code, and all that was printed."""
        done = subprocess.run(
            self.command(*words),
            env=self.env,
            cwd=str(self.home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT,
        )
        text = done.stdout.decode()
        assert "Traceback" not in text, text
        return done.returncode, text

    def __call__(self, *words, code=0):
        """What was printed, by a command that has to end with this exit code."""
        returned, text = self.run(*words)
        assert returned == code, text
        return text

    def popen(self, *words):
        """A command that goes on."""
        return subprocess.Popen(
            self.command(*words),
            env=self.env,
            cwd=str(self.home),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def start(self, *words, options=()):
        """Start a job; returns its id."""
        text = self(
            "job", "run", "--preset", "cpu-small", "--detach", *options, "ubuntu", "--", *words
        )
        return re.search("job-[0-9a-f-]{36}", text).group()

    def at_a_terminal(self, words, steps):
        """Run at a terminal: wait for each text, then type what follows it.

        Args:
            steps: text, and what to type, which may be a function of all that was shown.

        Returns:
            Exit code, and all that was shown.
        """
        command = self.command(*words)
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(str(self.home))
            os.execve(self.program, command, dict(self.env, TERM="xterm"))
        shown = b""
        try:
            for expected, typed in steps:
                deadline = time.monotonic() + TIMEOUT
                while expected not in shown:
                    assert time.monotonic() < deadline, shown
                    if select.select([terminal], [], [], 1)[0]:
                        piece = _read(terminal)
                        assert piece, shown
                        shown += piece
                os.write(terminal, typed(shown) if callable(typed) else typed)
            while True:
                piece = _read(terminal)
                if not piece:
                    break
                shown += piece
            status = os.waitpid(pid, 0)[1]
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        finally:
            os.close(terminal)
        return os.WEXITSTATUS(status), shown


def _read(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""  # Linux says so of a terminal whose other side has ended
