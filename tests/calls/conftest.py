"""A JobsClient whose requests are answered from a script, and whose time passes only while it sleeps."""

import json
import re
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
import responses
import urllib3

from neuro_sync import JobsClient

from ..clock import Clock
from ..peers.config import config_payload, make_token
from ..peers.payloads import JOBS

BASE = "https://api.example"
API = BASE + "/api/v1"
MONITORING = API + "/mon/jobs"
TOKEN = make_token("alice")
JOB = JOBS["pending 2026"]

NOT_SENT = requests.ConnectionError(
    urllib3.exceptions.MaxRetryError(
        None, "/", urllib3.exceptions.NewConnectionError(None, "Connection refused")
    )
)
CUT = requests.ConnectionError(
    urllib3.exceptions.ProtocolError("Connection aborted.", ConnectionResetError(104, "reset"))
)
SILENT = requests.ReadTimeout("read timed out")


class Request:
    """What arrived."""

    def __init__(self, prepared):
        parts = urlsplit(prepared.url)
        self.method = prepared.method
        self.url = prepared.url.partition("?")[0]
        self.raw_query = parts.query
        self.query = parse_qsl(parts.query, keep_blank_values=True)
        self.headers = prepared.headers
        self.timeout = prepared.req_kwargs["timeout"]
        self.json = json.loads(prepared.body) if prepared.body else None

    def __repr__(self):
        return "{} {}".format(self.method, self.url)


class Api:
    """Answers ``GET /config``, and everything else as it is told; writes down what it is asked.

    Attributes:
        requests: all but those for the config.
        config_requests: how many of those there were.
    """

    def __init__(self):
        self.config = config_payload(BASE)
        self.config_requests = 0
        self.requests = []
        self.handler = None
        self._answers = []

    def answers(self, *answers):
        """Each an exception, or a status, or ``(status, body)`` or ``(status, body, headers)``; the last stays."""
        self._answers = list(answers)

    def __call__(self, prepared):
        if prepared.url == API + "/config":
            self.config_requests += 1
            return 200, {"Content-Type": "application/json"}, json.dumps(self.config)
        request = Request(prepared)
        self.requests.append(request)
        if self.handler is not None:
            answer = self.handler(request)
        else:
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            return answer
        status, body, headers = (*answer, {})[:3] if isinstance(answer, tuple) else (answer, "", {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        return status, headers, body


@pytest.fixture
def api():
    api = Api()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        for method in ("GET", "POST", "PUT", "DELETE"):
            mock.add_callback(method, re.compile(".*"), callback=api)
        yield api


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def connect(clock):
    """Makes clients that live by the clock, and wait as long as they may."""
    made = []

    def connect(token=TOKEN, **options):
        jobs = JobsClient(API, token, **options)
        retrier = jobs._http.retrier
        retrier.clock, retrier.sleep, retrier.rng = clock, clock.sleep, lambda: 1.0
        made.append(jobs)
        return jobs

    yield connect
    for jobs in made:
        jobs.close()


@pytest.fixture
def jobs(api, connect):
    return connect()
