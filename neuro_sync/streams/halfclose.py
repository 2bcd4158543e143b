"""Tells whether the program at the other end of a local connection has gone.

A program that has shut down its sending side and one that has closed its socket look the same to
TCP until something is sent. The kernel of this machine knows: a closed socket belongs to nobody.
"""

import socket
import struct
from typing import List, Optional, Tuple

__all__ = ["peer_has_gone", "watch_by_keepalive"]

# In the part of a row that starts with the first address.
_INODE = 8


def peer_has_gone(connection: socket.socket) -> Optional[bool]:
    """Whether the other end, which has sent its end of file, is closed.

    Returns:
        None where this system does not tell.
    """
    try:
        own, peer = connection.getsockname(), connection.getpeername()
    except OSError:
        return True
    for table, family in _tables(connection.family):
        rows = _read(table)
        if rows is None:
            return None
        row = _find(rows, _address(peer, family), _address(own, family))
        if row is not None:
            return row.split()[_INODE] == b"0"
    rows = _read(_tables(connection.family)[0][0]) or b""
    seen = _find(rows, *(_address(end, connection.family) for end in (own, peer)))
    # No trace of the other end says something only where this one can be seen.
    return True if seen is not None else None


def watch_by_keepalive(connection: socket.socket) -> None:
    """Let the kernel probe the other end: a closed socket answers with a reset after a minute."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):
        if hasattr(socket, option):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), 5)


def _tables(family: int) -> List[Tuple[str, int]]:
    six = ("/proc/self/net/tcp6", int(socket.AF_INET6))
    # A program may reach an IPv4 address through an IPv6 socket.
    return [six] if family == socket.AF_INET6 else [("/proc/self/net/tcp", int(family)), six]


def _read(table: str) -> Optional[bytes]:
    try:
        with open(table, "rb") as file:
            return file.read()
    except OSError:
        return None


def _find(rows: bytes, local: bytes, remote: bytes) -> Optional[bytes]:
    """The row of that pair of addresses, from its first address on."""
    at = rows.find(b" " + local + b" " + remote + b" ")
    return None if at < 0 else rows[at : rows.find(b"\n", at)]


def _address(address: Tuple[str, int], family: int) -> bytes:
    """An address as those tables write it: each word of it in the byte order of this machine."""
    host, port = address[:2]
    try:
        packed = socket.inet_pton(family, host)
    except OSError:
        packed = b"\0" * 10 + b"\xff" * 2 + socket.inet_aton(host)
    words = struct.unpack("={}I".format(len(packed) // 4), packed)
    return "{}:{:04X}".format("".join("{:08X}".format(word) for word in words), port).encode()
