"""The local platform for the tests, and checks that nothing is left behind."""

import os
import signal
import threading
import time

import pytest
from hypothesis import HealthCheck, settings

from . import summary

# How long an example takes says more about the machine than about the code.
settings.register_profile(
    "neuro_sync", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("neuro_sync")

# A shell that starts something in the background has Ctrl-C ignored, and nohup the end of the terminal, also by
# all that is started from there.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_sessionfinish(session):
    output = getattr(session.config, "workeroutput", None)
    if output is not None:  # a process of pytest-xdist, whose own summary nobody sees
        output["summary"] = summary.dump()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    told = getattr(node, "workeroutput", {}).get("summary")
    if told is not None:  # one that has crashed tells nothing
        summary.add(told)


def pytest_terminal_summary(terminalreporter):
    summary.show(terminalreporter)


@pytest.fixture(scope="session")
def platform():
    """One local platform for all tests that leave its faults alone."""
    from neuro_sync.local import LocalPlatform

    with LocalPlatform() as platform:
        yield platform


@pytest.fixture
def client(platform):
    with platform.client() as client:
        yield client


@pytest.fixture
def jobs(client):
    return client.jobs


@pytest.fixture
def start(jobs):
    """Starts small jobs, and kills what still runs after the test."""
    started = []

    def start(command, **options):
        options.setdefault("image", "ubuntu")
        options.setdefault("preset_name", "cpu-small")
        job = jobs.start(command=command, **options)
        started.append(job.id)
        return job

    yield start
    for id in started:
        jobs.kill(id)


@pytest.fixture
def running(start, jobs):
    """A job that runs until the test is over."""
    from neuro_sync import JobStatus

    return jobs.wait(start("sleep 600").id, statuses={JobStatus.RUNNING}, timeout=30)


@pytest.fixture
def nothing_left():
    """Fails where the test leaves a thread or a file descriptor behind."""
    before = _threads(), _descriptors()
    yield
    deadline = time.monotonic() + 10
    while True:
        threads = _threads() - before[0]
        descriptors = _descriptors() - before[1]
        if not threads and not descriptors:
            return
        if time.monotonic() > deadline:
            pytest.fail("left behind: threads {}, descriptors {}".format(threads, descriptors))
        time.sleep(0.02)


def _threads():
    return frozenset(threading.enumerate())


def _descriptors():
    if not os.path.isdir("/proc/self/fd"):
        return frozenset()
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink("/proc/self/fd/" + name)
        except OSError:
            continue  # the one of this listing itself
        if target.startswith(("socket:", "pipe:")):
            found.add((name, target))
    return frozenset(found)
