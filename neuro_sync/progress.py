"""Bars for what takes long: where a person is looking, and tqdm or rich is installed; nothing otherwise."""

import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Dict, Optional

if TYPE_CHECKING:
    from .jobs.saving import ImageCommitFinished, ImageCommitStarted, ImageProgressStep

__all__ = ["SaveBar", "WaitBar", "save_bar", "wait_bar"]

# Seconds from which on a wait is a long one. Looking at a bar for less is no joy.
_LONG = 2.0


class _TqdmBar:
    def __init__(self, tqdm: Any, unit: str) -> None:
        # Without tqdm's thread, which looks after bars that get no news, and stays when they are gone.
        kind = type("_Bar", (tqdm,), {"monitor_interval": 0})
        self._bar = kind(unit=unit, unit_scale=unit == "B", leave=False, dynamic_ncols=True)

    def show(self, text: str, done: int, total: Optional[int]) -> None:
        self._bar.set_description(text, refresh=False)
        self._bar.total = total
        self._bar.n = done
        self._bar.refresh()

    def close(self) -> None:
        self._bar.close()


class _RichBar:
    """Made of what rich has had since its version 10."""

    def __init__(self, rich: Any, unit: str) -> None:
        self._unit = unit
        self._bar = rich.Progress(
            rich.TextColumn("{task.description}"),
            rich.BarColumn(),
            rich.TextColumn("{task.fields[count]}"),
            rich.TimeElapsedColumn(),
            console=_console(),
            transient=True,
            # It is drawn when there is news: no thread has to run for it.
            auto_refresh=False,
        )
        self._bar.start()
        self._task = self._bar.add_task("", total=1, count="")

    def show(self, text: str, done: int, total: Optional[int]) -> None:
        self._bar.update(
            self._task,
            description=text,
            completed=done,
            total=total or 1,
            count=self._count(done, total),
        )
        self._bar.refresh()

    def _count(self, done: int, total: Optional[int]) -> str:
        if total is None:
            return ""
        if self._unit == "B":
            return "{:.1f}/{:.1f} MB".format(done / 1e6, total / 1e6)
        return "{}/{}".format(done, total)

    def close(self) -> None:
        self._bar.stop()


def _console() -> Any:
    """The console that a program's own displays use, so that rich knows of both; else the one of errors."""
    import rich
    from rich.console import Console

    console = rich.get_console()
    return console if console.is_terminal else Console(stderr=True)


def _somebody_is_looking() -> bool:
    # Of many threads that wait each would have its bar, and there is one terminal only.
    stream = sys.stderr
    main = threading.current_thread() is threading.main_thread()
    return main and stream is not None and stream.isatty()


def _make_bar(unit: str) -> Any:
    """A bar of whichever library is installed, or None."""
    try:
        from tqdm import tqdm

        return _TqdmBar(tqdm, unit)
    except ImportError:
        pass  # rich will do
    try:
        from rich import errors, progress
    except ImportError:
        return None
    try:
        return _RichBar(progress, unit)
    except errors.LiveError:
        # The caller shows something with rich, and this version of it allows one display at a time.
        return None


class WaitBar:
    """Shows that a wait goes on, once it is a long one."""

    def __init__(self) -> None:
        self._due = time.monotonic() + _LONG
        self._bar: Any = None

    def show(self, text: str, done: int = 0, total: Optional[int] = None) -> None:
        """Tell the news."""
        if self._bar is None and time.monotonic() >= self._due:
            self._bar = _make_bar("job")
        if self._bar is not None:
            self._bar.show(text, done, total)

    def hide(self) -> None:
        """Leave the terminal to others, for good or until the next wait gets long."""
        self._due = time.monotonic() + _LONG
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class _NoBar:
    """For when nobody is looking."""

    def show(self, text: str, done: int = 0, total: Optional[int] = None) -> None:
        pass

    def hide(self) -> None:
        pass


def wait_bar() -> Any:
    """A bar for waiting, or what does nothing."""
    return WaitBar() if _somebody_is_looking() else _NoBar()


class SaveBar:
    """Shows how far the push of an image is."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._layers: Dict[str, int] = {}
        self._totals: Dict[str, int] = {}

    def commit_started(self, event: "ImageCommitStarted") -> None:
        self._bar.show("copying the container", 0, None)

    def commit_finished(self, event: "ImageCommitFinished") -> None:
        self._bar.show("pushing", 0, None)

    def step(self, event: "ImageProgressStep") -> None:
        if event.current is not None and event.total is not None:
            self._layers[event.layer_id] = event.current
            self._totals[event.layer_id] = event.total
        elif event.layer_id in self._totals and event.status == "Pushed":
            self._layers[event.layer_id] = self._totals[event.layer_id]
        total = sum(self._totals.values()) or None
        self._bar.show("pushing", sum(self._layers.values()), total)

    def close(self) -> None:
        self._bar.close()


def save_bar() -> Optional[SaveBar]:
    """A bar for ``save``, or None."""
    bar = _make_bar("B") if _somebody_is_looking() else None
    return None if bar is None else SaveBar(bar)
