"""The calls for one job: status, kill, life span; and what all endpoints say where something is wrong."""

import json
import math

import pytest

MISSING = "job-00000000-0000-4000-8000-000000000000"
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}
# Method, and path below that of a job, of each monitoring endpoint.
MONITORING = [
    ("POST", "kill"),
    ("GET", "log"),
    ("DELETE", "log"),
    ("GET", "log_ws"),
    ("GET", "top"),
    ("GET", "attach?stdout=1"),
    ("GET", "exec?cmd=true&stdout=1"),
    ("GET", "port_forward/80"),
    ("POST", "save"),
]
STREAMS = [path for method, path in MONITORING if path.split("?")[0] not in ("kill", "log", "save")]
SAVE_BODY = {"container": {"image": "registry.local.invalid/local-org/user/image:tag"}}


def monitor(api, job_id, method, path, **options):
    if path == "save":
        options["json"] = SAVE_BODY
    return api.call(method, "{}/{}/{}".format(api.mon, job_id, path), **options)


@pytest.fixture
def running_job(api):
    return api.wait_running(api.start("sleep 600", name="of-job-calls")["id"])


@pytest.fixture
def pending_job(api):
    resources = {"cpu": 10**6, "memory": 2**30}
    body = {"container": {"image": "ubuntu", "resources": resources}}
    return api.post(body, "/jobs").json()


# Status


def test_a_job_by_its_id_and_by_its_name(api, running_job):
    by_id, by_name = api.job(running_job["id"]), api.job("of-job-calls")
    assert by_id["id"] == by_name["id"] == running_job["id"]
    assert by_id["materialized"] is True
    assert by_id["history"]["started_at"] == by_id["statuses"][1]["transition_time"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("job_id", [MISSING, "no-such-name", "%00", "%ED%A0%80", "a%20b", "%27"])
def test_a_missing_job_is_a_bad_request(api, method, job_id):
    error = api.error(api.call(method, "/jobs/" + job_id), 400)
    assert error.startswith("no such job ") or "%" in job_id


def test_run_time_grows_while_a_job_runs(api, running_job):
    first, second = (api.job(running_job["id"])["history"]["run_time_seconds"] for _ in range(2))
    assert isinstance(first, float)
    assert 0 < first < second


def test_credits_are_decimals_in_texts(api):
    job = api.run("sleep 0.2")
    assert job["price_credits_per_hour"] == "0.1"
    spent = float(job["total_price_credits"])
    assert spent == pytest.approx(0.1 * job["history"]["run_time_seconds"] / 3600)
    assert job["total_price_credits"].replace(".", "").isdigit()


# Kill


def test_kill_by_name_is_seen_at_once_and_can_be_repeated(api, running_job):
    job_id = running_job["id"]
    api.kill("of-job-calls")
    job = api.job(job_id)
    assert job["status"] == job["history"]["status"] == "cancelled"
    assert job["history"]["reason"] == "UserRequested"
    api.kill(job_id)
    api.kill("of-job-calls")
    assert api.job(job_id)["statuses"] == job["statuses"]


def test_kill_leaves_a_finished_job_as_it_is(api):
    job = api.run("false")
    api.kill(job["id"])
    assert api.job(job["id"]) == job


def test_kill_of_a_pending_job(api, pending_job):
    api.kill(pending_job["id"])
    job = api.job(pending_job["id"])
    assert job["status"] == "cancelled"
    assert job["history"]["run_time_seconds"] == 0.0
    assert job["history"]["started_at"] == job["history"]["finished_at"]
    assert job["materialized"] is False


# Life span


def put_life_span(api, job_id, body):
    return api.call("PUT", "/jobs/{}/max_run_time_minutes".format(job_id), json=body)


def test_a_life_span_is_added_to_and_set(api, running_job):
    job_id = running_job["id"]
    assert "max_run_time_minutes" not in running_job
    for body, expected in (
        ({"additional_max_run_time_minutes": 5}, 5),
        ({"additional_max_run_time_minutes": "2"}, 7),
        ({"max_run_time_minutes": 3}, 3),
    ):
        response = put_life_span(api, job_id, body)
        assert (response.status_code, response.content) == (204, b"")
        assert api.job(job_id)["max_run_time_minutes"] == expected
    assert put_life_span(api, "of-job-calls", {"max_run_time_minutes": 4}).status_code == 204
    assert api.job(job_id)["max_run_time_minutes"] == 4


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"additional_max_run_time_minutes": 0},
        {"additional_max_run_time_minutes": -1},
        {"additional_max_run_time_minutes": 1.5},
        {"additional_max_run_time_minutes": None},
        {"max_run_time_minutes": 0},
        {"max_run_time_minutes": 1, "additional_max_run_time_minutes": 1},
        {"max_run_time_minutes": 1, "more": 1},
    ],
    ids=str,
)
def test_a_life_span_that_is_not_right(api, running_job, body):
    assert api.error(put_life_span(api, running_job["id"], body), 400)
    assert "max_run_time_minutes" not in api.job(running_job["id"])


def test_the_life_span_of_a_missing_job(api):
    body = {"additional_max_run_time_minutes": 1}
    assert api.error(put_life_span(api, MISSING, body), 400) == "no such job " + MISSING


def test_a_finished_job_may_get_a_life_span(api):
    job_id = api.run("true")["id"]
    assert put_life_span(api, job_id, {"max_run_time_minutes": 5}).status_code == 204
    job = api.job(job_id)
    assert job["max_run_time_minutes"] == 5
    assert job["status"] == "succeeded"


def test_a_life_span_beyond_all_numbers(own_platform):
    # Its own platform: the CLIs can't list such a job.
    platform, api = own_platform()
    body = {"max_run_time_minutes": 10**400}
    running = api.start("sleep 60")
    assert put_life_span(api, running["id"], body).status_code == 204
    assert api.job(running["id"])["max_run_time_minutes"] == 10**400
    job = api.start("true", max_run_time_minutes=10**400)
    assert api.wait(job["id"])["status"] == "succeeded"
    with platform.client() as client, client.jobs.list() as jobs:
        assert [job.life_span for job in jobs] == [math.inf, math.inf]


# Monitoring


def test_capacity_is_how_many_more_fit(api):
    for method, path in (("GET", "/capacity"), ("POST", "/available")):
        response = api.call(method, api.mon + path)
        assert response.status_code == 200
        capacity = response.json()
        assert set(capacity) == {"cpu-small", "cpu-medium", "cpu-large"}
        assert all(type(count) is int and count >= 0 for count in capacity.values())


def test_a_killed_process_is_a_failed_job(api, running_job):
    job_id = running_job["id"]
    response = monitor(api, job_id, "POST", "kill")
    assert (response.status_code, response.content) == (204, b"")
    job = api.wait(job_id)
    assert job["status"] == "failed"
    assert job["history"]["exit_code"] == 137
    assert job["history"]["reason"] == "Error"


@pytest.mark.parametrize(("method", "path"), MONITORING)
def test_the_error_of_a_missing_job_is_an_error_in_an_error(api, method, path):
    error = api.error(monitor(api, MISSING, method, path), 400)
    assert json.loads(error) == {"error": "no such job " + MISSING}


@pytest.mark.parametrize(("method", "path"), MONITORING)
def test_monitoring_knows_no_names(api, running_job, method, path):
    error = api.error(monitor(api, "of-job-calls", method, path), 400)
    assert json.loads(error) == {"error": "no such job of-job-calls"}


@pytest.mark.parametrize("path", ["attach?stdout=1", "exec?cmd=true&stdout=1", "port_forward/80"])
def test_a_job_that_does_not_run(api, pending_job, path):
    for job_id in (pending_job["id"], api.run("true")["id"]):
        error = api.error(monitor(api, job_id, "GET", path), 404)
        assert error == "Job '{}' is not running.".format(job_id)


def test_a_process_that_is_not_there_cannot_be_killed(api, pending_job):
    for job_id in (pending_job["id"], api.run("true")["id"]):
        error = api.error(monitor(api, job_id, "POST", "kill"), 404)
        assert error == "Job '{}' is not running.".format(job_id)


# Errors that all have


ENDPOINTS = [
    ("GET", "/jobs"),
    ("POST", "/jobs?from_preset"),
    ("POST", "/jobs"),
    ("GET", "/jobs/" + MISSING),
    ("DELETE", "/jobs/" + MISSING),
    ("PUT", "/jobs/{}/max_run_time_minutes".format(MISSING)),
    ("GET", "/monitoring/jobs/capacity"),
    *[(method, "/monitoring/jobs/{}/{}".format(MISSING, path)) for method, path in MONITORING],
]


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@pytest.mark.parametrize("header", [None, "Bearer x.y.z"])
def test_who_is_not_known_is_not_answered(api, method, path, header):
    headers = {} if header is None else {"Authorization": header}
    options = {"json": SAVE_BODY} if path.endswith("/save") else {}
    response = api.call(method, path, headers=headers, **options)
    assert response.status_code == 401
    assert response.text == "401: Unauthorized"
    assert response.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_a_malformed_header_is_a_bad_request(api, method, path):
    options = {"json": SAVE_BODY} if path.endswith("/save") else {}
    response = api.call(method, path, headers={"Authorization": "Basic dTpw"}, **options)
    assert "Authorization" in api.error(response, 400)


@pytest.mark.parametrize(
    "path", ["/nothing", "/jobs/a/b", "/jobs/", "/monitoring/jobs/x/nothing", "/monitoring/nothing"]
)
def test_an_unknown_path(api, path):
    response = api.call("GET", path)
    assert response.status_code == 404
    assert response.text == "404: Not Found"
    assert response.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/jobs", {"GET", "HEAD", "POST"}),
        ("POST", "/jobs/x", {"GET", "HEAD", "DELETE"}),
        ("GET", "/jobs/x/max_run_time_minutes", {"PUT"}),
        ("GET", "/monitoring/jobs/x/kill", {"POST"}),
    ],
)
def test_a_method_that_a_path_does_not_have(api, method, path, allowed):
    response = api.call(method, path)
    assert response.status_code == 405
    assert response.text == "405: Method Not Allowed"
    assert response.headers["Content-Type"].startswith("text/plain")
    assert set(response.headers["Allow"].split(",")) <= allowed


@pytest.mark.parametrize("path", STREAMS)
def test_a_refused_handshake_has_its_error_in_a_header(api, path):
    response = monitor(api, MISSING, "GET", path, headers={**api.headers, **HANDSHAKE})
    assert response.status_code == 400
    assert response.headers["X-Error"] == response.text
    assert json.loads(json.loads(response.text)["error"]) == {"error": "no such job " + MISSING}

    response = monitor(api, MISSING, "GET", path, headers=HANDSHAKE)
    assert response.status_code == 401
    assert response.headers["X-Error"] == response.text == "401: Unauthorized"


def test_the_header_is_for_handshakes_alone(api):
    plain = monitor(api, MISSING, "GET", "top")
    assert "X-Error" not in plain.headers
    # As the platform has it: the whole value counts.
    headers = {**api.headers, **HANDSHAKE, "Connection": "keep-alive, Upgrade"}
    response = monitor(api, MISSING, "GET", "top", headers=headers)
    assert response.status_code == 400
    assert "X-Error" not in response.headers
    headers = {**api.headers, **HANDSHAKE}
    response = api.call("GET", "/monitoring/jobs/x/nothing", headers=headers)
    assert response.headers["X-Error"] == "404: Not Found"


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("log?since=yesterday", "since"),
        ("log_ws?timestamps=perhaps", "timestamps"),
        ("log?debug=", "debug"),
        ("log?archive_delay=soon", "archive_delay"),
        ("log?archive_delay=inf", "archive_delay"),
        ("log?separator=a%0Ab", "separator"),
        ("exec?stdout=1", "cmd"),
        ("exec?cmd=%20&stdout=1", "cmd"),
        ("exec?cmd=true&stdin=0&stdout=0&stderr=0", "stdin"),
        ("exec?cmd=true&tty=1&stdout=1&stderr=1", "tty"),
        ("exec?cmd=true&tty=maybe", "tty"),
        ("attach?tty=1&stdout=1&stderr=1", "tty"),
        ("attach?stdin=0&stdout=0&stderr=0", "stdin"),
        ("attach?stdin=2", "stdin"),
    ],
)
def test_a_parameter_is_looked_at_before_the_token(api, path, word):
    response = monitor(api, MISSING, "GET", path, headers={})
    assert word in api.error(response, 400)


@pytest.mark.parametrize("port", ["http", "0x50", "-1", "65536", "0", "8.0"])
def test_a_port_that_is_none(api, running_job, port):
    response = monitor(api, running_job["id"], "GET", "port_forward/" + port)
    assert response.status_code == 400
    assert port in response.json()["msg"]


def test_ping(api, platform):
    assert api.call("GET", "/ping", headers={}).status_code == 200
    root = platform.api_url[: -len("/api/v1")]
    assert api.call("GET", root + "/ping", headers={}).status_code == 200
