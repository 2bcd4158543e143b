"""The login service: a code gets a token, and a refresh token gets the next ones."""

import base64
import hashlib
from urllib.parse import parse_qs, urlsplit

CLIENT = {"client_id": "neuro-sync-local"}
CALLBACK = "http://127.0.0.1:54540"
VERIFIER = "v" * 43
REFRESHED = {"access_token", "expires_in", "token_type"}


def ask(api, method, name, **options):
    url = api.url.replace("/api/v1", "/oauth/" + name)
    return api.call(method, url, headers={}, **options)


def log_in(api):
    """The answer of a login."""
    digest = hashlib.sha256(VERIFIER.encode()).digest()
    query = {
        **CLIENT,
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "code_challenge_method": "S256",
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
    }
    page = ask(api, "GET", "authorize", params=query)
    (code,) = parse_qs(urlsplit(page.headers["Location"]).query)["code"]
    form = {**CLIENT, "grant_type": "authorization_code", "redirect_uri": CALLBACK}
    answer = ask(api, "POST", "token", data={**form, "code": code, "code_verifier": VERIFIER})
    assert answer.status_code == 200, answer.text
    return answer.json()


def refresh(api, token):
    form = {**CLIENT, "grant_type": "refresh_token", "refresh_token": token}
    return ask(api, "POST", "token", data=form)


def is_accepted(api, token):
    return api.get("/config", headers={"Authorization": "Bearer " + token})["authorized"]


def test_a_refresh_token_gets_any_number_of_tokens(api):
    """The platform's own clients keep the one of the login for ever."""
    first = log_in(api)
    assert set(first) == REFRESHED | {"refresh_token"}
    got = [refresh(api, first["refresh_token"]).json() for _ in range(3)]
    assert [set(answer) for answer in got] == [REFRESHED] * 3
    assert len({answer["access_token"] for answer in [first, *got]}) == 4
    assert all(is_accepted(api, answer["access_token"]) for answer in got)


def test_a_refresh_token_outlives_the_platform(own_platform, tmp_path):
    platform, api = own_platform(data_dir=tmp_path)
    token = log_in(api)["refresh_token"]
    platform.faults.expire_token()
    platform.close()
    _, api = own_platform(data_dir=tmp_path)
    assert is_accepted(api, refresh(api, token).json()["access_token"])


def test_a_token_of_one_kind_is_none_of_the_other(api):
    login = log_in(api)
    assert not is_accepted(api, login["refresh_token"])
    for token in (login["access_token"], "x", "", login["refresh_token"] + "x"):
        assert refresh(api, token).status_code == 403


def test_refresh_tokens_that_rotate_are_good_once(own_platform):
    platform, api = own_platform()
    first = log_in(api)["refresh_token"]
    platform.faults.rotate_refresh_tokens()
    second = refresh(api, first).json()
    assert is_accepted(api, second["access_token"])
    assert refresh(api, first).status_code == 403
    third = refresh(api, second["refresh_token"]).json()["refresh_token"]
    assert len({first, second["refresh_token"], third}) == 3
    platform.faults.clear()
    assert set(refresh(api, third).json()) == REFRESHED
    assert refresh(api, third).status_code == 200
