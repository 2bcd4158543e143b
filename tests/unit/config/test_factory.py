"""Logging in without a browser here, logging out, and where the login is kept."""

import base64
import json
import os
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

import neuro_sync
from neuro_sync import AuthenticationError, AuthError, ConfigError, Factory
from tests.peers.config import make_token

from .databases import row_of, write_login


@pytest.fixture
def factory(tmp_path):
    return Factory(tmp_path / "login")


def passed(**facts):
    return base64.b64encode(json.dumps(facts).encode()).decode()


def mode(path):
    return oct(path.stat().st_mode & 0o777)


class TestToken:
    def test_the_first_of_everything_is_current(self, factory, server):
        factory.login_with_token(server.token, url=server.url)
        assert factory.is_config_present
        with factory.get() as client:
            assert client.config.token() == server.token
            assert client.username == "alice"
            assert client.cluster_name == "default"
            assert client.config.org_name == "acme"
            assert client.config.project_name == "vision"
            assert str(client.config.api_url) == server.url
            assert client.config.path == factory.path
            assert "cpu-small" in client.presets
        assert server.asked == [server.token], "a client asks for nothing that is on disk"

    def test_it_lasts(self, factory, server):
        """Nobody knows for how long it is good, so it is used as long as the CLI uses it."""
        factory.login_with_token(server.token, url=server.url + "/")
        found = row_of(factory.path)
        assert found["refresh_token"] == ""
        assert 2 < (found["expiration_time"] - time.time()) / (365 * 24 * 3600) < 3
        assert found["url"] == server.url

    def test_one_that_is_refused_leaves_nothing(self, factory, server):
        with pytest.raises(AuthenticationError, match="log in again"):
            factory.login_with_token(make_token("mallory"), url=server.url)
        assert not factory.path.exists()

    def test_an_address_that_no_client_takes_is_not_written_down(self, factory, server):
        url = server.url.replace("//", "//user:secret@")
        for log_in in (
            lambda: factory.login(url=url),
            lambda: factory.login_headless(url=url),
            lambda: factory.login_with_token(server.token, url=url),
        ):
            with pytest.raises(ValueError, match="address of an API") as caught:
                log_in()
            assert "secret" not in str(caught.value)
        assert not factory.path.exists()

    def test_a_user_without_a_cluster_is_told_so(self, factory, server):
        server.changes["clusters"] = []
        with pytest.raises(ConfigError, match="no access to any cluster"):
            factory.login_with_token(server.token, url=server.url)
        assert not factory.path.exists()

    def test_who_is_logged_in_logs_out_first(self, factory, server):
        factory.login_with_token(server.token, url=server.url)
        before = row_of(factory.path)
        for log_in in (
            lambda: factory.login(url=server.url),
            lambda: factory.login_headless(url=server.url),
            lambda: factory.login_with_token("other", url=server.url),
            lambda: factory.login_with_passed_config(
                passed(token="other", cluster="default", url=server.url)
            ),
        ):
            with pytest.raises(ConfigError, match="log out first"):
                log_in()
        assert row_of(factory.path) == before
        assert server.asked == [server.token]

    def test_who_was_quicker_stays_logged_in(self, factory, server):
        """While the one is at the browser, the other logs in at another terminal."""

        def person(page):
            factory.login_with_token(server.token, url=server.url)
            return "the-code"

        with pytest.raises(ConfigError, match="log out first"):
            factory.login_headless(person, url=server.url)
        with factory.get() as client:
            assert client.config.token() == server.token

    @pytest.mark.skipif(os.name == "nt", reason="permissions are POSIX's")
    def test_only_its_owner_can_read_it(self, factory, server):
        factory.path.mkdir(mode=0o755)
        before = os.umask(0)
        try:
            factory.login_with_token(server.token, url=server.url)
        finally:
            os.umask(before)
        assert mode(factory.path) == "0o700"
        assert {path.name: mode(path) for path in factory.path.iterdir()} == {"db": "0o600"}


class TestHeadless:
    def test_the_code_that_is_pasted_gets_a_token(self, factory, server):
        pages = []

        def person(page):
            pages.append(page)
            return " the-code\n"

        factory.login_headless(person, url=server.url)
        query = parse_qs(urlsplit(str(pages[0])).query)
        assert query["redirect_uri"] == ["https://api.example/show-code"]
        assert query["code_challenge_method"] == ["S256"]
        (form,) = server.forms
        assert form["code"] == "the-code"
        assert form["redirect_uri"] == "https://api.example/show-code"
        with factory.get() as client:
            assert client.username == "user-1"

    def test_it_asks_at_the_terminal(self, factory, server, monkeypatch, capsys):
        monkeypatch.setattr("builtins.input", lambda prompt: "typed")
        factory.login_headless(url=server.url)
        assert "https://api.example/authorize?" in capsys.readouterr().out
        assert server.forms[0]["code"] == "typed"

    def test_a_platform_without_a_login_service_says_what_to_do(self, factory, server):
        server.config = lambda base, authorized: {"authorized": False}
        for log_in in (factory.login, factory.login_headless):
            with pytest.raises(AuthError, match="log in with a token"):
                log_in(lambda page: pytest.fail("there is no page"), url=server.url)
        assert not factory.path.exists()


class TestStandalone:
    """A platform without logins shows its clusters to everybody."""

    @pytest.fixture(autouse=True)
    def standalone(self, server):
        def config(base, authorized):
            from tests.peers.config import config_payload

            return {"authorized": False, "clusters": config_payload(base)["clusters"]}

        server.config = config

    def test_no_page_is_shown(self, factory, server):
        for log_in in (factory.login, factory.login_headless):
            log_in(lambda page: pytest.fail("there is no page"), url=server.url)
            with factory.get() as client:
                assert client.username == "user"
                assert client.cluster_name == "default"
            assert server.forms == []
            factory.logout()

    def test_a_token_alone_is_enough(self, server):
        with neuro_sync.JobsClient(server.url, make_token("user")) as jobs:
            assert jobs.config.cluster_name == "default"


class TestPassedConfig:
    def test_a_job_is_logged_in_as_its_owner(self, server, monkeypatch, home):
        monkeypatch.setenv(
            "NEURO_PASSED_CONFIG",
            passed(
                token=server.token,
                cluster="default",
                org_name="acme",
                project_name="zoo",
                url=server.url,
            ),
        )
        with neuro_sync.get() as client:
            assert client.config.path == home / ".apolo"
            assert client.config.project_name == "zoo"
            assert client.username == "alice"
        with neuro_sync.get() as client:
            assert client.config.project_name == "zoo"
        assert server.asked == [server.token], "the second time it was on disk"

    def test_a_login_on_disk_comes_first(self, factory, server, monkeypatch):
        factory.login_with_token(server.token, url=server.url)
        monkeypatch.setenv("NEURO_PASSED_CONFIG", "damaged")
        with factory.get() as client:
            assert client.username == "alice"

    def test_the_newer_variable_comes_first(self, factory, server, monkeypatch):
        facts = {"token": server.token, "url": server.url}
        monkeypatch.setenv("NEURO_PASSED_CONFIG", passed(cluster="default", **facts))
        monkeypatch.setenv("APOLO_PASSED_CONFIG", passed(cluster="second", **facts))
        with factory.get() as client:
            assert client.cluster_name == "second"

    def test_nowhere_to_write_is_no_hindrance(self, server, monkeypatch, home, caplog):
        (home / ".apolo").touch()
        facts = {"cluster": "default", "project_name": "zoo", "url": server.url}
        monkeypatch.setenv("NEURO_PASSED_CONFIG", passed(token=server.token, **facts))
        with neuro_sync.get() as client:
            assert client.username == "alice"
            assert client.config.project_name == "zoo"
            assert client.config.path is None
        (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
        assert "kept in memory" in record.getMessage()
        assert server.token not in caplog.text

    def test_another_process_of_the_job_was_quicker(self, server, monkeypatch, home, caplog):
        text = passed(token=server.token, cluster="default", url=server.url)
        monkeypatch.setenv("NEURO_PASSED_CONFIG", text)
        answer = server.config

        def other_first(base, authorized):
            server.config = answer
            Factory().login_with_passed_config()
            return answer(base, authorized)

        server.config = other_first
        with neuro_sync.get() as client:
            assert client.config.path == home / ".apolo"
            assert client.username == "alice"
        assert len(server.asked) == 2
        assert Factory().is_config_present
        assert "memory" not in caplog.text

    @pytest.mark.parametrize("how", ["locked", "read-only"])
    def test_a_home_that_takes_no_login(self, platform, confined, locked, tmp_path, how):
        facts = {"token": platform.token, "cluster": "local", "url": platform.api_url}
        environment, options = {"HOME": str(locked)}, []
        if how == "read-only":
            environment["HOME"], there = str(tmp_path), tmp_path / ".apolo"
            there.mkdir(mode=0o700)
            options = ["--ro-bind", there, there]
        program = (
            "import neuro_sync\n"
            "with neuro_sync.get() as client: print(client.config.path, client.cluster_name)"
        )
        environment["NEURO_PASSED_CONFIG"] = passed(**facts)
        assert confined(program, options=options, **environment) == "None local\n"

    def test_nothing_was_passed(self, factory):
        with pytest.raises(ConfigError, match="pass_config=True"):
            factory.login_with_passed_config()

    @pytest.mark.parametrize(
        "damaged",
        [
            "not base64 at all",
            "\u00e9",
            base64.b64encode(b"\xff\xfe").decode(),
            base64.b64encode(b"secret-token is no JSON").decode(),
            base64.b64encode(b'"secret-token"').decode(),
            passed(token="secret-token", cluster="default"),
            passed(token="secret-token", url="https://api.example/api/v1"),
            passed(token=["secret-token"], cluster="default", url="https://api.example/api/v1"),
            passed(token="secret-token", cluster="default", url="api.example/api/v1"),
        ],
    )
    def test_what_is_damaged_is_not_shown(self, factory, damaged):
        with pytest.raises(ConfigError, match="is damaged") as caught:
            factory.login_with_passed_config(damaged)
        error = caught.value
        while error is not None:
            assert damaged not in str(error)
            assert "secret-token" not in str(error)
            error = error.__cause__

    def test_a_cluster_that_is_gone(self, factory, server):
        with pytest.raises(ConfigError, match="'gone' is not known; there are 'default', 'second'"):
            factory.login_with_passed_config(
                passed(token=server.token, cluster="gone", url=server.url)
            )
        assert not factory.path.exists()


class TestLogout:
    def test_nothing_of_it_stays(self, factory, server):
        factory.login_with_token(server.token, url=server.url)
        for name in ("db-wal", "db-shm"):
            (factory.path / name).touch()
        factory.logout()
        assert not factory.path.exists()
        assert not factory.is_config_present
        factory.logout()

    def test_what_the_user_wrote_stays(self, factory, server):
        factory.login_with_token(server.token, url=server.url)
        (factory.path / "user.toml").write_text("[alias]\n")
        factory.logout()
        assert [path.name for path in factory.path.iterdir()] == ["user.toml"]

    def test_the_browser_is_logged_out_too(self, factory, server):
        pages = []
        factory.login_with_token(server.token, url=server.url)
        factory.logout(pages.append)
        assert list(map(str, pages)) == ["https://api.example/logout?client_id=cli-client"]
        factory.logout(pages.append)
        assert len(pages) == 1

    def test_a_damaged_login_can_be_left(self, factory):
        factory.path.mkdir(mode=0o700)
        (factory.path / "db").write_text("no database")
        (factory.path / "db").chmod(0o600)
        factory.logout(lambda page: pytest.fail("which page?"))
        assert not factory.path.exists()

    @pytest.mark.parametrize("there", [True, False])
    def test_what_can_not_be_removed(self, tmp_path, confined, there):
        login = write_login(tmp_path / "login", 2026, token="t")
        if not there:
            (login / "db").unlink()
        program = (
            "import sys, neuro_sync\n"
            "try: neuro_sync.Factory(sys.argv[1]).logout()\n"
            "except neuro_sync.ConfigError as error: print(error)"
        )
        said = confined(program, login, options=["--ro-bind", login, login])
        assert said.startswith("cannot remove the login in {}".format(login)) == there


class TestPlace:
    """Where the CLI looks, in its order."""

    def log_in(self, path, server):
        Factory(path).login_with_token(server.token, url=server.url)

    def test_nobody_is_logged_in(self, home):
        assert Factory().path == home / ".apolo"
        with pytest.raises(ConfigError, match=r"no login in .*\.apolo.*: log in with"):
            neuro_sync.get()

    def test_nobody_may_look_where_it_would_be(self, confined, locked):
        program = (
            "import neuro_sync\n"
            "try: neuro_sync.get()\n"
            "except neuro_sync.ConfigError as error: print(error)\n"
            "neuro_sync.Factory().logout()"
        )
        said = confined(program, HOME=str(locked))
        assert said.startswith("there is no login in {}".format(locked / ".apolo"))
        assert "APOLO_CONFIG" in said

    @pytest.mark.skipif(os.name == "nt", reason="a user is somebody there")
    def test_a_user_without_a_home(self, monkeypatch, server, tmp_path):
        """As a container has one that is a number and no more."""
        monkeypatch.delenv("HOME")
        monkeypatch.setattr(os, "getuid", lambda: 2**31 - 5)
        assert Factory().path == Path("/.apolo")
        assert Factory("~/x").path == Path("/x")
        monkeypatch.setenv("APOLO_CONFIG", str(tmp_path / "login"))
        self.log_in(None, server)
        with neuro_sync.get() as client:
            assert client.config.path == tmp_path / "login"

    def test_the_home_of_a_user_who_is_not_there(self):
        with pytest.raises(ConfigError, match="~no-such-user/x: there is no such user"):
            Factory("~no-such-user/x")

    def test_the_older_place_where_there_is_a_login(self, home, server):
        self.log_in(home / ".neuro", server)
        assert Factory().path == home / ".neuro"
        self.log_in(home / ".apolo", server)
        assert Factory().path == home / ".apolo"

    def test_variables_name_other_places(self, home, server, monkeypatch, tmp_path):
        monkeypatch.setenv("APOLO_CONFIG", "~/there")
        monkeypatch.setenv("NEUROMATION_CONFIG", str(tmp_path / "old"))
        assert Factory().path == home / "there"
        self.log_in(tmp_path / "old", server)
        assert Factory().path == tmp_path / "old"

    def test_the_current_directory_may_change(self, home, server, monkeypatch):
        factory = Factory("here")
        factory.login_with_token(server.token, url=server.url)
        with factory.get() as client:
            monkeypatch.chdir(home.parent)
            assert factory.path == home / "here"
            client.config.switch_project("zoo")
        with factory.get() as client:
            assert client.config.project_name == "zoo"

    def test_any_name_of_a_directory_will_do(self, tmp_path, server):
        path = tmp_path / "a b?c#d%41\u00e9"
        self.log_in(path, server)
        assert (path / "db").is_file()
        with neuro_sync.get(path=path) as client:
            client.config.switch_project("zoo")
            assert client.username == "alice"

    def test_a_path_is_taken_as_it_is(self, home, server):
        self.log_in(home / ".apolo", server)
        assert Factory("~/x").path == home / "x"
        assert not Factory("~/x").is_config_present
        with neuro_sync.get(path=home / ".apolo") as client:
            assert client.username == "alice"
