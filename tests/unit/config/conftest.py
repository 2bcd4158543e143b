"""A platform that is not there: its config and its login service are answered by ``responses``."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import responses

from tests.peers.config import config_payload, make_token

ROOT = str(Path(__file__).resolve().parents[3])
BASE = "https://api.example"
API = BASE + "/api/v1"


class Platform:
    """What it answers, and what it was asked.

    Attributes:
        url: address of the API.
        token: one that it accepts.
        config: makes the answer of ``/config`` of the base URL and whether the token is accepted.
        changes: of that answer, on top.
        accepted: the tokens that it accepts.
        answers: of the login service, for the next times; a status, or fields of the answer.
        forms: what the login service got.
        asked: the tokens with which the config was asked for, None for none.
    """

    url = API

    def __init__(self):
        self.token = make_token("alice")
        self.config = config_payload
        self.changes = {}
        self.accepted = {self.token}
        self.answers = []
        self.forms = []
        self.asked = []

    def answer_config(self, request):
        header = request.headers.get("Authorization")
        token = header[len("Bearer ") :] if header else None
        self.asked.append(token)
        payload = self.config(BASE, token in self.accepted)
        payload.update(self.changes)
        return 200, {}, json.dumps(payload)

    def answer_token(self, request):
        body = request.body.decode() if isinstance(request.body, bytes) else request.body
        self.forms.append(dict(parse_qsl(body)))
        answer = self.answers.pop(0) if self.answers else {}
        if isinstance(answer, int):
            return answer, {}, json.dumps({"error": "invalid_grant"})
        number = len(self.forms)
        fields = {
            "access_token": make_token("user-{}".format(number)),
            "refresh_token": "refresh-{}".format(number),
            "expires_in": 1000,
        }
        fields.update(answer)
        self.accepted.add(fields["access_token"])
        return 200, {}, json.dumps({k: v for k, v in fields.items() if v is not None})


@pytest.fixture
def server():
    """The platform."""
    platform = Platform()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add_callback(responses.GET, API + "/config", platform.answer_config)
        mock.add_callback(responses.POST, BASE + "/oauth/token", platform.answer_token)
        yield platform


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home directory in which nobody is logged in, and which is the current directory."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    for name in (
        "APOLO_CONFIG",
        "NEUROMATION_CONFIG",
        "APOLO_PASSED_CONFIG",
        "NEURO_PASSED_CONFIG",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(home)
    return home


@pytest.fixture
def confined():
    """Runs a program that root's rights over all files do not help; returns what it printed.

    ``options`` are of bubblewrap: how it sees the files.
    """
    if shutil.which("bwrap") is None:
        pytest.skip("needs bubblewrap")

    def confined(program, *arguments, options=(), **environment):
        done = subprocess.run(
            [
                *["bwrap", "--dev-bind", "/", "/", "--cap-drop", "ALL", *map(str, options)],
                *[sys.executable, "-c", program, *map(str, arguments)],
            ],
            env={**os.environ, "PYTHONPATH": ROOT, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=60,
        )
        if done.stderr.startswith(b"bwrap:"):
            pytest.skip(done.stderr.decode())
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    return confined


@pytest.fixture
def locked(tmp_path):
    """A directory that nobody may look into; below it is ``inside``."""
    path = tmp_path / "locked"
    (path / "inside").mkdir(parents=True)
    path.chmod(0)
    yield path
    path.chmod(0o700)
