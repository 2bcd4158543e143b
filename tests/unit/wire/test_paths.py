"""What comes from outside cannot leave its place in a URL or a header."""

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from neuro_sync.wire.paths import header_value, hide, path_segment, redact


@given(st.text())
def test_a_segment_is_one_segment_or_refused(text):
    try:
        quoted = path_segment(text)
    except ValueError:
        assert text in ("", ".", "..") or set(text) & set("\r\n\0")
        return
    parts = urlsplit("https://host/a/{}/b".format(quoted))
    assert parts.path.split("/") == ["", "a", quoted, "b"]
    assert (parts.query, parts.fragment) == ("", "")
    assert unquote(quoted) == text
    assert quoted.isascii()


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("job-0f5c2d8e-6a41-4a7f-9a55-3c1d2b7e9f10", "job-0f5c2d8e-6a41-4a7f-9a55-3c1d2b7e9f10"),
        ("a/b", "a%2Fb"),
        ("../x", "..%2Fx"),
        ("...", "..."),
        ("a b?c#d%2F", "a%20b%3Fc%23d%252F"),
        ("ü", "%C3%BC"),
    ],
)
def test_a_segment_is_quoted(text, quoted):
    assert path_segment(text) == quoted


@pytest.mark.parametrize("text", ["", ".", "..", "a\nb", "a\rb", "a\0b", "\ud800", "x" * 4097])
def test_what_is_no_segment_is_refused_with_its_name(text):
    with pytest.raises(ValueError, match="name of a thing"):
        path_segment(text, "name of a thing")


@pytest.mark.parametrize("value", [None, 5, b"a", ["a"]])
def test_a_segment_is_a_text(value):
    with pytest.raises(TypeError, match="job id must be a str"):
        path_segment(value)


@given(st.text())
def test_a_header_is_passed_or_refused_without_being_shown(text):
    try:
        assert header_value(text, "the token") == text
        text.encode("ascii")
        assert not set(text) & set("\r\n\0")
    except ValueError as error:
        assert str(error).startswith("the token has ")  # noqa: PT017
        if len(text) > 25:
            assert text not in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@host:1/a/b?token=secret#secret", "https://host:1/a/b"),
        ("https://host/a", "https://host/a"),
        ("wss://secret@host", "wss://host"),
        ("https://a@b@host/x", "https://host/x"),
        ("https://host/a@b/c?d", "https://host/a@b/c"),
        ("user:secret@host:3128", "host:3128"),
        ("//secret@host/x", "//host/x"),
        ("http://secret@[/x?secret", "http://[/x"),
        ("http://h]/\n?secret\nsecret", "http://h]/\n"),
        ("", ""),
    ],
)
def test_what_may_be_secret_is_not_shown(url, shown):
    assert redact(url) == shown


@given(st.text(alphabet="abc123-", min_size=12), st.sampled_from(["https", "wss", "http"]))
def test_a_secret_is_never_shown(secret, scheme):
    assume(secret not in "https://host:8080/path")
    url = "{0}://{1}:{1}@host:8080/path?x={1}&y={1}#{1}".format(scheme, secret)
    assert secret not in redact(url)


@given(st.text())
def test_any_text_is_shown_without_what_may_be_secret(text):
    assert not set(redact(text)) & set("?#")


def test_secrets_are_hidden_in_what_others_say():
    assert hide("a token-1, b token-2, c", ["token-1x", "token-2x"]) == "a token-1, b token-2, c"
    assert hide("a token-1x, b token-2x", ["token-1x", "token-2x"]) == "a ***, b ***"
    # Not what may be part of any word.
    assert hide("the token", ["t", ""]) == "the token"
