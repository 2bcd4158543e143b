"""Tells whether the program at the other end of a local connection has gone.

A program that has shut down its sending side and one that has closed its socket look the same to
TCP until something is sent. The kernel of this machine knows: a closed socket belongs to nobody.
"""

import errno
import socket
import struct
from typing import List, Optional, Tuple

__all__ = ["peer_has_gone", "watch_by_keepalive"]

# Of linux/sock_diag.h, linux/inet_diag.h and linux/netlink.h.
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_NLMSG_ERROR = 2
_ANY_STATE = _NO_COOKIE = 0xFFFFFFFF
# Where the inode is in an answer: behind the header, the states, the addresses, four numbers.
_DIAG_INODE = 16 + 4 + 48 + 4 * 4
# In the part of a row of a table that starts with the first address.
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
    try:
        return _ask(connection.family, peer, own)
    except OSError:
        return _search(connection.family, peer, own)


def _ask(family: int, peer: Tuple[str, int], own: Tuple[str, int]) -> Optional[bool]:
    """Ask for that one socket: however many there are, it costs the same."""
    inode = _inode(family, peer, own)
    if inode is not None:
        return inode == 0
    # No trace of the other end says something only where this one can be seen.
    return True if _inode(family, own, peer) is not None else None


def _inode(family: int, local: Tuple[str, int], remote: Tuple[str, int]) -> Optional[int]:
    """The inode of a socket: 0 for one that nobody has open, None where there is none.

    Raises:
        OSError: this system does not answer such questions.
    """
    if not hasattr(socket, "AF_NETLINK"):
        raise OSError(errno.ENOSYS, "no netlink")
    question = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, _ANY_STATE)
    question += struct.pack("!HH", local[1], remote[1])
    question += b"".join(
        socket.inet_pton(family, address[0]).ljust(16, b"\0") for address in (local, remote)
    )
    question += struct.pack("=III", 0, _NO_COOKIE, _NO_COOKIE)
    header = struct.pack("=IHHII", 16 + len(question), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as netlink:
        netlink.settimeout(1.0)
        netlink.sendto(header + question, (0, 0))
        answer = netlink.recv(4096)
    if struct.unpack_from("=H", answer, 4)[0] == _NLMSG_ERROR:
        number = -struct.unpack_from("=i", answer, 16)[0]
        if number == errno.ENOENT:
            return None
        raise OSError(number, "netlink does not tell of sockets")
    inode: int = struct.unpack_from("=I", answer, _DIAG_INODE)[0]
    return inode


def _search(family: int, peer: Tuple[str, int], own: Tuple[str, int]) -> Optional[bool]:
    """Look for the socket in the tables of all sockets: slow where there are thousands."""
    for table, listed in _tables(family):
        rows = _read(table)
        if rows is None:
            return None
        row = _find(rows, _address(peer, listed), _address(own, listed))
        if row is not None:
            return row.split()[_INODE] == b"0"
    rows = _read(_tables(family)[0][0]) or b""
    seen = _find(rows, *(_address(end, family) for end in (own, peer)))
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
