"""JSON messages that carry open files, over a Unix stream socket.

The platform talks to the launcher, and to the supervisor of each job, in these: four bytes of
length, one byte that says how many file descriptors come along, and a JSON object.
"""

import array
import json
import os
import socket
import struct
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

__all__ = ["Message", "MessageReader", "send_message"]

_HEADER = struct.Struct("!IB")
_READ_SIZE = 64 * 1024
_MOST_FILES = 8


class Message(NamedTuple):
    """One message: what it says, and the files that came with it (now the receiver's to close)."""

    body: Dict[str, Any]
    files: List[int]


def send_message(sock: socket.socket, body: Dict[str, Any], files: Sequence[int] = ()) -> None:
    """Sends one message; blocks while the peer's buffer is full.

    Raises:
        OSError: the peer is gone.
    """
    payload = json.dumps(body, separators=(",", ":")).encode()
    data = _HEADER.pack(len(payload), len(files)) + payload
    ancillary = []
    if files:
        ancillary.append((socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files)))
    sent = sock.sendmsg([data], ancillary)
    if sent < len(data):
        sock.sendall(data[sent:])


class MessageReader:
    """Takes messages from a socket as they come."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray()
        self._files: List[int] = []

    def receive(self, *, wait: bool = True) -> Optional[List[Message]]:
        """Reads once; returns the messages that are complete now, or None when the peer has closed.

        Raises:
            BlockingIOError: nothing has come, and ``wait`` is false.
        """
        flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
        if not wait:
            flags |= socket.MSG_DONTWAIT
        size = socket.CMSG_SPACE(_MOST_FILES * array.array("i").itemsize)
        try:
            data, ancillary, _, _ = self._sock.recvmsg(_READ_SIZE, size, flags)
        except ConnectionResetError:  # it died with our words unread: closed all the same
            return None
        self._keep_files(ancillary)
        if not data:
            return None
        self._buffer += data
        return self._complete()

    def _keep_files(self, ancillary: Sequence[Any]) -> None:
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                received = array.array("i")
                received.frombytes(data[: len(data) - len(data) % received.itemsize])
                for file in received:
                    os.set_inheritable(file, False)
                    self._files.append(file)

    def _complete(self) -> List[Message]:
        messages = []
        buffer = self._buffer
        while len(buffer) >= _HEADER.size:
            length, count = _HEADER.unpack_from(buffer)
            end = _HEADER.size + length
            if len(buffer) < end:
                break
            body = json.loads(bytes(buffer[_HEADER.size : end]).decode())
            messages.append(Message(body, self._files[:count]))
            del self._files[:count], buffer[:end]
        return messages
