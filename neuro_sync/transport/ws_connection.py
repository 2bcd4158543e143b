"""An open WebSocket: whole messages, pings, and one way to end."""

import os
import threading
import time
from typing import Any, Dict, List, Optional

from ..errors import ConnectionFailed, NeuroError, StreamClosed
from ..wire.paths import redact
from .ws_frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    FrameParser,
    close_payload,
    frame_header,
)
from .ws_handshake import Opened
from .ws_mask import apply_mask, new_key
from .ws_socket import share

__all__ = ["WsAborted", "WsClosed", "WsConnection"]

# A close frame is a courtesy: nobody waits longer than so many seconds to get rid of it.
_GOODBYE = 0.2
# How soon a ping or pong is tried again that another thread's message has kept from going out, in seconds.
_SOON = 1.0


class WsClosed(NeuroError):
    """The peer closed the connection in order. Attributes: ``code``, ``reason``."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__("closed with {}{}".format(code, ": " + reason if reason else ""))
        self.code = code
        self.reason = reason


class WsAborted(NeuroError):
    """This side ended the connection by ``abort()``."""


class WsConnection:
    """An open WebSocket: one thread reads, any thread writes, any thread may abort it.

    Attributes:
        response_headers: of the handshake, names in lower case.
        subprotocol: the one that the server selected, or None.
        facts: what errors of it tell: method and URL of the handshake.
    """

    def __init__(self, opened: Opened, url: str, *, heartbeat: float, silence: float) -> None:
        self.response_headers = opened.headers
        self.subprotocol = opened.subprotocol
        self._socket = share(opened.sock, opened.received)
        self.facts: Dict[str, Any] = {"method": "GET", "url": redact(url)}
        self._heartbeat = heartbeat
        self._silence = silence
        self._parser = FrameParser()
        self._heard = time.monotonic()
        self._pinged = self._heard
        # When the first ping of a silence can have been answered.
        self._answerable = self._heard
        # The last ping and pong for which another thread was sending: they go out before its next frame.
        self._due: Dict[int, bytes] = {}
        self._send_lock = threading.Lock()
        # Bytes of frames that did not fit into the socket; they go out before anything else does.
        self._unsent = bytearray()
        self._aborted = False
        self._closed = False
        self._error: Optional[NeuroError] = None
        self._pid = os.getpid()

    def recv_batch(self) -> List[bytes]:
        """Wait for messages; returns all that have come, at least one.

        Raises:
            WsClosed: the peer closed the connection in order.
            ConnectionFailed: it was lost, or the peer is silent and answers no ping.
            ProtocolError: the peer broke the rules.
            WsAborted: this side ended it.
        """
        if self._error is not None:
            raise self._error
        # A reader that was held back has not listened: silence counts from now on.
        self._heard = max(self._heard, time.monotonic() - self._heartbeat)
        try:
            while True:
                # It may have ended together with the messages before.
                if self._parser.over:
                    raise self._end()
                messages = self._receive()
                if messages:
                    return messages
        except NeuroError as error:
            self._error = error
            raise

    def _receive(self) -> List[bytes]:
        try:
            data = self._socket.read(self._patience())
            if data is None:
                return []
        except NeuroError:
            raise  # silence: it is an OSError too
        except (OSError, ValueError) as error:
            if self._aborted:
                raise WsAborted("aborted") from error
            raise self._lost(
                "it broke: {}".format(getattr(error, "strerror", None) or error)
            ) from error
        if not data:
            if self._aborted:
                raise WsAborted("aborted")
            raise self._lost("it ended without a goodbye")
        self._heard = time.monotonic()
        messages = self._parser.feed(data)
        if self._parser.pings:
            # Only the last needs an answer (RFC 6455 5.5.3), but each that we can give is given.
            for payload in self._parser.pings:
                self._keep_up(PONG, payload)
            self._parser.pings.clear()
        return messages

    def _patience(self) -> float:
        """Seconds to wait for bytes; pings a quiet peer, and gives a silent one up."""
        now = time.monotonic()
        if self._pinged <= self._heard and now >= self._heard + self._heartbeat:
            # Late where this process was stopped, as by Ctrl-Z: that is not the peer's silence.
            self._answerable = now + (self._silence - self._heartbeat) / 2
            self.keepalive()
        lost = max(self._heard + self._silence, self._answerable)
        if now >= lost:
            raise self._lost("the peer is silent for {:.0f} s".format(now - self._heard))
        next_ping = max(self._heard, self._pinged) + self._heartbeat
        if now >= next_ping:
            self.keepalive()
            next_ping = now + self._heartbeat
        for opcode, payload in list(self._due.items()):
            self._keep_up(opcode, payload)
        return min(next_ping, lost, now + _SOON if self._due else lost) - now

    def _end(self) -> NeuroError:
        """Answer what the peer ended it with, be it in order or not."""
        error = self._parser.error
        if error is not None:
            error.method, error.url = self.facts["method"], self.facts["url"]
            self._try_send(CLOSE, close_payload(error.close_code))
            return error
        frame = self._parser.closed
        assert frame is not None
        self._try_send(CLOSE, close_payload(frame.code) if frame.code != 1005 else b"")
        return WsClosed(frame.code, frame.reason)

    def _lost(self, why: str) -> ConnectionFailed:
        return ConnectionFailed("the connection was lost: " + why, **self.facts)

    def send(self, data: bytes) -> None:
        """Send a binary message, from any thread; it waits while the peer takes nothing.

        A connection on which a message was sent in part is of no use any more, and is aborted.

        Raises:
            StreamClosed: the connection has ended.
        """
        with self._send_lock:
            try:
                self._check_open()
                key = new_key()
                header = frame_header(BINARY, len(data), key)
                for opcode in list(self._due):
                    # The reader may have sent it meanwhile.
                    due = self._due.pop(opcode, None)
                    if due is not None:
                        header = _control_frame(opcode, due) + header
                self._flush(header, apply_mask(data, key))
            except (OSError, ValueError) as error:
                if isinstance(error, NeuroError):
                    raise
                raise StreamClosed("the connection has ended: {}".format(error)) from error

    def _check_open(self) -> None:
        if self._pid != os.getpid():
            raise StreamClosed("the stream belongs to the process that opened it")
        if self._aborted or self._closed or self._error is not None:
            raise StreamClosed("the stream has ended")

    def _flush(self, header: bytes, payload: bytes) -> None:
        try:
            if self._unsent:
                header = bytes(self._unsent) + header
                self._unsent.clear()
            rest = _rest(header, payload, self._socket.write_both(header, payload))
            while rest:
                if self._socket.wait_writable(1.0):
                    # The peer takes what is sent. It may have nothing to say, nor a ping to answer: that
                    # would come behind all of this.
                    self._heard = time.monotonic()
                if self._aborted or self._error is not None:
                    raise StreamClosed("the stream has ended")
                rest = rest[self._socket.write(rest) :]
        except BaseException:
            # Half a frame was sent: nothing that follows could be understood.
            self._abort()
            raise

    def _try_send(self, opcode: int, payload: bytes, patience: float = 0.0) -> bool:
        """Send a control frame, without waiting for another thread's message.

        Args:
            opcode, payload: of the frame.
            patience: seconds to wait for room, if there is none; what is left goes out with the next frame.

        Returns:
            False where there is such a message, or no room behind the last control frame.
        """
        frame = _control_frame(opcode, payload)
        held: List[bool] = []
        try:
            # In one step, as by ``with``: Ctrl-C must not find the lock on its way from there to here.
            held.extend(filter(None, map(self._send_lock.acquire, (False,))))
            if held and not self._closed and not self._aborted:
                if self._unsent:
                    self._write_unsent()
                if self._unsent and not patience:
                    return False  # a peer that takes nothing must not fill the memory by its pings
                self._unsent += frame
                self._write_unsent()
                if self._unsent and patience and self._socket.wait_writable(patience):
                    self._write_unsent()
        except (OSError, ValueError):
            pass  # the reader meets the same error, and tells it
        finally:
            if held:
                self._send_lock.release()
        return bool(held)

    def _write_unsent(self) -> None:
        sent = self._socket.write(bytes(self._unsent))
        del self._unsent[:sent]

    def keepalive(self) -> None:
        """Ping the peer without reading or waiting, so that it goes on while this side is held back."""
        self._pinged = time.monotonic()
        self._keep_up(PING, b"")

    def _keep_up(self, opcode: int, payload: bytes) -> None:
        """Send a ping or pong, now or before the next frame of the thread that is sending."""
        self._due.pop(opcode, None)
        if not self._try_send(opcode, payload):
            self._due[opcode] = payload

    def abort(self) -> None:
        """End the connection at once, from any thread; a reader that waits gets WsAborted."""
        self._aborted = True
        self._abort()

    def _abort(self) -> None:
        self._socket.abort()

    def close(self, code: int = 1000) -> None:
        """Say goodbye, without waiting for an answer, and close. For the thread that reads."""
        if self._closed:
            return
        if self._pid == os.getpid() and not self._aborted and self._error is None:
            self._try_send(CLOSE, close_payload(code), _GOODBYE)
        self._abort()
        # A thread that sends notices the abort within moments; only then the descriptor may be reused.
        with self._send_lock:
            self._closed = True
            self._socket.close()


def _control_frame(opcode: int, payload: bytes) -> bytes:
    key = new_key()
    return frame_header(opcode, len(payload), key) + apply_mask(payload, key)


def _rest(header: bytes, payload: bytes, sent: int) -> memoryview:
    """What is left of the two when so many bytes have been sent."""
    if sent < len(header):
        return memoryview(header + payload)[sent:]
    return memoryview(payload)[sent - len(header) :]
