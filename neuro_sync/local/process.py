"""Programs of a job as processes: starting them, finding their descendants, ending them all.

Runs in the small processes that watch jobs, so it imports little and knows no asyncio.
"""

import errno
import fcntl
import os
import signal
import termios
import time
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

try:
    import ctypes
except ImportError:  # a Python built without libffi: jobs run, some ways of dying are less thorough
    ctypes = None  # type: ignore[assignment]

__all__ = [
    "ProgramError",
    "adopt_orphans",
    "descendants",
    "exit_code",
    "kill_descendants",
    "memory_in_use",
    "signal_group",
    "start_program",
]

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
# Python ignores these at its start, and ignored signals stay ignored across exec.
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)

_IGNORED_BY_SPAWNER = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)


class ProgramError(Exception):
    """A program could not be started: ``exit_code`` as a shell would have it, and why."""

    def __init__(self, exit_code: int, description: str) -> None:
        super().__init__(exit_code, description)
        self.exit_code = exit_code
        self.description = description


class Stdio(NamedTuple):
    """The three standard files of a program; with a terminal all three are its slave side."""

    stdin: int
    stdout: int
    stderr: int


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True) if ctypes is not None else None


_LIBC = _libc()


def _prctl(option: int, value: int) -> bool:
    prctl = getattr(_LIBC, "prctl", None)
    return prctl is not None and prctl(option, value, 0, 0, 0) == 0


def adopt_orphans() -> bool:
    """Makes this process the parent of every orphan among its descendants (Linux only).

    A job's processes can then leave their group and their session, but not their supervisor.
    """
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def enter_namespaces(pid: int) -> None:
    """Enters the user and mount namespaces of process ``pid``, where they are others than ours.

    Raises:
        OSError: the system does not let us.
    """
    for name in ("user", "mnt"):
        path = "/proc/{}/ns/{}".format(pid, name)
        if os.readlink(path) == os.readlink("/proc/self/ns/" + name):
            continue
        file = os.open(path, os.O_RDONLY)
        try:
            if _LIBC is None or _LIBC.setns(file, 0) != 0:
                number = ctypes.get_errno() if _LIBC is not None else errno.ENOSYS
                raise OSError(number, os.strerror(number), path)
        finally:
            os.close(file)


def start_program(
    argv: Sequence[str],
    env: Mapping[str, str],
    stdio: Stdio,
    *,
    directory: str,
    tty: bool = False,
    view: Optional[int] = None,
) -> int:
    """Starts ``argv`` in a session of its own and returns its process id.

    Args:
        argv: the words; the first is looked up in the PATH of ``env``. No words at all is a program
            that ends at once, successfully.
        directory: its working directory, made if there is none.
        tty: ``stdio`` is a terminal, and becomes the controlling one.
        view: a process whose view of the file system the program shares.

    Raises:
        ProgramError: it cannot be run.
    """
    report, child_report = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 127
        try:
            _become(argv, env, stdio, directory, tty, view)
            code = 0
        except FileNotFoundError as error:
            os.write(child_report, _explain(argv, error))
        except BaseException as error:
            code = 126
            os.write(child_report, _explain(argv, error))
        finally:
            os._exit(code)
    os.close(child_report)
    with os.fdopen(report, "rb") as lines:
        problem = lines.read().decode("utf-8", "replace")
    if problem:
        _, status = os.waitpid(pid, 0)
        raise ProgramError(exit_code(status), problem)
    return pid


def _explain(argv: Sequence[str], error: BaseException) -> bytes:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else repr(error)
    named = getattr(error, "filename", None)
    if isinstance(named, str) and argv and named != argv[0]:  # of the program itself it is bytes
        reason += ": {!r}".format(named)
    program = argv[0] if argv else ""
    return "cannot run {!r}: {}".format(program, reason).encode("utf-8", "replace")


def _become(
    argv: Sequence[str],
    env: Mapping[str, str],
    stdio: Stdio,
    directory: str,
    tty: bool,
    view: Optional[int],
) -> None:
    """The child's way to its program; returns only where there is none."""
    os.setsid()
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if tty:
        fcntl.ioctl(stdio.stdin, termios.TIOCSCTTY, 0)
    _place(stdio)
    if view is not None:
        enter_namespaces(view)
    os.makedirs(directory, exist_ok=True)
    os.chdir(directory)
    if not argv:
        return
    for number in (*_IGNORED_BY_PYTHON, *_IGNORED_BY_SPAWNER):
        signal.signal(number, signal.SIG_DFL)
    os.execvpe(argv[0], list(argv), dict(env))


def _place(stdio: Stdio) -> None:
    """Puts the three files at 0, 1 and 2, whatever numbers they have now."""
    copies = [fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 3) for file in stdio]
    for number, copy in enumerate(copies):
        os.dup2(copy, number)


def exit_code(status: int) -> int:
    """The exit code of a wait status as a shell has it: 128 and the signal where one ended it."""
    if os.WIFSIGNALED(status):
        return 128 + os.WTERMSIG(status)
    return os.WEXITSTATUS(status)


def signal_group(pid: int, number: int) -> None:
    """Signals the process group that ``pid`` leads; one that is gone is no error."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # all of it is gone; macOS says EPERM where only zombies are left


def descendants(pid: int) -> List[int]:
    """All living descendants of ``pid``, parents before their children (Linux; else none)."""
    found: List[int] = []
    queue = [pid]
    while queue:
        children = _children(queue.pop())
        found += children
        queue += children
    return found


def _children(pid: int) -> List[int]:
    children: List[int] = []
    try:
        threads = os.listdir("/proc/{}/task".format(pid))
    except OSError:
        return children
    for thread in threads:
        try:
            with open("/proc/{}/task/{}/children".format(pid, thread), "rb") as file:
                children += [int(word) for word in file.read().split()]
        except OSError:
            continue  # that thread has ended meanwhile
    return children


def kill_descendants(*, patience: float = 10.0) -> Dict[int, int]:
    """Kills and reaps every descendant of this process; returns the wait statuses of its children.

    Processes that cannot die (stuck in the kernel) are left behind after ``patience`` seconds.
    """
    statuses: Dict[int, int] = {}
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if pid:
            statuses[pid] = status
            continue
        for pid in descendants(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass  # gone already; or set-uid, then its parent's death has to do
        time.sleep(0.001)
    return statuses


def memory_in_use(pids: Sequence[int]) -> int:
    """Bytes of memory that the processes hold together, what they share counted once (Linux)."""
    total = 0
    for pid in pids:
        try:
            with open("/proc/{}/smaps_rollup".format(pid), "rb") as file:
                for line in file:
                    if line.startswith(b"Pss:"):
                        total += int(line.split()[1]) * 1024
                        break
        except OSError:
            continue  # it has ended meanwhile
    return total


def resident_bytes(pids: Sequence[int]) -> int:
    """As `memory_in_use`, much cheaper and never less: shared pages count for each process."""
    total = 0
    for pid in pids:
        try:
            with open("/proc/{}/statm".format(pid), "rb") as file:
                total += int(file.read().split()[1])
        except (OSError, IndexError):
            continue
    return total * _PAGE


_PAGE = os.sysconf("SC_PAGE_SIZE")
