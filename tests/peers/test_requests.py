"""For the same arguments a server sees the same requests from the platform's own SDK and from us."""

import inspect

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neuro_sync import JobsClient

from .orders import (
    CASES,
    CONTAINER,
    DELIBERATE,
    EAST,
    METHODS,
    MOMENT,
    NAIVE,
    NOT_SENT,
    OF_CONTAINER,
    OF_RUN,
    PARAMETERS,
    REFUSED,
    RESOURCES,
    START,
    listing,
    of_job,
    run_container,
    start,
    statuses,
)


def _name(order):
    arguments = {
        name: value
        for name, value in order.get("arguments", {}).items()
        if START.get(name) != value
    }
    return "{}-{}".format(order["method"], arguments)[:120]


def _comparable(requests):
    """Without what differs between the libraries and means nothing."""
    result = []
    for request in requests:
        request = dict(request, headers=dict(request["headers"]))
        if request["websocket"]:
            request["headers"].pop("Accept", None)
        if request["body"] is None:
            request["headers"].pop("Content-Type", None)
        result.append(request)
    return result


def _compare(both, order):
    both.comparisons += 1
    theirs, their_requests = both.peer(order)
    ours, our_requests = both.us(order)
    return (theirs, _comparable(their_requests)), (ours, _comparable(our_requests))


def _assert_same(both, order):
    (theirs, their_requests), (ours, our_requests) = _compare(both, order)
    assert our_requests == their_requests, (theirs, ours)
    assert their_requests, "nothing was sent: {}".format(theirs)


@pytest.mark.parametrize("order", CASES, ids=_name)
def test_a_server_sees_the_same(newest, order):
    _assert_same(newest, order)


@pytest.mark.parametrize(
    "order",
    [order for orders, _ in DELIBERATE.values() for order in orders],
    ids=_name,
)
def test_a_deliberate_difference_is_still_one(newest, order):
    (_, theirs), (_, ours) = _compare(newest, order)
    assert ours != theirs, "no difference any more: take it out of the table"


@pytest.mark.parametrize("method", METHODS)
def test_the_table_has_every_parameter(method):
    given = set()
    for order in [*CASES, *(order for orders, _ in DELIBERATE.values() for order in orders)]:
        if order["method"] == method:
            given |= set(order.get("arguments", ()))
    parameters = set(inspect.signature(getattr(JobsClient, method)).parameters) - {"self"}
    assert parameters == given | NOT_SENT.get(method, set())


def test_the_table_has_every_method():
    ours_alone = {"as_completed", "close", "exec_run", "interact", "start_and_wait", "wait"}
    methods = {
        name
        for name in dir(JobsClient)
        if not name.startswith("_") and callable(getattr(JobsClient, name))
    }
    assert methods == set(METHODS) | ours_alone


def test_a_log_is_asked_for_in_the_same_place(newest):
    """All that differs is the query."""
    for order in DELIBERATE["log"][0]:
        (_, theirs), (_, ours) = _compare(newest, order)
        for request in (*theirs, *ours):
            request["query"] = [
                (key, value)
                for key, value in request["query"]
                if key == "debug" or (key == "separator" and "separator" in order["arguments"])
            ]
        assert ours == theirs


def test_a_forward_dials_the_same(newest):
    for order in DELIBERATE["forward"][0]:
        (_, theirs), (_, ours) = _compare(newest, order)
        assert ours[1:] == theirs


# cluster_name, project_name and org_name decide what is relative, which is a difference of its own.
_COMBINED = sorted(set(PARAMETERS) - {"cluster_name", "project_name", "org_name", "image"})


def _drawn(max_examples):
    return settings(
        max_examples=max_examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def _any_of(names):
    return st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(PARAMETERS[name]) for name in names}
    )


# They decide what is relative, which is a difference of its own.
_PLACES = {"cluster_name", "project_name", "org_name"}


@_drawn(150)
@given(chosen=_any_of(sorted(set(PARAMETERS) - _PLACES - {"image"})))
def test_a_server_sees_the_same_for_any_combination(newest, chosen):
    _assert_same(newest, start(**chosen))


@_drawn(80)
@given(
    chosen=_any_of(sorted(set(OF_RUN) - _PLACES)),
    container=_any_of(OF_CONTAINER),
    resources=st.sampled_from([{}, *RESOURCES]),
)
def test_a_server_sees_the_same_for_any_container(newest, chosen, container, resources):
    order = run_container(**container, resources={**CONTAINER["resources"], **resources})
    order["arguments"].update(chosen)
    _assert_same(newest, order)


_TEXTS = st.lists(st.text(min_size=1, max_size=5), max_size=3)
_MOMENTS = st.sampled_from([MOMENT, EAST, NAIVE])


@_drawn(80)
@given(
    filters=st.fixed_dictionaries(
        {},
        optional={
            "statuses": st.lists(
                st.sampled_from(statuses("PENDING", "SUSPENDED", "RUNNING", "SUCCEEDED", "FAILED")),
                max_size=3,
            ),
            "name": st.text(max_size=5),
            "tags": _TEXTS,
            "owners": _TEXTS,
            "since": _MOMENTS,
            "until": _MOMENTS,
            "reverse": st.booleans(),
            "limit": st.integers(1, 10**9),
            "cluster_name": st.sampled_from(["default", "second"]),
            "org_names": _TEXTS,
            "project_names": _TEXTS,
        },
    )
)
def test_a_server_sees_the_same_for_any_filters(newest, filters):
    _assert_same(newest, listing(**filters))


@_drawn(20)
@given(
    method=st.sampled_from(["exec", "attach"]),
    streams=st.fixed_dictionaries(
        {name: st.booleans() for name in ("tty", "stdin", "stdout", "stderr")}
    ),
)
def test_a_server_sees_the_same_for_any_streams(newest, method, streams):
    cmd = {"cmd": "true"} if method == "exec" else {}
    _assert_same(newest, of_job(method, **cmd, **streams))


@_drawn(60)
@given(
    cmd=st.text(
        st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), min_size=1
    ).filter(str.strip)
)
def test_any_command_arrives_as_it_is(newest, cmd):
    _assert_same(newest, of_job("exec", cmd=cmd, stdout=True))


@_drawn(60)
@given(
    env=st.dictionaries(
        st.text("ABC_", min_size=1),
        st.text(st.characters(blacklist_categories=("Cs",))),
        max_size=4,
    )
)
def test_any_environment_arrives_as_it_is(newest, env):
    _assert_same(newest, start(env=env))


@_drawn(40)
@given(
    id=st.text(
        st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/"), min_size=1
    ).filter(lambda id: id.strip("."))
)
def test_any_id_stays_one_segment(newest, id):
    _assert_same(newest, {"method": "status", "arguments": {"id": id}})


@pytest.mark.parametrize("order", REFUSED, ids=_name)
def test_what_can_not_be_right_is_not_sent(newest, order):
    (theirs, their_requests), (ours, our_requests) = _compare(newest, order)
    assert "ValueError" in theirs["bases"]
    assert "ValueError" in ours["bases"], ours
    assert their_requests == our_requests == []
