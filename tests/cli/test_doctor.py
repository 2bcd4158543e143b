"""``doctor`` finds what is wrong, one thing at a time, and says what to do."""

import base64
import email.utils
import importlib
import json
import socket
import time
from types import SimpleNamespace

import pytest

from neuro_sync.cli.doctor import clock_skew

doctor = importlib.import_module("neuro_sync.cli.doctor")


def findings(ran):
    """The findings by name, each with its verdict, and the advice that follows it."""
    found, name = {}, ""
    for line in ran.out.splitlines():
        if line.startswith(" "):
            verdict, what, advice = found[name]
            found[name] = verdict, what, (advice + " " + line.strip()).strip()
        else:
            verdict, name, what = line.split(None, 2)
            found[name] = verdict, what, ""
    return found


def test_all_is_well(cli, platform, login):
    ran = cli("doctor")
    found = findings(ran)
    assert ran.code == 0, ran
    assert list(found) == ["versions", "config", "way", "server", "clock", "login"]
    assert {verdict for verdict, _, _ in found.values()} == {"ok"}
    assert "neuro_sync " in found["versions"][1]
    assert str(login) in found["config"][1]
    assert platform.api_url in found["way"][1]
    assert found["login"][1] == "user, cluster local, org local-org, project local-project"


def test_nobody_is_logged_in(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("APOLO_CONFIG", str(tmp_path / "empty"))
    monkeypatch.setenv("NEUROMATION_CONFIG", str(tmp_path / "empty"))
    ran = cli("doctor")
    found = findings(ran)
    assert ran.code == 1
    assert found["config"][0] == "BAD"
    assert str(tmp_path / "empty") in found["config"][1]
    assert "apolo login" in found["config"][2]
    assert "server" not in found


@pytest.fixture
def in_a_job(monkeypatch, tmp_path, platform):
    """The environment of one that was given its owner's login; returns where that will be."""
    facts = {"token": platform.token, "cluster": "local", "url": platform.api_url}
    text = base64.b64encode(json.dumps(facts).encode()).decode()
    directory = tmp_path / "of-the-job"
    monkeypatch.setenv("APOLO_CONFIG", str(directory))
    monkeypatch.setenv("NEUROMATION_CONFIG", str(directory))
    monkeypatch.setenv("NEURO_PASSED_CONFIG", text)
    return directory


def test_a_job_that_was_given_a_login_has_none_on_disk_yet(cli, in_a_job):
    for words in ("none in {} yet, but this job was given its owner's", "found in {}"):
        ran = cli("doctor")
        found = findings(ran)
        assert ran.code == 0, ran
        assert found["config"] == ("ok", words.format(in_a_job), "")
        assert found["login"][0] == "ok"


def test_the_server_is_not_there(cli, tmp_path, platform):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        url = "http://127.0.0.1:{}/api/v1".format(taken.getsockname()[1])
        ran = cli("--url", url, "--token-file", platform.data_dir / "token", "doctor")
    found = findings(ran)
    assert ran.code == 1
    assert found["server"][0] == "BAD"
    assert "network" in found["server"][2]
    assert "login" not in found


def test_the_token_is_not_valid(cli, tmp_path, platform):
    (tmp_path / "token").write_text("of.no.use")
    ran = cli("--url", platform.api_url, "--token-file", tmp_path / "token", "doctor")
    found = findings(ran)
    assert ran.code == 1
    assert found["server"][0] == "ok"
    assert found["login"][0] == "BAD"
    assert "log in again" in found["login"][2]
    assert "of.no.use" not in ran.out


def test_a_proxy_is_named_without_its_password(cli, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = "127.0.0.1:{}".format(taken.getsockname()[1])
        monkeypatch.setenv("http_proxy", "http://me:secret@" + address)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        ran = cli("doctor")
    found = findings(ran)
    assert "proxy" in found["way"][1]
    assert address in found["way"][1]
    assert "secret" not in ran.out + ran.err
    assert found["server"][0] == "BAD"


def test_a_clock_that_is_wrong(cli, monkeypatch):
    # As `doctor` sees it: the clock of the whole process has to go on as it was.
    monkeypatch.setattr(doctor, "time", SimpleNamespace(time=lambda: time.time() + 3600))
    ran = cli("doctor")
    verdict, found, advice = findings(ran)["clock"]
    assert ran.code == 1
    assert verdict == "BAD"
    assert found.startswith(("+3599 s", "+3600 s", "+3601 s"))
    assert "Set this machine's clock" in advice


@pytest.mark.parametrize("ahead", [0, 90, -3600])
def test_the_skew_of_a_clock(ahead):
    now = 1_700_000_000.0
    date = email.utils.formatdate(now, usegmt=True)
    assert clock_skew(date, now + ahead + 0.5) == pytest.approx(ahead)


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_no_clock(date):
    assert clock_skew(date, 0.0) is None
