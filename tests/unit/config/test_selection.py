"""Which cluster, organisation and project are current."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_sync import Cluster, ConfigError, Project
from neuro_sync.config.selection import (
    Selection,
    first_selection,
    orgs_of,
    with_cluster,
    with_org,
    with_project,
)


def offer(clusters, projects=()):
    """Clusters of names and orgs, and projects of ``cluster/org/name`` texts; ``-`` is no organisation."""
    made = {}
    for name, orgs in clusters.items():
        made[name] = Cluster.from_dict(
            {"name": name, "orgs": [None if org == "-" else org for org in orgs.split()]}
        )
    keys = {}
    for text in projects:
        cluster, org, name = text.split("/")
        project = Project(cluster, None if org == "-" else org, name)
        keys[project.key] = project
    return made, keys


CLUSTERS, PROJECTS = offer(
    {"one": "b a", "two": "a c", "free": "- d", "bare": ""},
    ["one/b/y", "one/b/x", "one/a/y", "two/a/z", "two/c/x", "free/-/x", "free/d/x"],
)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ("one", "b", "x")),
        ({"cluster_name": "two"}, ("two", "a", "z")),
        ({"cluster_name": "free"}, ("free", None, "x")),
        ({"cluster_name": "bare"}, ("bare", None, None)),
        ({"org_name": "c"}, ("two", "c", "x")),
        ({"org_name": "a"}, ("one", "a", "y")),
        ({"org_name": "a", "project_name": "z"}, ("two", "a", "z")),
        ({"cluster_name": "one", "project_name": "new"}, ("one", "b", "new")),
        ({"org_name": "unknown"}, ("one", "unknown", None)),
    ],
)
def test_the_first(wanted, expected):
    assert first_selection(CLUSTERS, PROJECTS, **wanted) == expected


def test_a_user_without_clusters():
    with pytest.raises(ConfigError, match="ask an administrator"):
        first_selection({}, {})


@pytest.mark.parametrize(
    ("orgs", "expected"),
    [("", [None]), ("-", [None]), ("- a", [None, "a"]), ("a b", ["a", "b"])],
)
def test_the_organisations_of_a_cluster(orgs, expected):
    clusters, _ = offer({"c": orgs})
    assert orgs_of(clusters["c"]) == expected


@pytest.mark.parametrize(
    ("old", "name", "expected"),
    [
        # The organisation stays where the cluster has it, and the project where that has it.
        (("one", "a", "y"), "two", ("two", "a", "z")),
        (("one", "b", "x"), "two", ("two", "a", "z")),
        (("two", "c", "x"), "one", ("one", "a", "y")),
        (("one", "b", "x"), "free", ("free", None, "x")),
        (("free", "d", "x"), "bare", ("bare", None, None)),
        (("one", "b", "y"), "one", ("one", "b", "y")),
    ],
)
def test_another_cluster(old, name, expected):
    assert with_cluster(Selection(*old), name, CLUSTERS, PROJECTS) == expected


@pytest.mark.parametrize(
    ("old", "name", "expected"),
    [
        (("one", "b", "y"), "a", ("one", "a", "y")),
        (("one", "b", "x"), "a", ("one", "a", "y")),
        (("one", "b", "x"), "c", ("two", "c", "x")),
        (("two", "a", "z"), "a", ("two", "a", "z")),
        (("free", "d", "x"), None, ("free", None, "x")),
        (("one", "b", "x"), None, ("free", None, "x")),
    ],
)
def test_another_organisation(old, name, expected):
    assert with_org(Selection(*old), name, CLUSTERS, PROJECTS) == expected


def test_another_project():
    old = Selection("one", "b", "x")
    assert with_project(old, "y", PROJECTS) == ("one", "b", "y")
    with pytest.raises(ConfigError, match="'z' is not known; there are 'x', 'y'"):
        with_project(old, "z", PROJECTS)
    with pytest.raises(ConfigError, match="'x' is not known; there is none"):
        with_project(Selection("bare", None, None), "x", PROJECTS)


def test_what_is_not_there_is_answered_with_what_is():
    old = Selection("one", "b", "x")
    with pytest.raises(ConfigError, match="'gone' is not known; there are 'bare', 'free', 'one'"):
        with_cluster(old, "gone", CLUSTERS, PROJECTS)
    with pytest.raises(ConfigError, match="'gone' is not known; there are 'a', 'b', 'c', 'd'"):
        with_org(old, "gone", CLUSTERS, PROJECTS)


_ORG = st.sampled_from("abc-")
_OFFERS = st.builds(
    offer,
    st.dictionaries(
        st.sampled_from(["one", "two", "three"]),
        st.lists(_ORG, max_size=3, unique=True).map(" ".join),
        min_size=1,
    ),
    st.lists(
        st.tuples(st.sampled_from(["one", "two", "three"]), _ORG, st.sampled_from("xyz")).map(
            "/".join
        ),
        max_size=8,
    ),
)


@given(_OFFERS, st.data())
def test_whatever_is_switched_to_is_there(offered, data):
    """The cluster has the organisation, and the two have the project, if they have any."""
    clusters, projects = offered
    selection = first_selection(clusters, projects)
    for _ in range(4):
        switch = data.draw(st.sampled_from(["cluster", "org", "project"]))
        if switch == "cluster":
            name = data.draw(st.sampled_from(sorted(clusters)))
            selection = with_cluster(selection, name, clusters, projects)
            assert selection.cluster_name == name
        elif switch == "org":
            known = sorted({str(org) for c in clusters.values() for org in orgs_of(c)})
            text = data.draw(st.sampled_from(known))
            name = None if text == "None" else text
            selection = with_org(selection, name, clusters, projects)
            assert selection.org_name == name
        else:
            there = [
                key
                for key in projects
                if (key.cluster_name, key.org_name) == (selection.cluster_name, selection.org_name)
            ]
            if there:
                key = data.draw(st.sampled_from(there))
                selection = with_project(selection, key.project_name, projects)
                assert selection.project_name == key.project_name
        assert selection.org_name in orgs_of(clusters[selection.cluster_name])
        key = Project.Key(*selection)
        assert key in projects or (
            selection.project_name is None
            and not any(
                (other.cluster_name, other.org_name) == (key.cluster_name, key.org_name)
                for other in projects
            )
        )
