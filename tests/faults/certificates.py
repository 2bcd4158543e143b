"""Certificates of servers that the tests make."""

import ssl

__all__ = ["server_context"]


def server_context(authority, host):
    """The server's end of TLS, with a certificate for a host."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    return context
