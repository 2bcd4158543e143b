"""The TLS settings of all connections, made once: to read the certificates takes longer than a handshake."""

import os
import ssl
from typing import Dict, Optional, Tuple

from ..errors import ConfigError
from .calloff import watch
from .environment import ca_bundle
from .retry import AttemptFailed

__all__ = ["tls_context"]

_contexts: Dict[Tuple[Optional[str], int], ssl.SSLContext] = {}


def tls_context() -> ssl.SSLContext:
    """Settings that check certificates and names, with the certificates that the environment names now.

    Raises:
        AttemptFailed: those can't be read.
    """
    bundle = ca_bundle()
    # The child of a fork makes its own: what OpenSSL keeps in them is not for two processes.
    key = (bundle, os.getpid())
    context = _contexts.get(key)
    if context is None:
        # Without a lock: one that a thread holds at a fork would never be free in the child.
        context = _contexts.setdefault(key, _new_context(bundle))
    return context


class _WatchedSocket(ssl.SSLSocket):
    """One whose handshake can be called off."""

    def do_handshake(self, block: bool = False) -> None:
        watch(self)  # the plain socket has become this one
        super().do_handshake(block)


def _new_context(bundle: Optional[str]) -> ssl.SSLContext:
    context = _trusting(bundle)
    context.sslsocket_class = _WatchedSocket
    return context


def _trusting(bundle: Optional[str]) -> ssl.SSLContext:
    if bundle is None:
        import certifi

        return ssl.create_default_context(cafile=certifi.where())
    try:
        if os.path.isdir(bundle):
            return ssl.create_default_context(capath=bundle)
        return ssl.create_default_context(cafile=bundle)
    except OSError as error:  # ssl.SSLError is one, too
        text = "no certificates in {!r}, which REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names: {}"
        wrong = ConfigError(text.format(bundle, error.strerror or error))
        raise AttemptFailed(wrong, sent=False, transient=False) from error
