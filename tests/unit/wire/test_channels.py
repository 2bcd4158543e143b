"""Frames of exec and attach: what one side encodes is what the other one reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_sync.errors import ProtocolError
from neuro_sync.wire import channels


@given(st.integers(0, 255), st.binary())
def test_a_frame_carries_any_payload_on_any_channel(channel, payload):
    assert channels.split(channels.encode(channel, payload)) == (channel, payload)


def test_a_frame_is_the_channel_byte_and_the_data():
    assert channels.encode(channels.STDIN, b"ls\n") == b"\x00ls\n"


def test_an_empty_frame_is_refused():
    with pytest.raises(ProtocolError):
        channels.split(b"")


@given(st.integers(-255, 2**31), st.none() | st.text())
def test_an_exit_status_comes_back(exit_code, message):
    channel, payload = channels.split(channels.encode_exit(exit_code, message))
    assert channel == channels.EXIT
    assert channels.parse_exit(payload) == (exit_code, message)


@pytest.mark.parametrize(
    "payload",
    [b"", b"{}", b"0", b"[]", b"null", b'"x"', b"{", b"\xff", b'{"exit_code": "1"}',
     b'{"exit_code": null}', b'{"exit_code": true}', b'{"exit_code": 1.5}', b'{"message": "x"}'],
)  # fmt: skip
def test_a_malformed_exit_status_is_refused_and_never_taken_for_a_code(payload):
    with pytest.raises(ProtocolError):
        channels.parse_exit(payload)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_size_comes_back(height, width):
    channel, payload = channels.split(channels.encode_resize(height, width))
    assert channel == channels.RESIZE
    assert channels.parse_resize(payload) == (height, width)


@pytest.mark.parametrize("payload", [b"", b"[]", b'{"height": 1}', b'{"height": -1, "width": 2}'])
def test_a_malformed_size_is_refused(payload):
    with pytest.raises(ProtocolError):
        channels.parse_resize(payload)


@given(st.binary())
def test_any_bytes_are_read_or_refused(payload):
    for parse in (channels.parse_exit, channels.parse_resize):
        try:
            parse(payload)
        except ProtocolError:
            pass
