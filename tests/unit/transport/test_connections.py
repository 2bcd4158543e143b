"""What a call does not make anew each time is not shared by two of them."""

from types import SimpleNamespace

from requests.structures import CaseInsensitiveDict

from neuro_sync.transport.connections import Adapter, RequestHeaders


def answer(status, **headers):
    return SimpleNamespace(status=status, headers=headers, reason="words of {}".format(status))


def test_an_answer_says_nothing_of_another_one():
    adapter = Adapter()
    first = adapter.build_response(SimpleNamespace(url="http://a/"), answer(200, a="1"))
    second = adapter.build_response(SimpleNamespace(url="http://b/"), answer(404))
    assert (first.status_code, first.reason, first.url) == (200, "words of 200", "http://a/")
    assert (second.status_code, second.headers, second.url) == (404, {}, "http://b/")
    assert first.headers == {"a": "1"}
    assert not first.is_redirect
    assert first.ok
    assert not second.ok


def test_headers_of_a_request_are_found_in_any_case_and_sent_in_their_own():
    headers = RequestHeaders({"User-Agent": "x"})
    headers["Authorization"] = "Bearer t"
    assert headers["authorization"] == "Bearer t"
    assert "USER-AGENT" in headers
    assert headers == CaseInsensitiveDict({"user-agent": "x", "authorization": "Bearer t"})
    copied = headers.copy()
    copied["Host"] = "h"
    assert list(copied.items())[:2] == [("User-Agent", "x"), ("Authorization", "Bearer t")]
    assert "host" not in headers
