"""A token that the server does not accept: one refresh, one repeat."""

import pytest

from neuro_sync import AuthenticationError

from .conftest import JOB


class Tokens:
    """Gives tokens in their order; the last stays."""

    def __init__(self, *tokens):
        self.tokens = list(tokens)
        self.asked = 0

    def __call__(self):
        self.asked += 1
        return self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]


class Server:
    """Accepts one token."""

    def __init__(self, accepted):
        self.accepted = accepted

    def __call__(self, request):
        if request.headers["Authorization"] == "Bearer " + self.accepted:
            return 202, JOB
        return 401, "401: Unauthorized"


def seen(api):
    return [request.headers["Authorization"] for request in api.requests]


CALLS = {
    "status": lambda jobs: jobs.status("job-1"),
    "start": lambda jobs: jobs.start(
        image="ubuntu", preset_name="cpu-small", cluster_name="default"
    ),
    "bump_life_span": lambda jobs: jobs.bump_life_span("job-1", 60),
}


@pytest.mark.parametrize("name", ["status", "bump_life_span"])
def test_a_new_token_is_tried_at_once(api, connect, clock, name):
    jobs = connect(Tokens("old", "new"))
    api.handler = Server("new")
    CALLS[name](jobs)
    assert seen(api) == ["Bearer old", "Bearer new"]
    assert clock.slept == []


def test_a_start_that_was_refused_was_not_executed_and_goes_out_again(api, connect):
    # The config is asked for with the first token.
    jobs = connect(Tokens("first", "old", "new"))
    api.handler = Server("new")
    assert CALLS["start"](jobs).id == JOB["id"]
    assert seen(api) == ["Bearer old", "Bearer new"]


def test_a_token_that_stays_the_same_is_not_tried_again(api, connect):
    api.handler = Server("new")
    for jobs in (connect("old"), connect(lambda: "old")):
        api.requests.clear()
        with pytest.raises(AuthenticationError, match="log in again"):
            jobs.status("job-1")
        assert seen(api) == ["Bearer old"]


def test_there_is_one_repeat_however_many_tokens_there_are(api, connect):
    counted = Tokens(*["token-{}".format(number) for number in range(50)])
    api.handler = Server("never")
    with pytest.raises(AuthenticationError) as caught:
        connect(counted).status("job-1")
    assert len(seen(api)) == 2
    assert caught.value.status == 401


def test_a_call_that_is_tried_again_does_not_refresh_its_token_again(api, connect):
    answers = [401, 502, 401, (200, JOB)]
    api.handler = lambda request: answers.pop(0)
    with pytest.raises(AuthenticationError):
        connect(Tokens("a", "b", "c", "d")).status("job-1")
    assert len(api.requests) == 3


def test_a_callable_is_asked_for_each_request(api, connect):
    api.handler = lambda request: (200, JOB)
    tokens = Tokens("a", "b", "c")
    jobs = connect(tokens)
    for _ in range(3):
        jobs.kill("job-1")
    assert seen(api) == ["Bearer a", "Bearer b", "Bearer c"]


def test_what_the_callable_raises_comes_as_it_is(api, connect):
    def broken():
        raise LookupError("the vault is sealed")

    with pytest.raises(LookupError, match="the vault is sealed"):
        connect(broken).status("job-1")
    assert api.requests == []


def test_a_server_error_does_not_use_the_refresh_up(api, connect):
    answers = [502, (401, ""), (200, JOB)]
    api.handler = lambda request: answers.pop(0)
    jobs = connect(Tokens("a", "b", "c", "d"))
    assert jobs.status("job-1").id == JOB["id"]


@pytest.mark.parametrize("token", [5, None, b"bytes"])
def test_a_token_that_is_no_text_is_refused_without_being_shown(api, connect, token):
    with pytest.raises(TypeError) as caught:
        connect(lambda: token).status("job-1")
    assert type(token).__name__ in str(caught.value)
    assert "bytes'" not in str(caught.value)
    assert api.requests == []
