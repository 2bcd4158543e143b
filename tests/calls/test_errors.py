"""What each refusal becomes, in the server's own words, whatever stands between it and us."""

import copy
import errno
import json
import pickle

import pytest

import neuro_sync
from neuro_sync import errors
from neuro_sync.wire.responses import error_from_response

from .conftest import API, JOB, MONITORING

MISSING = [{"uri": "job://default/acme/vision", "action": "write"}]
PAGE = "<html>\n<head><title>502 Bad Gateway</title></head><body><h1>502</h1></body></html>"

# status, body, class, text in the message
REFUSALS = [
    (400, {"error": "bad name"}, errors.IllegalArgumentError, "bad name"),
    (400, {"error": "no such job job-1"}, errors.JobNotFound, "no such job job-1"),
    (404, {"error": "no such job job-1"}, errors.JobNotFound, "no such job job-1"),
    (
        400,
        {"error": json.dumps({"error": "no such job job-1"})},
        errors.JobNotFound,
        "no such job job-1",
    ),
    (401, "401: Unauthorized", errors.AuthenticationError, "401: Unauthorized"),
    (401, "401: Unauthorized", errors.AuthenticationError, "log in again"),
    (403, {"missing": MISSING}, errors.AuthorizationError, "write on job://default/acme/vision"),
    (403, {"error": "no access to cluster"}, errors.AuthorizationError, "no access to cluster"),
    (404, "404: Not Found", errors.ResourceNotFound, "404: Not Found"),
    (404, {"error": "Job 'job-1' is not running."}, errors.ResourceNotFound, "is not running."),
    (405, "405: Method Not Allowed", errors.ClientError, "405: Method Not Allowed"),
    (409, {"error": "Job {id=job-1} has changed"}, errors.Conflict, "has changed"),
    (413, "too large", errors.ClientError, "too large"),
    (422, {"errors": {"detail": "unprocessable"}}, errors.ClientError, "unprocessable"),
    (429, "slow down", errors.RateLimited, "slow down"),
    (500, {"error": "Unexpected exception"}, errors.ServerError, "Unexpected exception"),
    (501, "", errors.ServerError, "status 501"),
    (502, PAGE, errors.BadGateway, "502 Bad Gateway"),
    (503, "", errors.ServerNotAvailable, "status 503"),
    (504, PAGE, errors.ServerError, "502 Bad Gateway"),
    (400, {"msg": "Cannot connect to port 1"}, errors.IllegalArgumentError, "Cannot connect to port 1"),
    (400, {"errors": {"a": 1}}, errors.IllegalArgumentError, '{"errors": {"a": 1}}'),
    (400, '"a JSON string"', errors.IllegalArgumentError, "a JSON string"),
    (400, "42", errors.IllegalArgumentError, "42"),
    (400, "[1, 2]", errors.IllegalArgumentError, "[1, 2]"),
    (400, "null", errors.IllegalArgumentError, "null"),
    (400, "", errors.IllegalArgumentError, "status 400"),
    (400, "<html></html>", errors.IllegalArgumentError, "status 400"),
    (400, {"error": ""}, errors.IllegalArgumentError, "status 400"),
    (400, {"error": None}, errors.IllegalArgumentError, "null"),
    (400, {"error": {"name": "bad"}}, errors.IllegalArgumentError, "bad"),
    (400, "{" * 100000, errors.IllegalArgumentError, "{{{"),
    (403, {"missing": "?"}, errors.AuthorizationError, "missing"),
    (403, {"missing": [1]}, errors.AuthorizationError, "missing"),
]  # fmt: skip


@pytest.fixture
def patient(connect):
    """A client that tries once."""
    return connect(retry=neuro_sync.RetryPolicy(attempts=1))


def refused(api, call, answer):
    api.answers(answer)
    with pytest.raises(Exception) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(("status", "body", "cls", "words"), REFUSALS)
def test_a_status_becomes_its_error(api, patient, status, body, cls, words):
    error = refused(api, lambda: patient.status("job-1"), (status, body))
    assert type(error) is cls
    assert words in error.args[0]
    assert "<" not in error.args[0]
    assert len(error.args[0]) < 1200
    assert (error.status, error.method) == (status, "GET")
    assert (error.url, error.attempts) == (API + "/jobs/job-1", 1)
    assert "GET {}/jobs/job-1: {}".format(API, status) in str(error)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (json.dumps({"error": json.dumps({"error": "no such job x"})}), "no such job x"),
        (json.dumps({"error": json.dumps({"error": json.dumps({"error": "bad"})})}), "bad"),
        ('"a JSON string"', "a JSON string"),
        ("<p>Bad\n <b>name</b></p>", "Bad name"),
        ("  words \n", "words"),
    ],
)
def test_words_are_taken_out_of_what_they_are_wrapped_in(api, patient, body, words):
    assert refused(api, lambda: patient.status("x"), (400, body)).args == (words,)


def test_a_permission_that_lacks_is_told_as_data(api, patient):
    error = refused(api, lambda: patient.kill("job-1"), (403, {"missing": MISSING}))
    assert error.missing == tuple(MISSING)
    assert error.method == "DELETE"


def test_the_payload_of_a_refusal_is_told_as_data(api, patient):
    payload = {"error": "bad", "field": "name"}
    assert refused(api, lambda: patient.status("x"), (400, payload)).payload == payload
    assert refused(api, lambda: patient.status("x"), (400, "words")).payload is None


def test_a_job_that_is_not_known_is_both_that_ported_code_may_catch(api, patient):
    error = refused(api, lambda: patient.status("x"), (400, {"error": "no such job x"}))
    for base in (errors.ResourceNotFound, errors.IllegalArgumentError, ValueError):
        assert isinstance(error, base)


@pytest.mark.parametrize(
    ("number", "expected"),
    [("ENOSPC", errno.ENOSPC), (28, 28), ("EWHATEVER", "EWHATEVER"), ("errorcode", "errorcode")],
)
def test_an_errno_makes_an_oserror(api, patient, number, expected):
    body = {"error": "no space left", "errno": number}
    error = refused(api, lambda: patient.status("x"), (400, body))
    assert isinstance(error, OSError)
    assert error.args == (expected, "no space left")


def test_calls_of_the_monitoring_service_fail_with_their_own_address(api, patient):
    wrapped = {"error": json.dumps({"error": "no such job job-1"})}
    error = refused(api, lambda: patient.send_signal("job-1"), (400, wrapped))
    assert isinstance(error, errors.JobNotFound)
    assert (error.method, error.url) == ("POST", MONITORING + "/job-1/kill")


def test_a_redirect_is_refused_and_the_token_goes_nowhere_else(api, patient):
    answer = (302, "", {"Location": "https://user:pw@evil.example/?token=x"})
    error = refused(api, lambda: patient.status("job-1"), answer)
    assert isinstance(error, errors.ProtocolError)
    assert "https://evil.example/" in str(error)
    assert "pw" not in str(error)
    assert "token" not in str(error)
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        (200, "<html>"),
        (200, ""),
        (200, "[]"),
        (200, "{}"),
        (200, {**JOB, "status": 5}),
        (200, b"\xff"),
    ],
)
def test_an_answer_that_is_no_job_breaks_the_protocol(api, patient, answer):
    error = refused(api, lambda: patient.status("job-1"), answer)
    assert isinstance(error, errors.ProtocolError)
    assert (error.status, error.method, error.attempts) == (200, "GET", 1)
    assert error.url == API + "/jobs/job-1"


@pytest.mark.parametrize("answer", ["[]", "1", '{"a": "1"}', '{"a": true}', '{"a": 1.5}'])
def test_a_capacity_that_is_no_table_of_numbers_breaks_the_protocol(api, patient, answer):
    error = refused(api, patient.get_capacity, (200, answer))
    assert isinstance(error, errors.ProtocolError)
    assert (error.status, error.method, error.attempts) == (200, "GET", 1)
    assert error.url == MONITORING + "/capacity"


def listing(api, jobs, body, headers=None):
    api.answers((200, body, headers or {"Content-Type": "application/x-ndjson"}))
    return jobs.list()


def test_a_listing_gives_the_jobs_before_it_failed(api, patient):
    body = json.dumps(JOB) + "\n" + json.dumps({"error": "db gone"})
    jobs = listing(api, patient, body)
    assert next(jobs).id == JOB["id"]
    with pytest.raises(errors.NDJSONError, match="db gone") as caught:
        next(jobs)
    error = caught.value
    assert (error.status, error.method, error.url) == (200, "GET", API + "/jobs")
    assert list(jobs) == []


@pytest.mark.parametrize("body", ['{"id": ', "[]\n", "nonsense\n", '{"id": "job-1"}', "\xff\n"])
def test_a_listing_that_is_no_listing_breaks_the_protocol(api, patient, body):
    with pytest.raises(errors.ProtocolError):
        list(listing(api, patient, body))


@pytest.mark.parametrize("body", ["", "[]", '{"jobs": {}}', '{"jobs": [1]}'])
def test_a_document_that_is_no_listing_breaks_the_protocol(api, patient, body):
    with pytest.raises(errors.ProtocolError):
        list(listing(api, patient, body, {"Content-Type": "application/json"}))


def test_one_job_with_an_odd_image_breaks_no_listing(api, patient):
    odd = {**JOB, "container": {**JOB["container"], "image": "registry.default.example//x"}}
    body = "".join(json.dumps(job) + "\n" for job in (JOB, odd, JOB))
    texts = [str(job.container.image) for job in listing(api, patient, body)]
    assert texts[1] == "registry.default.example//x:latest"
    assert texts[0] == texts[2] == "image://default/acme/vision/resnet:v3"


def test_an_empty_listing_is_empty(api, patient):
    assert list(listing(api, patient, "")) == []


def test_a_cluster_that_is_not_there_is_named_with_those_that_are(api, patient):
    with pytest.raises(
        errors.ConfigError, match="'nowhere' is not known; there are 'default', 'second'"
    ):
        patient.get_capacity(cluster_name="nowhere")


ERRORS = sorted((getattr(errors, name) for name in errors.__all__), key=lambda cls: cls.__name__)
FACTS = {"status": 400, "method": "GET", "url": "https://api.example/x", "attempts": 2}
OWN = {
    errors.AuthorizationError: {"missing": [{"uri": "u", "action": "read"}]},
    errors.RateLimited: {"retry_after": 2.5},
    errors.ServerNotAvailable: {"retry_after": 2.5},
    errors.IllegalArgumentError: {"payload": {"error": "x"}},
    errors.JobNotFound: {"payload": {"error": "x"}},
    errors.StdStreamError: {"stdout": b"out", "stderr": b"err"},
    errors.ExecTimeout: {"stdout": b"out", "stderr": b"err"},
    errors.LogGap: {"after": "a", "before": "b", "reason": "r"},
    errors.JobWaitTimeout: {"job": neuro_sync.JobDescription.from_dict(JOB)},
    errors.JobFinished: {"job": neuro_sync.JobDescription.from_dict(JOB)},
    errors.JobFailed: {"job": neuro_sync.JobDescription.from_dict(JOB), "log_tail": ["x"]},
}  # fmt: skip


def _copies(error):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        yield pickle.loads(pickle.dumps(error, protocol))
    yield copy.copy(error)
    yield copy.deepcopy(error)


@pytest.mark.parametrize("cls", ERRORS, ids=lambda cls: cls.__name__)
def test_an_error_survives_pickling_with_all_that_it_knows(cls):
    first = (3, "words") if cls is errors.StdStreamError else ("words",)
    error = cls(*first, **OWN.get(cls, {}), **FACTS)
    for other in _copies(error):
        assert type(other) is cls
        assert other.args == error.args
        assert vars(other) == vars(error)
        assert str(other) == str(error)


def test_an_error_without_a_request_shows_its_words_alone():
    assert str(errors.JobFinished("it ended")) == "it ended"
    assert str(errors.ConnectionFailed("gone")) == "gone"
    assert str(errors.NeuroError()) == ""


def test_an_error_of_several_tries_says_how_many():
    error = errors.ServerError("broken", method="GET", url="https://x/", status=500, attempts=3)
    assert str(error) == "broken [GET https://x/: 500, 3 tries]"


def test_the_words_of_a_refused_handshake_come_from_its_header():
    header = '{"msg": "Cannot connect to port 1", "error": "ConnectionRefusedError(111)"}'
    error = error_from_response(400, b"ignored", x_error=header)
    assert str(error).startswith("Cannot connect to port 1: ConnectionRefusedError(111)")
    assert "ignored" not in str(error)
    assert "words" in str(error_from_response(404, b"words", x_error=""))
