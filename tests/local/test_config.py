"""What a client asks first: ``GET /config``."""

import pytest

OAUTH = {
    "auth_url",
    "token_url",
    "logout_url",
    "client_id",
    "audience",
    "callback_urls",
    "headless_callback_url",
}


def test_who_is_not_logged_in_gets_the_login_and_no_more(api):
    config = api.get("/config", headers={})
    assert config.pop("authorized") is False
    assert set(config) == OAUTH
    assert all(url.startswith("http://127.0.0.1:") for url in config["callback_urls"])


@pytest.mark.parametrize("token", ["x", "a.b.c", "eyJhbGciOiJub25lIn0.eyJpZGVudGl0eSI6InVzZXIifQ."])
def test_a_bad_token_is_no_error_of_the_config(api, token):
    config = api.get("/config", headers={"Authorization": "Bearer " + token})
    assert config["authorized"] is False
    assert "clusters" not in config


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "token", "Basic dTpw"])
def test_a_malformed_header_is_a_bad_request(api, header):
    response = api.call("GET", "/config", headers={"Authorization": header})
    assert "Authorization" in api.error(response, 400)


def test_who_is_logged_in_gets_all(api):
    config = api.get("/config")
    assert config["authorized"] is True
    assert set(config) >= OAUTH
    assert config["admin_url"].startswith("http://127.0.0.1:")
    assert config["vcluster_url"].startswith("http://127.0.0.1:")
    (cluster,) = config["clusters"]
    assert cluster["name"] == "local"
    for key in ("registry", "storage", "users", "monitoring", "secrets", "disks", "buckets"):
        assert cluster[key + "_url"].startswith("http"), key
    assert cluster["monitoring_url"] == api.mon
    assert cluster["orgs"] == [org["name"] for org in config["orgs"]]
    for project in config["projects"]:
        assert project["cluster_name"] == "local"
        assert project["org_name"] in cluster["orgs"]
        assert project["role"]
    (pool,) = cluster["resource_pool_types"]
    assert pool["cpu"] > 0
    assert pool["memory"] > 0


def test_three_presets_fit_the_machine(api):
    (cluster,) = api.get("/config")["clusters"]
    (pool,) = cluster["resource_pool_types"]
    presets = cluster["resource_presets"]
    assert [preset["name"] for preset in presets] == ["cpu-small", "cpu-medium", "cpu-large"]
    for preset in presets:
        assert 0 < preset["cpu"] <= pool["cpu"]
        assert 0 < preset["memory"] <= pool["memory"]
        assert preset["memory_mb"] == preset["memory"] // 2**20
        assert float(preset["credits_per_hour"]) > 0
        assert preset["scheduler_enabled"] is preset["is_preemptible"] is False
        assert preset["preemptible_node"] is preset["is_preemptible_node_required"] is False


def test_the_token_may_come_in_the_query_or_as_a_sub_protocol(api):
    token = api.headers["Authorization"].split()[1]
    assert api.get("/config?neuro-auth-token=" + token, headers={})["authorized"] is True
    protocols = "attach.apolo.us, Bearer.Apolo.us-" + token
    config = api.get("/config", headers={"Sec-WebSocket-Protocol": protocols})
    assert config["authorized"] is True
    lowercase = {"Authorization": "bEARER " + token}
    assert api.get("/config", headers=lowercase)["authorized"] is True
    # The header comes first, also where it is the wrong one.
    config = api.get("/config?neuro-auth-token=" + token, headers={"Authorization": "Bearer x"})
    assert config["authorized"] is False


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/config", "api"),
        ("/nothing", "api"),
        ("/monitoring/jobs/capacity", "monitoring"),
        ("/monitoring/jobs/job-x/kill", "monitoring"),
    ],
)
def test_the_service_says_its_version(api, path, service):
    version = api.call("GET", path).headers["X-Service-Version"]
    assert version.startswith("platform-{}/".format(service))


def test_nothing_is_shared_with_others(api):
    permissions = [{"uri": "job://local/local-org/local-project/job-1", "action": "write"}]
    response = api.call("POST", "/users/somebody/permissions", json=permissions)
    assert "no users but 'user'" in api.error(response, 404)
    response = api.call("POST", "/users/somebody/permissions", json=permissions, headers={})
    assert response.status_code == 401
