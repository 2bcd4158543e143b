"""Clusters without organisations, which every generation has a word of its own for: the CLI goes on to work."""

import copy
import json

import pytest

from .config import GENERATIONS
from .logins import Shared

#: What a server may say of a cluster that it lists no organisation for.
NONE_LISTED = [[], None, "missing"]
_START = {"image": {"$image": "image:app"}, "preset_name": "cpu-small"}


def _config(orgs, project_org="acme", generation=2026, clusters=("default", "second")):
    """A server some of whose clusters list these organisations, and all of whose projects are of one."""

    def config(base, authorized=True):
        payload = GENERATIONS[generation](base, authorized)
        for cluster in payload.get("clusters", ()):
            if cluster["name"] in clusters:
                cluster["orgs"] = copy.copy(orgs)
                if orgs == "missing":
                    del cluster["orgs"]
        for project in payload.get("projects", ()):
            project["org_name"] = project_org
        return payload

    return config


def _two_logins(both, tmp_path):
    theirs, ours = Shared(both, tmp_path / "theirs"), Shared(both, tmp_path / "ours")
    theirs.log_in_to_the_recorder()
    ours.log_in_to_the_recorder(ours.we)
    return theirs, ours


def _rows(*logins):
    rows = []
    for login in logins:
        row = login.row()
        row.update((name, json.loads(row[name])) for name in ("clusters", "projects"))
        rows.append({name: row[name] for name in ("org_name", "project_name", "clusters")})
    return rows


def _listed(use, login):
    """What the platform sees of a listing."""
    use("look")
    return login.requests


def _sent(use, login):
    """What it sees of a listing and of a start, for which the SDKs want a project to be current."""
    requests = _listed(use, login)
    use("start", arguments=_START)
    return requests + login.requests


def _orgs(requests):
    """Under which organisation jobs are listed and started."""
    return [(request["body"] or dict(request["query"])).get("org_name") for request in requests]


@pytest.mark.parametrize("orgs", NONE_LISTED)
def test_their_cli_does_the_same_with_our_login_as_with_its_own(newest, tmp_path, orgs):
    with newest.recorder.configured(_config(orgs)):
        theirs, ours = _two_logins(newest, tmp_path)
        before, after = _rows(theirs, ours)
        assert after == before
        expected = _listed(theirs.they, theirs)
        assert _listed(ours.they, ours) == expected
        assert _orgs(expected) == ["default-org"], "it needs some name"
        newest.comparisons += 2
        # The name is the CLI's own: no server needs to know it.
        for login in (theirs, ours):
            assert login.we("look")["org_name"] is None
            assert _orgs(login.requests) == [None]
        assert _rows(theirs, ours) == [before, before]


def test_an_organisation_may_be_called_that(newest, tmp_path):
    with newest.recorder.configured(_config(["default-org", "acme"], "default-org")):
        theirs, ours = _two_logins(newest, tmp_path)
        before, after = _rows(theirs, ours)
        assert after == before
        for login in (theirs, ours):
            expected = _sent(login.they, login)
            assert _sent(login.we, login) == expected
            assert _orgs(expected) == ["default-org", "default-org"]
            newest.comparisons += 2


@pytest.mark.parametrize("orgs", [[None], [None, "acme"]])
def test_where_no_organisation_is_a_choice_their_own_login_is_of_no_use_to_them(
    newest, tmp_path, orgs
):
    """It keeps nulls, which it then refuses; with ours it asks servers of those years in their own word."""
    with newest.recorder.configured(_config(orgs, None)):
        theirs, ours = _two_logins(newest, tmp_path)
        assert theirs.row()["org_name"] is None
        assert "org_name is required" in newest.peer(theirs.order("look", {}))[0]["text"]
        assert _orgs(_sent(ours.they, ours)) == ["NO_ORG", "NO_ORG"]
        for do, name in (("switch_cluster", "second"), ("switch_org", "NO_ORG")):
            assert ours.they(do, names=[name])["org_name"] == "NO_ORG"
            newest.comparisons += 1
        for login in (theirs, ours):
            assert login.we("look")["org_name"] is None
        assert _orgs(_sent(ours.we, ours)) == [None, None]


def test_where_we_switch_to_none_they_are_too(newest, tmp_path):
    login = Shared(newest, tmp_path / "login")
    with newest.recorder.configured(_config([], clusters=["second"])):
        login.log_in_to_the_recorder()
        assert login.we("look")["org_name"] == "acme"
        failed, _ = newest.peer(login.order("switch_cluster", {"names": ["second"]}))
        assert failed["error"] == "IndexError", "they can switch there now: compare it"
        assert login.we("switch_cluster", names=["second"])["org_name"] is None
        theirs = login.they("look")
        assert (theirs["cluster_name"], theirs["org_name"]) == ("second", "default-org")
        login.we("switch_org", names=[None])
        assert login.they("look") == theirs
        login.they("fetch")
        assert login.we("look")["org_name"] is None
        back = login.they("switch_cluster", names=["default"])
        assert login.we("look") == back
        newest.comparisons += 5


@pytest.mark.parametrize("orgs", [*NONE_LISTED, [None], [None, "acme"]])
def test_the_cli_of_2025_has_a_word_that_it_lists(middle, tmp_path, orgs):
    login = Shared(middle, tmp_path / "login")
    with middle.recorder.configured(_config(orgs, None, 2025)):
        login.log_in_to_the_recorder()
        before = _rows(login)
        login.we("fetch")
        assert _rows(login) == before
        ours = login.we("switch_project", names=["zoo"])
        theirs = login.they("look")
        assert (theirs.pop("org_name"), ours.pop("org_name")) == ("NO_ORG", None)
        assert theirs == ours
        login.we("switch_cluster", names=["second"])
        assert login.they("switch_cluster", names=["default"])["project_name"] == "vision"
        assert _orgs(_sent(login.they, login)) == ["NO_ORG", "NO_ORG"]
        assert _orgs(_sent(login.we, login)) == [None, None]
        middle.comparisons += 3


@pytest.mark.parametrize("orgs", ["missing", [None], [None, "acme"]])
def test_the_cli_of_2022_has_null(oldest, tmp_path, orgs):
    with oldest.recorder.configured(_config(orgs, generation=2022)):
        theirs, ours = (Shared(oldest, tmp_path / name) for name in ("theirs", "ours"))
        theirs.log_in_to_the_recorder()
        ours.log_in_to_the_recorder(ours.we)
        kept = [
            (row["org_name"], json.loads(row["clusters"])) for row in (theirs.row(), ours.row())
        ]
        assert kept[0] == kept[1]
        for login in (theirs, ours):
            for do, names in (("look", []), ("switch_cluster", ["second"]), ("switch_org", [None])):
                they, we = login.they_and_we(do, names=names)
                assert we == they
                assert they["org_name"] is None
