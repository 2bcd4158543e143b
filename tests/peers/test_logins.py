"""One login for the platform's own SDKs and for us: each goes on to work after what the other did to it."""

import base64
import hashlib
import json

import pytest

from . import config as configs
from .config import READABLE, make_token
from .logins import Shared

PEERS = ["newest", "middle", "oldest"]


@pytest.fixture(params=PEERS)
def shared(request, tmp_path):
    return Shared(request.getfixturevalue(request.param), tmp_path / "login")


@pytest.fixture(params=["newest", "middle"])
def recent(request, tmp_path):
    return Shared(request.getfixturevalue(request.param), tmp_path / "login")


def test_who_logged_in_there_is_in_here(shared, platform):
    shared.they("login", url=platform.api_url)
    before = shared.row()
    theirs, ours = shared.they_and_we()
    assert ours == theirs
    assert shared.row() == before, "to look changes nothing"


def test_who_logged_in_here_is_in_there(newest, tmp_path, platform):
    shared = Shared(newest, tmp_path / "login")
    shared.we("login", url=platform.api_url)
    before = shared.row()
    theirs, ours = shared.they_and_we()
    assert theirs == ours
    assert shared.row() == before, "what we wrote is what they would have written"
    assert shared.modes() == {"login": "0o700", "db": "0o600"}


def test_an_older_cli_takes_our_login_over_as_it_does_the_newest_ones(
    newest, middle, tmp_path, platform
):
    """It writes the file anew in its own form; that its first try fails behind that is its own fault."""
    theirs, ours = Shared(newest, tmp_path / "theirs"), Shared(newest, tmp_path / "ours")
    theirs.they("login", url=platform.api_url)
    ours.we("login", url=platform.api_url)
    seen = []
    for login in (theirs, ours):
        login.both = middle
        first, _ = middle.peer(login.order("look", {}))
        then_theirs, then_ours = login.they_and_we()
        assert then_ours == then_theirs
        assert "vcluster_url" not in login.row()
        then_ours.pop("token")
        seen.append((first, then_ours))
    assert seen[0] == seen[1]


@pytest.mark.parametrize(("peer", "year"), [("newest", 2026), ("oldest", 2022)])
def test_a_platform_without_logins_is_the_same(request, tmp_path, peer, year):
    """It shows its clusters to everybody, and takes a token that each makes."""
    both = request.getfixturevalue(peer)
    theirs, ours = Shared(both, tmp_path / "theirs"), Shared(both, tmp_path / "ours")
    everybody = configs.GENERATIONS[year]
    with both.recorder.configured(lambda base, _: dict(everybody(base), authorized=False)):
        theirs.they("login", url=both.recorder.api_url)
        ours.we("login", url=both.recorder.api_url)
        for login in (theirs, ours):
            they, we = login.they_and_we()
            assert we == they
            assert they["username"] == "user"


def test_a_token_that_we_refresh_works_there(shared, platform):
    shared.they("login", url=platform.api_url)
    first = shared.row()
    shared.expire()
    ours = shared.we("look")
    second = shared.row()
    assert ours["token"] == second["token"] != first["token"]
    assert second["refresh_token"] == first["refresh_token"], "it stays good"
    assert shared.they("look")["token"] == second["token"]
    seen = {first["token"], second["token"]}
    for use in (shared.they, shared.they, shared.we):
        shared.expire()
        token = use("look")["token"]
        assert token not in seen
        seen.add(token)


def test_a_token_that_they_refresh_works_here(shared, platform):
    shared.they("login", url=platform.api_url)
    shared.expire()
    theirs = shared.they("look")
    asked = platform.faults.seen("token")
    assert shared.we("look")["token"] == theirs["token"]
    assert platform.faults.seen("token") == asked, "it is fresh: there is nothing to refresh"


def test_who_logs_out_here_is_out_there(shared, platform):
    shared.they("login", url=platform.api_url)
    assert shared.we("logout") is False
    assert not shared.path.exists()
    assert "error" in shared.both.peer(shared.order("look", {}))[0]
    shared.we("login", url=platform.api_url)
    shared.they("logout")
    result, _ = shared.both.us(shared.order("look", {}))
    assert result["error"] == "ConfigError"


def test_what_one_switches_to_the_other_is_at(recent):
    recent.log_in_to_the_recorder()
    for do, name in (
        ("switch_project", "zoo"),
        ("switch_cluster", "second"),
        ("switch_org", "other"),
        ("switch_cluster", "default"),
        ("switch_org", "acme"),
    ):
        recent.both.comparisons += 1
        theirs = recent.they(do, names=[name])
        assert recent.we("look") == theirs, (do, name)
    for do, name in (
        ("switch_project", "zoo"),
        ("switch_org", "other"),
        ("switch_cluster", "second"),
        ("switch_cluster", "default"),
        ("switch_org", "acme"),
    ):
        recent.both.comparisons += 1
        ours = recent.we(do, names=[name])
        assert recent.they("look") == ours, (do, name)


def test_switching_chooses_the_same(recent, tmp_path):
    """Each in a login of its own: what follows from a switch is the same."""
    ours = Shared(recent.both, tmp_path / "ours")
    for login in (recent, ours):
        login.log_in_to_the_recorder()
    for do, name in (
        ("switch_project", "zoo"),
        ("switch_org", "other"),
        ("switch_org", "acme"),
        ("switch_cluster", "second"),
        ("switch_org", "other"),
    ):
        recent.both.comparisons += 1
        assert ours.we(do, names=[name]) == recent.they(do, names=[name]), (do, name)


def test_a_platform_of_2022_is_the_same_for_its_own_cli_and_for_us(oldest, tmp_path):
    """It has no projects, and no organisation is one of the choices."""
    theirs, ours = Shared(oldest, tmp_path / "theirs"), Shared(oldest, tmp_path / "ours")
    with oldest.recorder.configured(configs.GENERATIONS[2022]):
        theirs.log_in_to_the_recorder()
        ours.we("login_with_token", url=oldest.recorder.api_url, token=make_token("alice"))
        for login in (theirs, ours):
            for do, names in (("look", ()), ("switch_org", ["acme"]), ("switch_org", [None])):
                they, we = login.they_and_we(do, names=names)
                assert we == they, (do, names)
        rows = [login.row() for login in (theirs, ours)]
    for row in rows:
        del row["timestamp"], row["expiration_time"]
        row.update((column, _loaded(row[column])) for column in ("clusters", "auth_config"))
    assert rows[0] == rows[1]


@pytest.mark.parametrize(("peer", "generation"), READABLE)
def test_what_we_fetch_is_kept_as_they_keep_it(request, peer, tmp_path, generation):
    both = request.getfixturevalue(peer)
    shared = Shared(both, tmp_path / "login")
    with both.recorder.configured(configs.GENERATIONS[generation]):
        shared.log_in_to_the_recorder()
        before = shared.row()
        shared.we("fetch")
        both.comparisons += 1
        after = shared.row()
        shared.they("look")
    for column in ("clusters", "projects", "auth_config"):
        assert _loaded(after.pop(column, None)) == _loaded(before.pop(column, None)), column
    assert after == before


def _loaded(text):
    return text if text is None else json.loads(text)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"org_name": "acme"},
        {"org_name": "acme", "project_name": "zoo"},
        {"org_name": None, "project_name": None},
        {"cluster": "second"},
        {"cluster": "second", "org_name": "acme", "project_name": "vision"},
    ],
)
def test_a_passed_config_is_taken_the_same(recent, tmp_path, changes):
    passed = {"token": make_token(), "cluster": "default", "url": recent.both.recorder.api_url}
    passed.update(changes)
    text = base64.b64encode(json.dumps(passed).encode()).decode()
    ours = Shared(recent.both, tmp_path / "ours")
    recent.both.comparisons += 1
    recent.they("login_with_passed_config", passed=text)
    ours.we("login_with_passed_config", passed=text)
    assert ours.we("look") == recent.they("look")


@pytest.mark.parametrize(
    "text",
    [
        '[job]\ncluster-name = "second"\n',
        '[job]\ncluster-name = "second"\norg-name = "acme"\n',
        '[job]\norg-name = "other"\n',
        '[job]\nlife-span = "1h"\n',
        "[storage]\ncp-exclude = []\n",
        '[alias.x]\ncmd = "ls"\n',
    ],
)
@pytest.mark.parametrize("name", [".apolo.toml", ".neuro.toml"])
def test_a_directory_has_its_own_cluster_and_organisation(newest, tmp_path, name, text):
    """The SDK takes them only together with the CLI, which is in its environment."""
    shared = Shared(newest, tmp_path / "login")
    shared.log_in_to_the_recorder()
    (tmp_path / name).write_text(text)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    theirs, ours = shared.they_and_we(cwd=str(below))
    assert ours == theirs


@pytest.mark.parametrize("do", ["switch_cluster", "switch_org"])
def test_what_a_file_says_is_not_switched(newest, tmp_path, do):
    shared = Shared(newest, tmp_path / "login")
    shared.log_in_to_the_recorder()
    (tmp_path / ".apolo.toml").write_text('[job]\ncluster-name = "default"\norg-name = "acme"\n')
    newest.comparisons += 1
    order = shared.order(do, {"names": ["second"], "cwd": str(tmp_path)})
    theirs, ours = newest.peer(order)[0], newest.us(order)[0]
    assert "RuntimeError" in theirs["bases"]
    assert "RuntimeError" in ours["bases"], ours


class TestRequests:
    """What the platform sees of a login is the same, but for the ``state`` that protects ours."""

    @pytest.fixture
    def logins(self, newest, tmp_path):
        return Shared(newest, tmp_path / "theirs"), Shared(newest, tmp_path / "ours")

    @pytest.fixture
    def configs(self, newest):
        """The requests for the config that something leads to."""

        def configs(use, *what, **facts):
            newest.recorder.forget()
            use(*what, **facts)
            return newest.recorder.configs

        return configs

    def test_of_a_token(self, newest, logins, configs):
        theirs, ours = logins
        token = {"url": newest.recorder.api_url, "token": make_token()}
        for do, facts in (("login_with_token", token), ("look", {}), ("fetch", {})):
            newest.comparisons += 1
            expected = configs(theirs.they, do, **facts)
            assert configs(ours.we, do, **facts) == expected, do
            assert ours.requests == theirs.requests, do

    def test_of_a_login_in_the_browser(self, newest, logins, configs):
        theirs, ours = logins
        url = newest.recorder.api_url
        newest.comparisons += 1
        expected = configs(theirs.they, "login", url=url)
        assert configs(ours.we, "login", url=url) == expected
        pages, forms = [], []
        for login in logins:
            page, form = (request for request in login.requests if request["path"][-1] != "console")
            pages.append(dict(page["query"]))
            forms.append(form)
        for page, form in zip(pages, forms):
            digest = hashlib.sha256(form["body"].pop("code_verifier").encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            assert page.pop("code_challenge") == challenge
            assert page.pop("redirect_uri") == form["body"].pop("redirect_uri")
        assert "state" not in pages[0], "they send it now: take the difference out"
        assert pages[1].pop("state")
        assert pages[0] == pages[1]
        assert forms[0] == forms[1]

    def test_of_a_refresh(self, newest, logins):
        requests = []
        for login, use in zip(logins, (logins[0].they, logins[1].we)):
            login.they("login", url=newest.recorder.api_url)
            login.expire()
            newest.recorder.forget()
            use("look")
            requests.append(login.requests)
        newest.comparisons += 1
        assert requests[0] == requests[1]
        form = requests[0][0]["body"]
        assert form["grant_type"] == "refresh_token"
