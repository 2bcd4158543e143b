"""What servers since 2022 say of themselves."""

import json

import pytest
import responses

from neuro_sync import AuthenticationError, Project, ProtocolError
from neuro_sync.config.server import AuthSettings, fetch_server_config, parse_server_config
from neuro_sync.transport.auth import CallableToken, StaticToken
from neuro_sync.transport.http import HttpTransport
from tests.peers.config import GENERATIONS, config_payload

BASE = "https://api.example"


@pytest.mark.parametrize("generation", sorted(GENERATIONS))
def test_every_generation_is_read(generation):
    server = parse_server_config(GENERATIONS[generation](BASE))
    assert server.authorized
    assert server.auth.token_url == BASE + "/oauth/token"
    assert server.has_projects == (generation > 2022)
    assert list(server.clusters) == ["default", "second"]
    cluster = server.clusters["default"]
    assert cluster.orgs == ("acme", "other")
    assert cluster.allows_no_org == (generation == 2022)
    assert cluster.accepts_nvidia_gpu == (generation > 2022)
    assert str(cluster.monitoring_url) == BASE + "/api/v1/mon/jobs"
    assert server.clusters["second"].registry == "r2.example:5000"
    gpu = cluster.presets["gpu"]
    assert (gpu.nvidia_gpu.count, gpu.nvidia_gpu.model) == (1, "nvidia-a100")
    assert gpu.scheduler_enabled
    assert cluster.presets["cpu-small"].nvidia_gpu is None
    assert cluster.presets["tpu"].tpu is not None
    if generation > 2022:
        assert cluster.resource_pools["gpu"].nvidia_gpu.count == 2
        assert Project.Key("default", "acme", "zoo") in server.projects


@pytest.mark.parametrize("word", ["", "NO_ORG", None])
def test_projects_without_an_organisation(word):
    payload = config_payload(BASE)
    payload["projects"] = [
        {"name": "p", "cluster_name": "default", "org_name": word, "role": "reader"},
        {"name": "q", "cluster_name": "default", "role": "of-a-newer-server"},
    ]
    server = parse_server_config(payload)
    assert [key.org_name for key in server.projects] == [None, None]


def test_the_least_that_a_server_may_say():
    server = parse_server_config({"authorized": False})
    assert server.clusters == {}
    assert not server.has_projects
    assert server.auth == AuthSettings()
    assert len(server.auth.callback_urls) == 3


def test_fields_of_newer_servers_are_ignored():
    payload = config_payload(BASE)
    payload["of_a_newer_server"] = {"x": 1}
    for cluster in payload["clusters"]:
        cluster["location"] = {"lat": 1}
        for item in cluster["resource_presets"] + cluster["resource_pool_types"]:
            item["quantum"] = [1]
    assert (
        parse_server_config(payload).clusters == parse_server_config(config_payload(BASE)).clusters
    )


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        "ok",
        {},
        {"authorized": True, "clusters": {"default": {}}},
        {"authorized": True, "clusters": [None]},
        {"authorized": True, "clusters": [{"orgs": []}]},
        {"authorized": True, "projects": "all"},
        {"authorized": True, "projects": [{"name": "p"}]},
        {"authorized": True, "clusters": [{"name": "c", "resource_presets": [{}]}]},
    ],
)
def test_what_is_no_config_is_no_config(payload):
    with pytest.raises(ProtocolError):
        parse_server_config(payload)


def test_login_settings_survive_the_disk():
    auth = AuthSettings.from_dict(config_payload(BASE))
    assert AuthSettings.from_dict(json.loads(json.dumps(auth.to_dict()))) == auth


class TestFetch:
    @pytest.mark.parametrize("authorize", [True, False])
    def test_a_token_is_sent_only_where_it_is_wanted(self, server, authorize):
        http = HttpTransport(StaticToken(server.token))
        found = fetch_server_config(http, server.url, authorize=authorize)
        assert server.asked == [server.token if authorize else None]
        assert found.authorized is authorize

    def test_a_token_that_is_not_accepted(self, server):
        http = HttpTransport(StaticToken("wrong"))
        with pytest.raises(AuthenticationError, match="log in again") as caught:
            fetch_server_config(http, server.url)
        assert caught.value.url == server.url + "/config"

    def test_a_function_that_gives_another_token_is_asked_again(self, server):
        tokens = iter(["old", "old", server.token, server.token])
        http = HttpTransport(CallableToken(lambda: next(tokens)))
        assert fetch_server_config(http, server.url).authorized

    @pytest.mark.parametrize(
        "body",
        [
            *["<html>", "[]", "5", '{"authorized": true, "clusters": 5}'],
            *['{"authorized": true, "clusters": [{}]}', '{"authorized": true, "projects": [{}]}'],
        ],
    )
    def test_another_service_answers(self, body):
        with responses.RequestsMock() as mock:
            mock.add(responses.GET, BASE + "/api/v1/config", body=body)
            with pytest.raises(ProtocolError) as caught:
                fetch_server_config(HttpTransport(StaticToken("t")), BASE + "/api/v1")
        error = caught.value
        assert (error.status, error.method, error.attempts) == (200, "GET", 1)
        assert error.url == BASE + "/api/v1/config"
