"""Proxies and certificates are those that requests would take."""

import pytest
from requests.utils import get_environ_proxies, select_proxy

from neuro_sync.transport.environment import ca_bundle, proxy_for

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
URLS = [
    "http://api.example/x",
    "https://api.example/x",
    "https://user:pw@api.example:8443/x?token=y",
    "http://127.0.0.1:8080/",
    "https://[::1]:8080/",
    "https://deep.internal.example/",
]
ENVIRONMENTS = [
    {},
    {"http_proxy": "http://p1:1"},
    {"https_proxy": "http://p2:2"},
    {"HTTPS_PROXY": "http://p3:3", "no_proxy": "api.example"},
    {"all_proxy": "http://p4:4"},
    {"all_proxy": "http://p4:4", "https_proxy": "http://p5:5", "no_proxy": "127.0.0.1,::1,.internal.example"},
    {"http_proxy": "http://p6:6", "https_proxy": "http://p6:6", "no_proxy": "*"},
    {"http_proxy": "", "HTTP_PROXY": "http://p7:7"},
    {"http_proxy": "http://p7:7", "HTTP_PROXY": ""},
]  # fmt: skip


@pytest.fixture
def environment(monkeypatch):
    def environment(values):
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return environment


def test_the_proxy_is_the_one_that_requests_takes(environment):
    # All in one process: what was found for one environment must not be taken for another.
    for values in ENVIRONMENTS * 2:
        environment(values)
        for url in URLS:
            assert proxy_for(url) == select_proxy(url, get_environ_proxies(url)), (values, url)


def test_websockets_go_the_way_of_their_http(environment):
    environment({"http_proxy": "http://p1:1", "https_proxy": "http://p2:2"})
    assert proxy_for("ws://api.example/x") == "http://p1:1"
    assert proxy_for("wss://api.example/x") == "http://p2:2"


@pytest.mark.parametrize("proxy", ["h:3128", "//h:3128", "http://h:3128", "user:pw@h:3128"])
def test_a_proxy_without_a_scheme_is_one_of_http(environment, proxy):
    environment({"http_proxy": proxy})
    assert proxy_for("http://api.example/x") == "http://" + proxy.rpartition("/")[2]


@pytest.mark.parametrize(
    ("values", "bundle"),
    [
        ({}, None),
        ({"REQUESTS_CA_BUNDLE": "/a"}, "/a"),
        ({"CURL_CA_BUNDLE": "/b"}, "/b"),
        ({"REQUESTS_CA_BUNDLE": "/a", "CURL_CA_BUNDLE": "/b"}, "/a"),
        ({"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": "/b"}, "/b"),
    ],
)
def test_the_certificates_are_those_that_requests_takes(monkeypatch, values, bundle):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    assert ca_bundle() == bundle
