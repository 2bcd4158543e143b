"""Queries of the endpoints, character by character."""

from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_sync.wire.queries import attach_query, exec_query, list_query, log_query


def test_a_listing_as_the_platforms_own_client_writes_it():
    query = list_query(
        statuses=["running", "pending"],
        name="n",
        owners=["o", "p/q"],
        tags=["a", "b"],
        since=datetime(2026, 1, 1, tzinfo=timezone.utc),
        until=datetime(2026, 1, 2, 3, 4, 5, 600, timezone.utc),
        cluster_name="clu",
        reverse=True,
        limit=5,
        org_names=["org"],
        project_names=["p"],
    )
    assert urlencode(query, safe=":/") == (
        "status=running&status=pending&name=n&owner=o&owner=p/q&tag=a&tag=b"
        "&since=2026-01-01T00:00:00%2B00:00&until=2026-01-02T03:04:05.000600%2B00:00"
        "&cluster_name=clu&reverse=1&limit=5&being_dropped=False&logs_removed=False"
        "&org_name=org&project_name=p"
    )


def test_jobs_that_are_dropped_are_among_those_of_a_listing_without_those_filters():
    assert list_query(cluster_name="clu", dropped=True) == [("cluster_name", "clu")]


@given(
    st.lists(st.text()), st.lists(st.text()), st.text(min_size=1), st.none() | st.integers(0, 10**6)
)
def test_any_filter_arrives_as_it_was(owners, tags, name, limit):
    query = list_query(cluster_name="c", owners=owners, tags=tags, name=name, limit=limit)
    arrived = parse_qsl(urlencode(query), keep_blank_values=True)
    assert [value for key, value in arrived if key == "owner"] == owners
    assert [value for key, value in arrived if key == "tag"] == tags
    assert dict(arrived)["name"] == name
    assert dict(arrived).get("limit") == (None if limit is None else str(limit))


def test_a_log_is_asked_for_with_what_was_said_alone():
    assert log_query() == []
    ahead = timezone(timedelta(hours=2))
    query = log_query(
        since=datetime(2026, 1, 1, 2, tzinfo=ahead),
        timestamps=True,
        separator="=== x+y",
        debug=True,
    )
    assert urlencode(query, safe=":") == (
        "since=2026-01-01T00:00:00%2B00:00&timestamps=true&separator=%3D%3D%3D+x%2By&debug=true"
    )


def test_an_empty_separator_is_said():
    assert log_query(separator="") == [("separator", "")]


@given(st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_streams_are_all_said(tty, stdin, stdout, stderr):
    flags = [("tty", tty), ("stdin", stdin), ("stdout", stdout), ("stderr", stderr)]
    assert attach_query(**dict(flags)) == [(name, str(int(value))) for name, value in flags]
    assert exec_query("ls", **dict(flags))[1:] == attach_query(**dict(flags))


def test_a_command_is_one_value():
    query = exec_query("sh -c 'a b'", tty=False, stdin=True, stdout=True, stderr=True)
    assert urlencode(query, safe="'") == "cmd=sh+-c+'a+b'&tty=0&stdin=1&stdout=1&stderr=1"


@pytest.mark.parametrize("cmd", ["", " \t\n", "a\0b"])
def test_what_is_no_command_is_refused(cmd):
    with pytest.raises(ValueError, match="command"):
        exec_query(cmd, tty=False, stdin=False, stdout=True, stderr=False)
