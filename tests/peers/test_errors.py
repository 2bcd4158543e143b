"""What an ``except`` clause of ported code meets is what it met with the platform's own SDKs."""

import json

import pytest

from .comparing import PEERS
from .recorder import minimal_job

NO_SUCH_JOB = json.dumps({"error": "no such job x"})
NOT_RUNNING = json.dumps({"error": "Job 'job-1' is not running."})
MISSING = json.dumps({"missing": [{"uri": "job://default", "action": "write"}]})
# Status and body of an answer.
ANSWERS = [
    (400, '{"error": "wrong"}'),
    (400, '{"error": "{\'name\': DataError(...)}"}'),
    (400, NO_SUCH_JOB),
    (400, json.dumps({"error": NO_SUCH_JOB})),
    (400, '{"error": "no space left", "errno": "ENOSPC"}'),
    (400, '{"error": "no space left", "errno": 28}'),
    (400, '{"error": "strange", "errno": "ESTRANGE"}'),
    (400, '{"errors": {"detail": "unprocessable"}}'),
    (400, "not JSON"),
    (400, ""),
    (401, "401: Unauthorized"),
    (403, '{"error": "not in this cluster"}'),
    (403, MISSING),
    (404, NOT_RUNNING),
    (404, "404: Not Found"),
    (405, "405: Method Not Allowed"),
    (409, '{"error": "Job {id=job-1} has changed"}'),
    (413, "too large"),
    (422, '{"error": "unprocessable"}'),
    (429, '{"error": "slow down"}'),
    (500, '{"error": "Unexpected exception"}'),
    (502, "<html>Bad Gateway</html>"),
    (503, ""),
    (504, ""),
    (400, '"an error"'),
    (400, "5"),
]
# Where our error is another one on purpose: peers, when, ours, and why.
DELIBERATE = [
    (
        PEERS,
        lambda status, body: status == 400 and "no such job" in body,
        "JobNotFound",
        "a missing job is told from a wrong request; it is both an IllegalArgumentError and a ResourceNotFound",
    ),
    (
        PEERS,
        lambda status, body: status == 409,
        "Conflict",
        "to try again may help, which it never does for a wrong argument",
    ),
    (PEERS, lambda status, body: status == 429, "RateLimited", "the same"),
    (
        PEERS,
        lambda status, body: status in (500, 504),
        "ServerError",
        "the fault is the server's, not the caller's",
    ),
    (
        PEERS,
        lambda status, body: status in (413, 422),
        "ClientError",
        "the request was refused, but not for a wrong argument",
    ),
    (["oldest"], lambda status, body: status == 502, "BadGateway", "named so since 2025"),
    (["oldest"], lambda status, body: status == 503, "ServerNotAvailable", "the same"),
    (
        PEERS,
        lambda status, body: body in ('"an error"', "5"),
        "IllegalArgumentError",
        "the others fail to read such a body, with a TypeError",
    ),
]


def _deliberate(peer, status, body):
    for peers, applies, name, _ in DELIBERATE:
        if peer in peers and applies(status, body):
            return name
    return None


def _assert_same(peer, status, body, theirs, ours):
    assert "error" in theirs, theirs
    assert "error" in ours, ours
    name = _deliberate(peer, status, body)
    if name is not None:
        assert ours["error"] == name
        assert theirs["error"] != name, "no difference any more: take it out of the table"
        return
    assert ours["error"] == theirs["error"]
    assert set(theirs["bases"]) <= set(ours["bases"])
    assert _text(body) in ours["text"]


def _text(body):
    """What a person reads of a body."""
    try:
        payload = json.loads(body)
    except ValueError:
        return "" if body.startswith("<") else body
    return payload.get("error", "") if isinstance(payload, dict) else ""


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize(("status", "body"), ANSWERS)
def test_an_answer_is_the_same_error(request, peer, status, body):
    both = request.getfixturevalue(peer)
    both.comparisons += 1
    both.recorder.answers["GET", "/jobs/x"] = (status, {}, body)
    order = {"method": "status", "arguments": {"id": "x"}}
    _assert_same(peer, status, body, both.peer(order)[0], both.us(order)[0])


HANDSHAKES = [
    (400, '{"error": "wrong"}'),
    (400, json.dumps({"error": NO_SUCH_JOB})),
    (401, "401: Unauthorized"),
    (403, MISSING),
    (404, NOT_RUNNING),
    (404, "404: Not Found"),
    (405, "405: Method Not Allowed"),
    (500, '{"error": "Unexpected exception"}'),
    (502, "<html>Bad Gateway</html>"),
]
STREAMS = {
    "exec": {"cmd": "true", "stdout": True},
    "attach": {"stdout": True},
    "monitor": {},
    "top": {},
}


@pytest.mark.parametrize("method", sorted(STREAMS))
@pytest.mark.parametrize(("status", "body"), HANDSHAKES)
@pytest.mark.parametrize("with_header", [True, False], ids=["header", "body alone"])
def test_a_refused_stream_is_the_same_error(newest, method, status, body, with_header):
    newest.comparisons += 1
    path = "log_ws" if method == "monitor" else method
    headers = {"X-Error": body} if with_header else {}
    newest.recorder.answers["GET", "/mon/jobs/job-1/" + path] = (status, headers, body)
    order = {"method": method, "arguments": {"id": "job-1", **STREAMS[method]}}
    _assert_same("newest", status, body, newest.peer(order)[0], newest.us(order)[0])


@pytest.mark.parametrize("peer", PEERS)
def test_a_listing_that_fails_half_way_is_the_same_error(request, peer):
    both = request.getfixturevalue(peer)
    both.comparisons += 1
    lines = (
        json.dumps(minimal_job()) + "\n" + json.dumps({"error": "Unexpected exception: db gone"})
    )
    headers = {"Content-Type": "application/x-ndjson"}
    both.recorder.answers["GET", "/jobs"] = (200, headers, lines)
    theirs, ours = both.peer({"method": "list"})[0], both.us({"method": "list"})[0]
    assert ours["error"] == theirs["error"] == "NDJSONError"
    assert set(theirs["bases"]) <= set(ours["bases"])
    assert "db gone" in ours["text"]
