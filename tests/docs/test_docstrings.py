"""The examples in docstrings, which the reference shows, work as they stand there."""

import inspect
import re
import socket
import sys
import textwrap

import pytest
import requests

import neuro_sync
from neuro_sync import JobsClient, JobStatus, StdStream, local
from neuro_sync.local import LocalPlatform


def examples(thing):
    """The literal blocks of a docstring."""
    lines = (inspect.getdoc(thing) or "").splitlines()
    for number, line in enumerate(lines):
        if line.endswith("::"):
            rest = "\n".join(lines[number + 1 :])
            body = re.match(r"(?:\n|    .*(?:\n|\Z))+", rest)
            yield textwrap.dedent(body.group())


OWNERS = [neuro_sync, local, LocalPlatform, JobsClient, StdStream]
OWNERS += [
    getattr(JobsClient, name)
    for name in dir(JobsClient)
    if not name.startswith("_") and callable(getattr(JobsClient, name))
]
EXAMPLES = [pytest.param(code, id=owner.__name__) for owner in OWNERS for code in examples(owner)]


def test_they_are_found():
    assert len(EXAMPLES) >= 10


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def job(start, jobs, port):
    """A job that serves pages, writes lines, uses something, and ends before long."""
    job = start("timeout 1.5 python3 -u -m http.server {} --bind 127.0.0.1".format(port))
    with jobs.monitor(job.id) as log:
        assert "Serving" in next(log.lines())
    return job


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_works(code, platform, jobs, job, port, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("APOLO_CONFIG", str(tmp_path / "login"))
    neuro_sync.Factory().login_with_token(platform.token, url=platform.api_url)
    names = {
        "JobStatus": JobStatus,
        "LocalPlatform": LocalPlatform,
        "job": job,
        "jobs": jobs,
        "neuro_sync": neuro_sync,
        "requests": requests,
        "sys": sys,
        "token": platform.token,
    }
    code = code.replace("https://api.apolo.us/api/v1", platform.api_url)
    exec(code.replace("8080", str(port)), names)
