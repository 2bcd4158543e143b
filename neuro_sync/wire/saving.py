"""The answer to ``save``: what each line means, and whether they are all there."""

from typing import Any, Iterator, Mapping, NamedTuple, Optional, Union

from ..errors import ImageSaveError
from .json_text import load_json

__all__ = ["CommitFinished", "CommitStarted", "SaveAnswer", "Saved", "Step"]


class CommitStarted(NamedTuple):
    """The container is paused and its file system is being committed."""

    image: str


class CommitFinished(NamedTuple):
    """The file system is committed; the push of its layers begins."""


class Step(NamedTuple):
    """A layer of the image got further. Bytes where they are known."""

    layer_id: str
    status: str
    message: str
    current: Optional[int]
    total: Optional[int]


class Saved(NamedTuple):
    """The last word: the image is in the registry."""

    tag: str
    digest: str
    size: Optional[int]


SaveEvent = Union[CommitStarted, CommitFinished, Step, Saved]


class SaveAnswer:
    """Reads the lines of an answer to ``save`` in their order.

    Feed it each line, then call :meth:`finish`: an answer that ends before the last word is a failure.
    """

    def __init__(self, tag: str) -> None:
        self._tag = tag
        self._expected = ["CommitStarted", "CommitFinished"]
        self._saved = False

    def feed(self, line: bytes) -> Iterator[SaveEvent]:
        """Yield what a line tells the user; many tell nothing.

        Raises:
            ImageSaveError: the line reports an error, or is not what has to come now.
        """
        item = _parse(line)
        if "error" in item:
            raise ImageSaveError(_error_text(item))
        if self._expected:
            expected = self._expected.pop(0)
            if item.get("status") != expected:
                raise ImageSaveError(
                    "the server said {!r} where {} has to come".format(item.get("status"), expected)
                )
            if expected == "CommitFinished":
                yield CommitFinished()
                return
            details = item.get("details")
            image = details.get("image") if isinstance(details, dict) else None
            if not isinstance(image, str):
                raise ImageSaveError("the server did not say which image it commits to")
            yield CommitStarted(image)
            return
        aux = item.get("aux")
        if isinstance(aux, dict):
            self._saved = True
            size = aux.get("Size")
            yield Saved(
                str(aux.get("Tag", "")),
                str(aux.get("Digest", "")),
                size if isinstance(size, int) else None,
            )
        elif isinstance(item.get("id"), str) and item["id"] != self._tag:
            yield _step(item)

    def finish(self, why: str = "") -> None:
        """Tell that the answer has ended, and why if it is known.

        Raises:
            ImageSaveError: it ended too early to be sure that the image was saved.
        """
        if not self._saved:
            raise ImageSaveError(
                "the answer ended before the server said that the image was saved; it may be there in part"
                + (": " + why if why else "")
            )


def _parse(line: bytes) -> Mapping[str, Any]:
    try:
        item = load_json(line)
    except ValueError as error:
        raise ImageSaveError("the server sent a line that is not JSON") from error
    if not isinstance(item, dict):
        raise ImageSaveError("the server sent a line that is not a JSON object")
    return item


def _error_text(item: Mapping[str, Any]) -> str:
    detail = item.get("errorDetail")
    message = detail.get("message") if isinstance(detail, dict) else None
    return str(message or item["error"] or "the server gave no reason")


def _step(item: Mapping[str, Any]) -> Step:
    layer_id, status = item["id"], str(item.get("status", ""))
    detail = item.get("progressDetail")
    detail = detail if isinstance(detail, dict) else {}
    current, total = detail.get("current"), detail.get("total")
    message = "{}: {}".format(layer_id, status)
    if item.get("progress"):
        message += " {}".format(item["progress"])
    return Step(
        layer_id,
        status,
        message,
        current if isinstance(current, int) else None,
        total if isinstance(total, int) else None,
    )
