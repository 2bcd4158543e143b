"""The command line, as a function and as a program, logged in to a local platform."""

import io
import os
import subprocess
import sys

import pytest

from neuro_sync import Factory
from neuro_sync.cli import main


class Ran:
    """What a command line did."""

    def __init__(self, code, out, err):
        self.code = code
        self.out = out
        self.err = err

    def __repr__(self):
        return "exit code {}\n--- out\n{}\n--- err\n{}".format(self.code, self.out, self.err)


@pytest.fixture
def login(platform, tmp_path, monkeypatch):
    """The login of the platform's CLI, in a directory of its own."""
    directory = tmp_path / "login"
    Factory(directory).login_with_token(platform.token, url=platform.api_url)
    monkeypatch.setenv("APOLO_CONFIG", str(directory))
    return directory


@pytest.fixture
def cli(login, capsys, monkeypatch):
    """Runs a command line in this process, without a terminal."""

    def cli(*words, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as error:  # of argparse
            code = error.code
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return cli


@pytest.fixture
def program(login):
    """Starts a command line as a program of its own; its output is to be read."""
    started = []

    def program(*words, stdin=subprocess.DEVNULL, encoding="utf-8", closed=""):
        line = [sys.executable, "-m", "neuro_sync", *map(str, words)]
        if closed:  # as a shell says it: "<&-"
            line = ["sh", "-c", 'exec "$@" ' + closed, "sh", *line]
        process = subprocess.Popen(
            line,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            env=dict(os.environ, PYTHONUNBUFFERED="1", PYTHONIOENCODING=encoding),
        )
        started.append(process)
        return process

    yield program
    for process in started:
        with process:
            if process.poll() is None:
                process.kill()
