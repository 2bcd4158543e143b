"""Ids and names from outside are one segment of a path, or refused before anything is sent."""

from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neuro_sync import JobsClient, RemoteImage

from .conftest import API, JOB, MONITORING, TOKEN

# It needs no parser, and so no config.
IMAGE = RemoteImage("a", "v1", "registry.default.example", "default", "acme", "vision")
CALLS = {
    "status": lambda jobs, id: jobs.status(id),
    "kill": lambda jobs, id: jobs.kill(id),
    "bump_life_span": lambda jobs, id: jobs.bump_life_span(id, 60),
    "send_signal": lambda jobs, id: jobs.send_signal(id),
    "save": lambda jobs, id: jobs.save(id, IMAGE, progress=False),
    "exec": lambda jobs, id: jobs.exec(id, "true", stdout=True),
    "attach": lambda jobs, id: jobs.attach(id, stdout=True),
    "monitor": lambda jobs, id: jobs.monitor(id),
    "top": lambda jobs, id: jobs.top(id),
    "port_forward": lambda jobs, id: jobs.port_forward(id, 0, 80),
    "wait": lambda jobs, id: jobs.wait(id),
    "as_completed": lambda jobs, id: list(jobs.as_completed([id])),
    "exec_run": lambda jobs, id: jobs.exec_run(id, "true"),
}


@pytest.mark.parametrize("name", sorted(CALLS))
@pytest.mark.parametrize(
    "id",
    ["", ".", "..", "a\r\nX: 1", "a\n", "a\0b", "\ud800", "a" * 5000],
    ids=["empty", "dot", "dots", "CR LF", "LF", "NUL", "surrogate", "long"],
)
def test_what_is_no_id_is_refused_before_anything_is_sent(jobs, api, name, id):
    with pytest.raises(ValueError, match="job id"):
        CALLS[name](jobs, id)
    assert api.requests == []
    assert api.config_requests == 0


@pytest.mark.parametrize("name", sorted(CALLS))
def test_an_id_that_is_no_text_is_a_wrong_type(jobs, api, name):
    with pytest.raises(TypeError):
        CALLS[name](jobs, 5)
    assert api.requests == []


@pytest.mark.parametrize(
    "id",
    ["a/b", "../admin", "a?b=c", "a#b", "a b", "ü", "a%2Fb", "a;b", "..a", "a&b", "a\\b", "a:b"],
)
def test_an_odd_id_is_one_segment_of_the_path(jobs, api, id):
    api.answers((200, JOB))
    jobs.status(id)
    api.answers(204)
    jobs.kill(id)
    jobs.send_signal(id)
    for request, base in zip(api.requests, [API + "/jobs/", API + "/jobs/", MONITORING + "/"]):
        assert request.url.startswith(base)
        segment = request.url[len(base) :].split("/")[0]
        assert unquote(segment) == id
        assert request.query == []


@settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(id=st.text(max_size=30))
def test_any_text_is_one_segment_or_refused(api, id):
    jobs = JobsClient(API, TOKEN)
    api.requests.clear()
    api.answers(204)
    try:
        jobs.kill(id)
    except ValueError:
        assert api.requests == []
        return
    (request,) = api.requests
    head, _, segment = request.url.rpartition("/")
    assert head == API + "/jobs"
    assert unquote(segment) == id


@pytest.mark.parametrize("text", ["a&owner=b", "a\r\nX: 1", "a#b", "ü", "a+b", "a=b", "%00"])
def test_a_filter_stays_in_its_parameter(jobs, api, text):
    api.answers((200, {"jobs": []}))
    list(jobs.list(name=text, owners=[text], tags=[text], org_names=[text], project_names=[text]))
    (request,) = api.requests
    values = [value for _, value in request.query]
    assert values == [text, text, text, "default", "False", "False", text, text]
    assert "\n" not in request.raw_query


@pytest.mark.parametrize("port", [-1, 65536, "80", None, 1.5])
def test_what_is_no_port_is_refused_before_anything_is_sent(jobs, api, port):
    for ports in ((port, 80), (8080, port), (8080, 0)):
        with pytest.raises(ValueError, match="port"):
            jobs.port_forward("job-1", *ports)
    assert api.requests == []


@pytest.mark.parametrize("cmd", ["", "  ", "a\0b"])
def test_what_is_no_command_is_refused_before_anything_is_sent(jobs, api, cmd):
    with pytest.raises(ValueError, match="command"):
        jobs.exec("job-1", cmd, stdout=True)
    assert api.requests == []
