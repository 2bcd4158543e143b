"""How the memory of streams comes and goes."""

__all__ = ["keep_freed_memory"]

_BLOCK = 16 * 2**20
_done = False


def keep_freed_memory() -> None:
    """Let the C library keep the memory of a piece of a stream for the next one.

    It gives blocks above 128 KiB back to the system and asks for them anew, which in a stream costs more than
    all else, until a larger one has been freed: glibc takes that as the size of blocks that come and go. None
    of this block is ever touched, so it takes no memory; other C libraries are none the wiser.
    """
    global _done
    if not _done:
        _done = True
        bytes(_BLOCK)
