"""A service that connections do not come about with: neither accepted nor refused."""

import socket
from contextlib import contextmanager

__all__ = ["black_hole"]


@contextmanager
def black_hole():
    """Yields its URL. On Linux: a full queue takes no more connections there, and refuses none."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    filling = []
    try:
        while True:
            sock = socket.socket()
            filling.append(sock)
            sock.settimeout(0.2)
            try:
                sock.connect(listener.getsockname())
            except OSError:  # timed out: this one waits, and so will all others
                break
        yield "http://127.0.0.1:{}/api/v1".format(listener.getsockname()[1])
    finally:
        for sock in (listener, *filling):
            sock.close()
