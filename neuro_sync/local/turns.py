"""Many busy streams in one event loop, and room for others between any two of them."""

import asyncio
from collections import deque
from typing import Deque

__all__ = ["Turns"]


class Turns:
    """Lets one of those who wait go on in each round of the event loop, in the order of their coming.

    ``asyncio.sleep(0)`` would let all of them go on in the next round: who comes to the loop then waits for
    the work of them all.
    """

    def __init__(self) -> None:
        self._waiting: "Deque[asyncio.Future[None]]" = deque()
        self._asked = False

    async def wait(self) -> None:
        """Wait until it is one's turn."""
        loop = asyncio.get_event_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        if not self._asked:
            self._asked = True
            loop.call_soon(self._give)
        await turn

    def _give(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # else it was cancelled
                turn.set_result(None)
                break
        self._asked = bool(self._waiting)
        if self._asked:
            asyncio.get_event_loop().call_soon(self._give)
