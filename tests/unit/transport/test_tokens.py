"""What a token says of itself."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_sync.errors import ConfigError
from neuro_sync.transport.auth import CallableToken, StaticToken, token_source
from neuro_sync.transport.tokens import user_of


def token(claims):
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return "e30.{}.c2ln".format(body)


@given(st.text(min_size=1))
def test_a_token_names_its_user(name):
    assert user_of(token({"identity": name})) == name
    assert user_of(token({"https://platform.neuromation.io/user": name})) == name
    assert user_of(token({"identity": name, "https://platform.neuromation.io/user": "x"})) == name


@pytest.mark.parametrize("claims", [{}, {"identity": 5}, [], "text", None, 5])
def test_a_token_that_names_nobody_is_an_error_that_does_not_show_it(claims):
    with pytest.raises(ConfigError) as caught:
        user_of(token(claims))
    assert token(claims).split(".")[1] not in repr(caught.value)


@given(st.text())
def test_any_text_names_a_user_or_is_an_error_that_does_not_show_it(text):
    try:
        assert isinstance(user_of(text), str)
    except ConfigError as error:
        assert error.__cause__ is None  # noqa: PT017
        assert len(text) < 10 or text not in str(error)  # noqa: PT017


def test_a_text_stays_and_a_function_is_asked_each_time():
    static = token_source("a")
    assert isinstance(static, StaticToken)
    assert (static.token(), static.refresh("a")) == ("a", False)
    answers = iter(["a", "a", "b"])
    asked = token_source(lambda: next(answers))
    assert isinstance(asked, CallableToken)
    assert asked.token() == "a"
    assert asked.refresh("a") is False
    assert asked.refresh("a") is True
