"""Saving a job's container as an image."""

from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional, Union

from ..errors import ConnectionFailed, ImageSaveError
from ..models.images import RemoteImage
from ..transport.retry import Timeout
from ..wire.ndjson import NdjsonSplitter
from ..wire.saving import CommitFinished, CommitStarted, SaveAnswer, Step
from .base import JobsBase

if TYPE_CHECKING:
    from ..transport.answers import HttpStream

__all__ = [
    "ImageCommitFinished",
    "ImageCommitStarted",
    "ImageProgressSave",
    "ImageProgressStep",
    "Saving",
]


class ImageProgressSave(NamedTuple):
    """The saving begins."""

    job: str
    dst: RemoteImage


class ImageCommitStarted(NamedTuple):
    """The container is paused, and what is in it is being copied."""

    job_id: str
    target_image: RemoteImage


class ImageCommitFinished(NamedTuple):
    """The copy is made, and its layers are being pushed to the registry."""

    job_id: str


class ImageProgressStep(NamedTuple):
    """A layer got further; ``current`` and ``total`` are bytes, None where they are not known."""

    message: str
    layer_id: str
    status: str
    current: Optional[int]
    total: Optional[int]


class Saving(JobsBase):
    """The method of JobsClient that saves a container."""

    def save(
        self,
        id: str,
        image: Union[RemoteImage, str],
        *,
        progress: Any = None,
        cluster_name: Optional[str] = None,
    ) -> None:
        """Save the container of a running job as an image of the platform.

        Args:
            id: job id.
            image: of the platform: ``image:mine:v2``, or a RemoteImage.
            progress: a callable that gets each event (ImageProgressSave, ImageCommitStarted,
                ImageCommitFinished, ImageProgressStep), or an object with methods ``save``,
                ``commit_started``, ``commit_finished`` and ``step`` for them, or False for nothing.
                None shows a bar at a terminal where tqdm is installed.
            cluster_name: cluster of the job; None is the current one.

        Raises:
            ImageSaveError: it was not saved, or the answer ended before that was sure.
            OutcomeUnknown: no answer came, and it may be saved.
            ValueError: it is no image of the platform.

        Endpoint: ``POST {monitoring_url}/{id}/save``.
        """
        if isinstance(image, str):
            image = self._parse.remote_image(image, cluster_name=cluster_name)
        if not image.is_platform_image:
            raise ValueError("{} is no image of the platform: write image:NAME:TAG".format(image))
        url = self._monitoring_url(id, "save", cluster_name)
        with _Teller(progress) as tell:
            tell(ImageProgressSave(id, image))
            # The server is silent while it copies, for as long as that takes.
            with self._http.stream(
                "POST",
                url,
                json={"container": {"image": image.as_docker_url()}},
                timeout=Timeout(self._http.timeout.connect, None),
            ) as stream:
                try:
                    self._read_answer(id, image, stream, tell)
                except ImageSaveError as error:
                    stream.mark(error)
                    raise

    def _read_answer(
        self, id: str, image: RemoteImage, stream: "HttpStream", tell: Callable[[Any], Any]
    ) -> None:
        answer = SaveAnswer(image.tag or "latest")
        splitter = NdjsonSplitter()
        chunks = iter(stream)
        while True:
            try:
                chunk = next(chunks, None)
            except ConnectionFailed as error:
                # Once the server said that it is saved, that is so.
                answer.finish(error.args[0])
                return
            if chunk is None:
                break
            for line in splitter.feed(chunk):
                self._tell_line(id, answer, line, tell)
        self._tell_line(id, answer, splitter.finish(), tell)
        answer.finish()

    def _tell_line(
        self, id: str, answer: SaveAnswer, line: bytes, tell: Callable[[Any], Any]
    ) -> None:
        if not line.strip():
            return
        for event in answer.feed(line):
            if isinstance(event, CommitStarted):
                try:
                    target = self._parse.remote_image(event.image)
                except ValueError as error:
                    raise ImageSaveError(
                        "the server commits to {!r}: {}".format(event.image, error)
                    ) from error
                tell(ImageCommitStarted(id, target))
            elif isinstance(event, CommitFinished):
                tell(ImageCommitFinished(id))
            elif isinstance(event, Step):
                tell(
                    ImageProgressStep(
                        event.message, event.layer_id, event.status, event.current, event.total
                    )
                )


_METHODS = {
    ImageProgressSave: "save",
    ImageCommitStarted: "commit_started",
    ImageCommitFinished: "commit_finished",
    ImageProgressStep: "step",
}


class _Teller:
    """Tells events to whatever the caller gave."""

    def __init__(self, progress: Any) -> None:
        self._bar: Any = None
        if progress is None:
            from ..progress import save_bar

            self._bar = progress = save_bar()
        self._progress = progress or None

    def __enter__(self) -> Callable[[Any], Any]:
        return self._tell

    def _tell(self, event: Any) -> None:
        if self._progress is None:
            return
        method = getattr(self._progress, _METHODS[type(event)], None)
        if method is not None:
            method(event)
        elif callable(self._progress):
            self._progress(event)

    def __exit__(self, *exc_info: object) -> None:
        if self._bar is not None:
            self._bar.close()
