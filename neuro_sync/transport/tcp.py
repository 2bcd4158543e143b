"""TCP connections: to whichever address of a name answers, and to be called off while they are being made."""

import errno
import math
import os
import socket
import threading
import time
from typing import Any, Callable, Optional

from .calloff import watch

__all__ = ["connect_by", "dial", "seconds_left"]

_UNDER_WAY = (
    errno.EINPROGRESS,
    errno.EWOULDBLOCK,
    getattr(errno, "WSAEWOULDBLOCK", errno.EINPROGRESS),
)


class _Local(threading.local):
    deadline = math.inf


_local = _Local()


def connect_by(deadline: float) -> None:
    """When this thread has to have its next connection, by the monotonic clock.

    A name may have several addresses, and the libraries above know of a time-out for each alone.
    """
    _local.deadline = deadline


def seconds_left() -> float:
    """Seconds until then."""
    return max(0.001, _local.deadline - time.monotonic())


def dial(host: str, port: int, seconds: Callable[[], float]) -> socket.socket:
    """``socket.create_connection``, but one that can be called off.

    Args:
        host, port: of the server.
        seconds: tells how long the next address may take.
    """
    failure: Optional[OSError] = None
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
        sock = None
        try:
            sock = socket.socket(family, kind, protocol)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            _connect(sock, address, seconds())
            return sock
        except OSError as error:
            failure = failure or error
            if sock is not None:
                sock.close()
        except BaseException:
            if sock is not None:
                sock.close()
            raise
    raise failure or OSError("{} has no address".format(host))


def _connect(sock: socket.socket, address: Any, timeout: float) -> None:
    """``socket.connect`` with a time-out, but one that can be called off."""
    from urllib3.util.wait import wait_for_write

    sock.setblocking(False)
    code = sock.connect_ex(address)
    # Not before: what is called off before it has begun would begin all the same.
    watch(sock)
    if code in _UNDER_WAY:
        if not wait_for_write(sock, timeout):
            raise socket.timeout("timed out")
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))
    sock.settimeout(timeout)
