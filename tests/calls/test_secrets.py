"""A token is seen by the server alone."""

import logging
import pickle
import traceback

import pytest

from neuro_sync import Client, JobsClient, NeuroError, RetryPolicy

from .conftest import API, CUT, JOB, NOT_SENT, SILENT, TOKEN

SECRET = TOKEN.split(".")[1]


@pytest.fixture
def everything(caplog):
    """All records of all loggers, those of the libraries too."""
    caplog.set_level(logging.DEBUG)
    for name in ("neuro_sync", "requests", "urllib3", "websocket"):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


def _shown(call):
    """All that an error of a call may show."""
    try:
        call()
    except NeuroError as error:
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        pickled = pickle.dumps(error).decode("latin-1")
        return [str(error), repr(error), repr(vars(error)), "".join(lines), pickled]
    return []


@pytest.mark.parametrize(
    "answer",
    [
        (200, JOB),
        (200, "<html>"),
        (302, "", {"Location": "https://evil.example/?x=" + TOKEN}),
        (302, "", {"Location": "https://evil.example/" + TOKEN}),
        (400, {"error": "bad"}),
        (400, {"error": "can't read Authorization: Bearer " + TOKEN}),
        (403, {"missing": [{"uri": "user://" + TOKEN, "action": "read"}]}),
        (503, "<html>" + TOKEN),
        401,
        403,
        (429, "", {"Retry-After": "1"}),
        500,
        502,
        CUT,
        NOT_SENT,
        SILENT,
    ],
)
@pytest.mark.parametrize("give", [str, lambda token: lambda: token], ids=["text", "callable"])
def test_no_log_record_and_no_error_shows_it(api, connect, everything, answer, give):
    jobs = connect(give(TOKEN))
    api.answers(answer)
    for shown in _shown(lambda: jobs.status("job-1")):
        assert SECRET not in shown
    assert SECRET not in everything.text
    assert not [record for record in everything.records if SECRET in repr(record.__dict__)]
    assert SECRET in api.requests[0].headers["Authorization"]


def test_calls_are_logged_with_method_address_status_and_try(api, connect, everything):
    jobs = connect()
    api.answers(503, (200, {"jobs": []}))
    list(jobs.list(tags=["private"]))
    records = [record for record in everything.records if record.name == "neuro_sync"]
    texts = [record.getMessage() for record in records if "/jobs:" in record.getMessage()]
    assert [text.partition(" after")[0] for text in texts] == [
        "GET {}/jobs: 503".format(API),
        "GET {}/jobs: 200".format(API),
    ]
    assert texts[1].endswith("try 2")
    assert not [text for text in texts if "private" in text]


@pytest.mark.parametrize("token", [TOKEN, lambda: TOKEN], ids=["text", "callable"])
def test_no_repr_shows_it(api, token):
    with Client.from_token(API, token, retry=RetryPolicy(1)) as client:
        objects = [client, client.jobs, client.config, client.parse, client.config.token_source]
        objects += [client.jobs._http, client.jobs._ws, client.jobs.list()]
        for item in objects:
            assert SECRET not in repr(item)
            assert SECRET not in str(item)


@pytest.mark.parametrize("bad", ["{}\n", "{}\r\nX-Evil: 1", "{}\0", "{}\u20ac"])
def test_a_token_that_would_break_a_header_is_refused_without_being_shown(bad):
    with pytest.raises(ValueError, match="the token has") as caught:
        JobsClient(API, bad.format(TOKEN))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:{}@api.example/api/v1",
        "https://api.example/api/v1?token={}",
        "https://api.example/api/v1#{}",
        "ftp://user:{}@api.example/api/v1",
    ],
)
def test_an_address_with_a_secret_in_it_is_refused_without_being_shown(url):
    with pytest.raises(ValueError, match="address of an API") as caught:
        JobsClient(url.format(TOKEN), TOKEN)
    assert SECRET not in str(caught.value)


def test_a_job_shows_the_names_of_its_variables_alone(api, connect):
    api.answers((200, {**JOB, "container": {**JOB["container"], "env": {"PASSWORD": "hunter2"}}}))
    job = connect().status("job-1")
    assert "PASSWORD" in repr(job.container)
    for shown in (repr(job), str(job), repr(job.container), job._repr_html_()):
        assert "hunter2" not in shown
