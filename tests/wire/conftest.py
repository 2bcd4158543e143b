"""Certificates, and an environment without proxies."""

import ssl

import pytest


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="session")
def authority():
    """A certificate authority that nobody knows."""
    trustme = pytest.importorskip("trustme")
    return trustme.CA()


@pytest.fixture
def tls(authority):
    """Makes the server's end of TLS, with a certificate for a name."""

    def tls(name="127.0.0.1"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        return context

    return tls


@pytest.fixture
def trusted(authority, monkeypatch, tmp_path):
    """The authority is known, to this process."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
