"""One platform at a time in a data directory."""

import fcntl
import os

__all__ = ["DirectoryLock"]


class DirectoryLock:
    """Holds a directory until it is closed, or its process ends in whichever way.

    Raises:
        OSError: another process holds it.
    """

    def __init__(self, directory: str) -> None:
        path = os.path.join(directory, "lock")
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 20).decode("ascii", "replace")
            os.close(self._file)
            raise OSError(
                "{} is in use by another local platform (process {})".format(directory, holder)
            ) from None
        os.ftruncate(self._file, 0)
        os.write(self._file, str(os.getpid()).encode("ascii"))

    def close(self) -> None:
        os.close(self._file)
