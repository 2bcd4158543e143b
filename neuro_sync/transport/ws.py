"""WebSockets with a token: opened as any other call is made."""

from typing import TYPE_CHECKING, Iterable, Optional, Sequence, Tuple
from urllib.parse import urlencode

from .auth import TokenSource
from .http import USER_AGENT
from .retry import AttemptFailed, Retrier, RetryPolicy, Timeout

if TYPE_CHECKING:
    from .ws_connection import WsConnection

__all__ = ["WsTransport"]


class WsTransport:
    """Opens WebSockets with a token; tries again and refreshes the token as for any other call.

    Args:
        auth: where the token comes from.
        timeout: of the connection and of the handshake.
        retrier: of the client, whose quota it shares.
        user_agent: value of that header.
        heartbeat: seconds without a byte after which a peer is pinged.
        silence: seconds without a byte after which it counts as lost.
    """

    def __init__(
        self,
        auth: TokenSource,
        *,
        timeout: Timeout = Timeout(),
        retrier: Optional[Retrier] = None,
        user_agent: str = USER_AGENT,
        heartbeat: float = 21.0,
        silence: float = 28.0,
    ) -> None:
        self.auth = auth
        self.timeout = timeout
        self.retrier = retrier or Retrier(RetryPolicy())
        self._user_agent = user_agent
        self._heartbeat = heartbeat
        self._silence = silence

    def dial(
        self,
        url: str,
        *,
        params: Iterable[Tuple[str, str]] = (),
        subprotocols: Sequence[str] = (),
        repeatable: bool = True,
        seconds: Optional[float] = None,
    ) -> "WsConnection":
        """Open a WebSocket.

        Args:
            url: http, https, ws or wss; parts of it that come from outside are quoted already.
            params: of the query.
            subprotocols: to offer.
            repeatable: opening it twice does no harm.
            seconds: for all tries together; None: as many as the policy gives.

        Raises:
            NeuroError: the error of the status of a refused handshake, ConnectionFailed,
                OutcomeUnknown, ProtocolError.
        """
        # Not before the first: most programs make calls alone.
        from .ws_connection import WsConnection
        from .ws_handshake import open_websocket

        query = urlencode(list(params))
        if query:
            url += "?" + query
        refreshed = False
        auth, left = self.auth, self.retrier.left

        def open_once(token: str, deadline: float) -> "WsConnection":
            opened = open_websocket(
                url,
                token=token,
                subprotocols=subprotocols,
                user_agent=self._user_agent,
                timeout=self.timeout,
                seconds=max(0.001, left(deadline)),
            )
            return WsConnection(opened, url, heartbeat=self._heartbeat, silence=self._silence)

        def attempt(number: int, deadline: float) -> "WsConnection":
            nonlocal refreshed
            token = auth.token(left(deadline))
            try:
                return open_once(token, deadline)
            except AttemptFailed as failed:
                status = getattr(failed.error, "status", None)
                if status != 401 or refreshed or not auth.refresh(token, left(deadline)):
                    raise
            refreshed = True
            return open_once(auth.token(left(deadline)), deadline)

        return self.retrier.call(attempt, repeatable=repeatable, seconds=seconds)
