"""Something that is done in a thread of its own, while the stream goes on."""

import logging
import threading
from typing import Any, Callable, List

from ..transport.calloff import Making

__all__ = ["Errand"]

_log = logging.getLogger(__name__)


class Errand:
    """Runs a callable in a thread that nobody has to wait for."""

    def __init__(self, target: Callable[[], Any]) -> None:
        self._results: List[Any] = []
        self._making = Making()
        threading.Thread(
            target=_run_errand,
            args=(target, self._making, self._results),
            name="neuro_sync-errand",
            daemon=True,
        ).start()

    @property
    def done(self) -> bool:
        return bool(self._results)

    @property
    def result(self) -> Any:
        """What it returned, or None where it raised an error, which is then in the debug log."""
        return self._results[0]

    def call_off(self) -> None:
        """Nobody wants to know any more."""
        self._making.call_off()


def _run_errand(target: Callable[[], Any], making: Making, results: List[Any]) -> None:
    result = None
    try:
        with making:
            result = target()
    except Exception as error:
        _log.debug("an errand failed: %s", error)
    finally:
        results.append(result)
