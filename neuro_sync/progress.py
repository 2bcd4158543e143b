"""Bars for what takes long: where a person is looking and tqdm is installed, nothing otherwise."""

import sys
from typing import TYPE_CHECKING, Any, Dict, Optional

if TYPE_CHECKING:
    from .jobs.saving import ImageCommitFinished, ImageCommitStarted, ImageProgressStep

__all__ = ["SaveBar", "save_bar", "waiting_bar"]


def _tqdm() -> Any:
    """tqdm's class, or None where nobody would see a bar."""
    stream = sys.stderr
    if stream is None or not stream.isatty():
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm


class SaveBar:
    """Shows how far the push of an image is."""

    def __init__(self, tqdm: Any) -> None:
        self._bar = tqdm(unit="B", unit_scale=True, leave=False, desc="saving", total=None)
        self._layers: Dict[str, int] = {}
        self._totals: Dict[str, int] = {}

    def commit_started(self, event: "ImageCommitStarted") -> None:
        self._bar.set_description("copying the container")

    def commit_finished(self, event: "ImageCommitFinished") -> None:
        self._bar.set_description("pushing")

    def step(self, event: "ImageProgressStep") -> None:
        if event.current is not None and event.total is not None:
            self._layers[event.layer_id] = event.current
            self._totals[event.layer_id] = event.total
        elif event.layer_id in self._totals and event.status == "Pushed":
            self._layers[event.layer_id] = self._totals[event.layer_id]
        self._bar.total = sum(self._totals.values()) or None
        self._bar.n = sum(self._layers.values())
        self._bar.refresh()

    def close(self) -> None:
        self._bar.close()


def save_bar() -> Optional[SaveBar]:
    """A bar for ``save``, or None."""
    tqdm = _tqdm()
    return None if tqdm is None else SaveBar(tqdm)


def waiting_bar(total: int, text: str) -> Any:
    """A bar for waiting for so many jobs, or None. Has ``update(n)`` and ``close()``."""
    tqdm = _tqdm()
    return None if tqdm is None else tqdm(total=total, desc=text, unit="job", leave=False)
