"""What a log is given out in."""

from typing import NamedTuple, Optional, Union

__all__ = ["Chunk", "Gap", "Piece"]


class Chunk(NamedTuple):
    """A piece of the log as the user gets it.

    Attributes:
        data: the bytes.
        divider: it is the separator, and no line of the log.
    """

    data: bytes
    divider: bool = False


class Gap(NamedTuple):
    """Lines may be missing here.

    Attributes:
        after: stamp of the last line before.
        before: stamp of the first line behind.
        reason: why a gap can't be excluded.
    """

    after: Optional[str]
    before: Optional[str]
    reason: str


Piece = Union[Chunk, Gap]
