"""The platform's own CLIs: run, typed to at a terminal, logged in with a browser."""

import os
import pty
import re
import select
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from .. import summary
from .environments import peer_python

__all__ = ["CLIS", "TIMEOUT", "Cli", "free_port", "page", "until"]

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


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def page(url):
    """The status of an answer, None where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            response.read()  # a connection that is closed before would be reset
            return response.status
    except OSError:
        return None


class Going:
    """A command that goes on, and what it has printed so far."""

    def __init__(self, process):
        self.process = process
        self.text = ""

    def until(self, condition):
        """Read what it prints until a condition holds for all of that."""

        def holds():
            if select.select([self.process.stdout], [], [], 1)[0]:
                self.text += self.process.stdout.read1(65536).decode()
            return condition(self.text)

        assert until(holds), self.text

    def end(self):
        """Exit code, once it has ended by itself."""
        self.text += self.process.communicate(timeout=TIMEOUT)[0].decode()
        return self.process.returncode

    def interrupt(self):
        """Exit code, after Ctrl-C, as often as it takes: Python loses one that meets a callback of its own."""
        if not until(self._interrupted):
            self.process.kill()
        return self.end()

    def _interrupted(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            return False
        return True


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

    @contextmanager
    def going(self, *words):
        """A command that goes on until the test has seen enough of it."""
        going = Going(self.popen(*words))
        try:
            yield going
        finally:
            if going.process.returncode is None:
                going.interrupt()
        assert "Traceback" not in going.text.partition("Exception ignored in")[0], going.text

    def start(self, *words, options=(), image="ubuntu"):
        """Start a job; returns its id."""
        text = self(
            "job", "run", "--preset", "cpu-small", "--detach", *options, image, "--", *words
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
