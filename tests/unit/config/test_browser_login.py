"""Logging in with the browser: what the page is asked, and whom the callback server believes."""

import base64
import hashlib
import logging
import socket
import struct
import sys
import urllib.error
import urllib.request
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from neuro_sync import AuthError, Factory
from neuro_sync.config.login import authorize_url, browser_tokens, pkce
from neuro_sync.config.server import AuthSettings
from neuro_sync.transport.auth import StaticToken
from neuro_sync.transport.http import HttpTransport


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None


def visit(url):
    """Status, body and target of an answer, of a browser that goes no further."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
    try:
        with opener.open(url, timeout=10) as response:
            return response.status, response.read().decode(), None
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers.get("Location")


def query_of(page):
    return {key: values[0] for key, values in parse_qs(urlsplit(str(page)).query).items()}


def come_back(page, **answer):
    """Send the browser back from the page as the login service does."""
    query = query_of(page)
    answer.setdefault("state", query["state"])
    return visit("{}/?{}".format(query["redirect_uri"], urlencode(answer)))


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def login(server, port, tmp_path, nothing_left):
    """Logs in, with a function that is the person at the browser."""
    server.changes["callback_urls"] = ["http://127.0.0.1:{}".format(port)]
    factory = Factory(tmp_path / "login")

    def login(person):
        factory.login(person, url=server.url)
        return factory

    return login


def test_the_secret_is_that_of_rfc_7636():
    """The example of its appendix B."""
    octets = bytes.fromhex("7418dfb49799e0254ffa607dd8adbbba16d4254d69d6bff05b58055853848d79")
    secret = pkce(lambda size: octets[:size])
    assert secret.verifier == "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert secret.challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_each_login_has_a_secret_of_its_own():
    assert pkce() != pkce()


def test_a_page_that_has_a_query_keeps_it():
    auth = AuthSettings(auth_url="https://login.example/?tenant=a", client_id="c", audience="d")
    assert authorize_url(auth, "x", "http://127.0.0.1").startswith(
        "https://login.example/?tenant=a&response_type=code&"
    )


def test_the_page_is_asked_as_the_platform_wants_it(login, server, port):
    pages = []

    def person(page):
        pages.append(page)
        assert come_back(page, code="c-1") == (302, "", "https://api.example/console")

    factory = login(person)
    (page,) = pages
    assert str(page).startswith("https://api.example/authorize?")
    query = query_of(page)
    assert len(query.pop("state")) >= 32
    challenge = query.pop("code_challenge")
    redirect_uri = "http://127.0.0.1:{}".format(port)
    assert query == {
        "response_type": "code",
        "code_challenge_method": "S256",
        "client_id": "cli-client",
        "redirect_uri": redirect_uri,
        "scope": "offline_access",
        "audience": "https://api.example",
    }
    (form,) = server.forms
    digest = hashlib.sha256(form.pop("code_verifier").encode()).digest()
    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == challenge
    assert form == {
        "grant_type": "authorization_code",
        "code": "c-1",
        "client_id": "cli-client",
        "redirect_uri": redirect_uri,
    }
    assert server.asked[0] is None, "what the login service is was asked without a token"
    with factory.get() as client:
        assert client.username == "user-1"
        assert client.config.token() == server.asked[-1]


def test_without_a_page_to_go_to_the_browser_says_ok(login, server):
    server.changes["success_redirect_url"] = ""
    answers = []
    login(lambda page: answers.append(come_back(page, code="c")))
    assert answers == [(200, "OK", None)]


@pytest.mark.parametrize("state", ["", "another", "\u00e9"])
def test_who_does_not_know_the_state_is_not_believed(login, server, state):
    """Another page may send this browser here; the user's own login goes on."""

    def person(page):
        assert come_back(page, code="forged", state=state)[0] == 400
        assert come_back(page, error="access_denied", state=state)[0] == 400
        come_back(page, code="mine")

    login(person)
    assert [form["code"] for form in server.forms] == ["mine"]


def test_connections_on_which_the_browser_says_nothing_hold_nothing_up(login, server):
    silent = []

    def person(page):
        where = urlsplit(query_of(page)["redirect_uri"])
        for _ in range(8):
            silent.append(socket.create_connection((where.hostname, where.port), 10))
        assert come_back(page, code="mine")[0] == 302

    login(person)
    assert len(server.forms) == 1
    for connection in silent:
        with connection:
            assert connection.recv(1) == b""


def test_a_browser_that_goes_before_it_has_its_answer_has_logged_in(login, server, capsys):
    # Too long for the buffers on the way.
    server.changes["success_redirect_url"] = "http://127.0.0.1/" + "x" * 2**24

    def person(page):
        query = query_of(page)
        where = urlsplit(query["redirect_uri"])
        answer = urlencode({"state": query["state"], "code": "mine"})
        for request in ("", "GET /?{} HTTP/1.1\r\n\r\n".format(answer)):
            with socket.create_connection((where.hostname, where.port), 10) as connection:
                connection.sendall(request.encode())
                if request:
                    assert connection.recv(1) == b"H"
                # Closed with a reset, as what is left of the answer is not read.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    login(person)
    assert [form["code"] for form in server.forms] == ["mine"]
    assert capsys.readouterr().err == ""


def test_other_paths_are_not_found(login, server):
    def person(page):
        assert visit(query_of(page)["redirect_uri"] + "/favicon.ico")[0] == 404
        come_back(page, code="mine")

    login(person)
    assert len(server.forms) == 1


@pytest.mark.parametrize(
    ("error", "status"), [("unauthorized", 401), ("access_denied", 403), ("server_error", 400)]
)
def test_a_refusal_is_told_to_the_browser_and_raised(login, server, error, status, tmp_path):
    answers = []

    def person(page):
        answers.append(come_back(page, error=error, error_description="not you"))

    with pytest.raises(AuthError, match="not you"):
        login(person)
    assert answers == [(status, "not you", None)]
    assert server.forms == []
    assert not (tmp_path / "login").exists()


def test_an_answer_without_a_code_ends_the_login(login, server):
    with pytest.raises(AuthError, match="no code"):
        login(lambda page: come_back(page))
    assert server.forms == []


def test_a_code_that_is_refused_ends_the_login(login, server, tmp_path):
    server.answers = [403]
    with pytest.raises(AuthError, match="invalid_grant"):
        login(lambda page: come_back(page, code="c"))
    assert not (tmp_path / "login").exists()


def test_the_next_port_is_taken_where_one_is_taken(login, server, port):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        other = taken.getsockname()[1]
        server.changes["callback_urls"] = [
            "http://127.0.0.1:{}".format(number) for number in (other, port)
        ]
        login(lambda page: come_back(page, code="c"))
    assert server.forms[0]["redirect_uri"].endswith(":{}".format(port))


def test_a_port_that_is_needed_and_taken_is_an_error(login, server):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        server.changes["callback_urls"] = ["http://127.0.0.1:{}".format(port)]
        with pytest.raises(OSError, match=r"no port is free for the login: {}".format(port)):
            login(lambda page: pytest.fail("there is nowhere to come back to"))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.2 is not an address")
def test_nobody_but_this_machine_can_come_back(login, port):
    """A server on all interfaces would be reached on any address of the machine."""

    def person(page):
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.2", port), 5)
        come_back(page, code="c")

    login(person)


@pytest.mark.parametrize("url", ["http://0.0.0.0:54540", "http://login.example:1", "http://[::]:1"])
def test_a_server_elsewhere_is_never_opened(login, server, url):
    server.changes["callback_urls"] = [url]
    with pytest.raises(AuthError, match="not here"):
        login(lambda page: pytest.fail("the page must not be shown"))


def test_nobody_logs_in(port, nothing_left):
    auth = AuthSettings(auth_url="x", callback_urls=["http://127.0.0.1:{}".format(port)])
    http = HttpTransport(StaticToken(""))
    with pytest.raises(AuthError, match=r"nobody logged in within 0.05 s"):
        browser_tokens(http, auth, lambda page: None, timeout=0.05)


def test_a_browser_that_does_not_open_leaves_the_port_free(login, port):
    def broken(page):
        raise OSError("no browser")

    with pytest.raises(OSError, match="no browser"):
        login(broken)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))


def test_a_machine_without_a_browser_says_what_to_do(server, port, tmp_path, monkeypatch):
    server.changes["callback_urls"] = ["http://127.0.0.1:{}".format(port)]
    monkeypatch.setattr("webbrowser.open", lambda page: False)
    with pytest.raises(AuthError, match="login_headless"):
        Factory(tmp_path / "login").login(url=server.url)


def test_no_secret_is_logged(login, server, caplog):
    caplog.set_level(logging.DEBUG)
    secrets = []

    def person(page):
        secrets.append(query_of(page)["state"])
        come_back(page, code="the-code")

    login(person)
    secrets += [server.forms[0]["code_verifier"], "the-code", "refresh-1", server.asked[-1]]
    assert caplog.records
    assert not [secret for secret in secrets if secret in caplog.text]
