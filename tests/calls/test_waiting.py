"""How long the looks of those who wait may take."""

import pytest

from neuro_sync import ConnectionFailed

from .conftest import SILENT


def test_as_completed_looks_at_an_id_for_no_longer_than_it_may_take(jobs, api):
    api.answers(SILENT)
    with pytest.raises(ConnectionFailed):
        jobs.as_completed(["job-1"], timeout=7)
    assert all(read <= 7 for _, read in (request.timeout for request in api.requests))


def test_as_completed_without_a_limit_looks_as_long_as_any_call(jobs, api):
    api.answers(SILENT)
    with pytest.raises(ConnectionFailed):
        jobs.as_completed(["job-1"])
    assert api.requests[0].timeout == (10, 60)
