"""Output as data: any bytes come through JSON."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_sync import ExecResult, Message, ProtocolError


@given(st.integers(1, 2), st.binary())
def test_output_is_equal_after_a_round_trip(fileno, data):
    message = Message(fileno, data)
    assert Message.from_json(message.to_json()) == message
    result = ExecResult(fileno, data, data[::-1])
    assert ExecResult.from_json(result.to_json()) == result


@pytest.mark.parametrize("data", ["not base64!", "YQ", 5, ["YQ=="], None])
def test_what_is_no_output_breaks_the_protocol(data):
    with pytest.raises(ProtocolError, match="'data'"):
        Message.from_dict({"fileno": 1, "data": data})


def test_a_repr_shows_little_output_whole_and_the_start_of_much():
    assert repr(Message(1, b"hello\n")) == "Message(fileno=1, data=b'hello\\n')"
    assert repr(Message(1, b"x" * 100)) == "Message(fileno=1, data={!r})".format(b"x" * 100)
    much = "<1000000 bytes: {!r}...>".format(b"x" * 100)
    assert repr(Message(2, b"x" * 10**6)) == "Message(fileno=2, data={})".format(much)
    result = ExecResult(3, b"x" * 10**6, b"why")
    assert repr(result) == "ExecResult(exit_code=3, stdout={}, stderr=b'why')".format(much)
