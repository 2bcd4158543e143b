"""The table of figures, and how much of each case a run tries."""

import logging
import os
import threading
from urllib.request import ProxyHandler, build_opener

import pytest

from .. import summary
from .certificates import server_context
from .chatty import chatty_job
from .long import VARIABLE


@pytest.fixture(scope="session")
def figure():
    return summary.figure


@pytest.fixture
def is_long():
    """Whether this is the long run: ``python -m tests.faults.long``."""
    return VARIABLE in os.environ


@pytest.fixture
def authority(tmp_path, monkeypatch):
    """A certificate authority that nobody trusts yet; its certificate is in ``tmp_path / "ca.pem"``."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return authority


@pytest.fixture
def tls(authority, tmp_path, monkeypatch):
    """The server's end of TLS, which this process trusts."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    return server_context(authority, "127.0.0.1")


@pytest.fixture(autouse=True)
def _quiet():
    """Faults are what these tests are about: the warnings of a forward tell nothing new."""
    logger = logging.getLogger("neuro_sync")
    level = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(level)


@pytest.fixture
def login(flaky_platform, tmp_path):
    """A Factory with a login in ``tmp_path / "login"`` that has a refresh token."""
    from neuro_sync import Factory

    def browse(url):
        build_opener(ProxyHandler({})).open(str(url), timeout=30).close()

    factory = Factory(tmp_path / "login")
    factory.login(
        lambda url: threading.Thread(target=browse, args=(url,)).start(),
        url=flaky_platform.api_url,
    )
    return factory


@pytest.fixture(scope="session")
def flaky_platform():
    """A local platform of the fault suite's own: its faults must not meet other tests."""
    from neuro_sync.local import LocalPlatform

    with LocalPlatform() as platform:
        yield platform


@pytest.fixture
def faults(flaky_platform):
    """Its fault switch, with everything off before and after the test."""
    flaky_platform.faults.clear()
    yield flaky_platform.faults
    flaky_platform.faults.clear()


@pytest.fixture
def flaky_jobs(flaky_platform):
    """The jobs of a client that tries again quickly."""
    from neuro_sync import Client, RetryPolicy

    with Client.from_token(
        flaky_platform.api_url, lambda: flaky_platform.token, retry=RetryPolicy(base=0.01)
    ) as client:
        client.cluster_name  # noqa: B018  # the config is read now, before any fault is on
        yield client.jobs


@pytest.fixture
def sleeper(flaky_jobs):
    """A job that runs until the test is over."""
    from neuro_sync import JobStatus

    job = flaky_jobs.start(image="ubuntu", preset_name="cpu-small", command="sleep 600")
    yield flaky_jobs.wait(job.id, statuses={JobStatus.RUNNING}, timeout=30)
    flaky_jobs.kill(job.id)


@pytest.fixture
def chatty(flaky_jobs):
    """A client, a job that prints and echoes, and the port that it listens on."""
    with chatty_job(flaky_jobs) as (id, port):
        yield flaky_jobs, id, port
