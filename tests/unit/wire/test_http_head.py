"""The head of an answer: what is read quickly is what the standard library reads slowly."""

import http.client
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neuro_sync.wire.http_head import parse_head

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

NAMES = st.sampled_from(
    ["Content-Length", "Transfer-Encoding", "Connection", "Date", "x-Odd!", "Keep-Alive", "", "a b"]
)
VALUES = st.sampled_from(
    [
        "",
        "0",
        "17",
        " 17",
        "17 ",
        "+3",
        "-1",
        "1_0",
        "chunked",
        "Chunked",
        "gzip, chunked",
        "close",
        "keep-alive, Close",
        "a: b",
        "\tx\ty ",
        "t\u00e9",
        "\u0660",
        "x\x00",
        "x\x0b",
        "x\x1c",
        "x\x85",
    ]
)
LINES = st.one_of(
    st.builds("{}:{}".format, NAMES, VALUES),
    st.builds("{}: {}".format, NAMES, VALUES),
    st.sampled_from([" folded", "no colon", "From me", "\ttab", "x: y\nz: w"]),
)
STARTS = st.builds(
    "{} {}{}".format,
    st.sampled_from(["HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "http/1.1"]),
    st.sampled_from(["200", "204", "206", "304", "302", "404", "503", "600", "099", "20", "2000"]),
    st.sampled_from(["", " ", " OK", "  Not  Found ", " caf\u00e9", "\tOK"]),
)


class Connection:
    def __init__(self, data):
        self._data = data

    def makefile(self, mode):
        return io.BytesIO(self._data)


def by_the_standard_library(data, method):
    answer = http.client.HTTPResponse(Connection(data), method=method)
    answer.begin()
    headers = answer.getheaders()
    return answer.status, answer.reason, headers, answer.chunked, answer.length, answer.will_close


@given(
    STARTS,
    st.lists(LINES, max_size=4),
    st.sampled_from(["GET", "HEAD", "POST"]),
    st.binary(max_size=10),
)
@example("HTTP/1.1 200 OK", ["Content-Length: 17", "Date: today"], "GET", b"")
@example("HTTP/1.1 200 OK", ["Transfer-Encoding: chunked"], "GET", b"")
@example("HTTP/1.1 204 No Content", [], "DELETE", b"")
@example("HTTP/1.1 200", ["Connection: close"], "GET", b"")
def test_it_reads_what_the_standard_library_reads(start, lines, method, body):
    text = "\r\n".join([start, *lines]) + "\r\n\r\n"
    data = text.encode("utf-8") + body
    head = parse_head(data, method)
    if head is not None:
        assert head[:6] == by_the_standard_library(data, method)
        assert data[head.size :] == body


@given(st.integers(0, len(PLAIN) - 1))
def test_a_head_in_part_is_left_to_a_patient_parser(size):
    head = parse_head(PLAIN[:size])
    assert (head is not None) == (size >= len(PLAIN) - 2)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-One: 1\r\n two\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Caf\xc3\xa9: 1\r\n\r\n",
    ],
)
def test_what_is_not_plain_is_left_to_a_patient_parser(data):
    assert parse_head(data) is None
