"""The platform's own SDKs and CLIs, each in a virtual environment of its own that is made once.

They are kept in ``$NEURO_SYNC_PEERS``, by default ``~/.cache/neuro_sync-peers``. A peer needs the packages of its
own month: newer ones have dropped what it imports. ``python -m tests.peers.environments`` makes them all, and
fails where one can't be made.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

import pytest

try:
    import fcntl
except ImportError:  # Windows: one after the other, then
    fcntl = None

__all__ = ["PEERS", "Peer", "peer_python", "prepare"]


class Peer(NamedTuple):
    """What to install, and on which versions of Python, the best first."""

    name: str
    requirements: Tuple[str, ...]
    pythons: Tuple[str, ...]


PEERS = {
    peer.name: peer
    for peer in (
        Peer("apolo-26.9.0", ("apolo-sdk==26.9.0", "apolo-cli==26.9.0"), ("3.11", "3.12", "3.10")),
        Peer(
            "neuro-25.5.0",
            ("neuro-sdk==25.5.0", "neuro-cli==25.5.0", "neuro-config-client==25.2.0"),
            ("3.11", "3.10", "3.12"),
        ),
        Peer(
            "neuro-22.7.1",
            (
                "neuro-sdk==22.7.1",
                "neuro-config-client==22.7.11",
                "neuro-admin-client==22.7.2",
            ),
            ("3.9", "3.8", "3.10"),
        ),
    )
}


class _Made(NamedTuple):
    """The interpreter of an environment, or why there is none."""

    python: Optional[str] = None
    problem: str = ""


_made: Dict[str, _Made] = {}


def peer_python(name: str) -> str:
    """The interpreter of a peer's environment; the test is skipped where that can't be made."""
    if name not in _made:
        _made[name] = _make(PEERS[name])
    python, problem = _made[name]
    if python is None:
        pytest.skip(problem)
    return str(python)


def prepare() -> List[str]:
    """Make the environments that are not there yet, all at once; returns what went wrong.

    It may take longer than a test has time.
    """
    with ThreadPoolExecutor(len(PEERS)) as pool:
        _made.update(zip(PEERS, pool.map(_make, PEERS.values())))
    return [made.problem for made in _made.values() if made.problem]


def _make(peer: Peer) -> _Made:
    python = _interpreter(peer)
    if python is None:
        versions = ", ".join(peer.pythons)
        return _Made(problem="{} needs one of Python {}".format(peer.name, versions))
    key = hashlib.sha256(repr((peer, python)).encode()).hexdigest()[:12]
    home = _home() / "{}-{}".format(peer.name, key)
    with _alone(home):
        return _build(peer, python, home)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Keep the other processes that run tests from making the same environment."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with open(str(home) + ".lock", "w") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(peer: Peer, python: str, home: Path) -> _Made:
    executable = str(home / "bin" / "python")
    if not (home / "complete").is_file() or not _runs(executable):
        shutil.rmtree(str(home), ignore_errors=True)
        subprocess.check_call([python, "-m", "venv", str(home)])
        pip = [executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run(
            [*pip, *peer.requirements], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if done.returncode != 0:
            said = done.stdout.decode(errors="replace").strip().splitlines()
            return _Made(problem="{} can't be installed: {}".format(peer.name, "".join(said[-1:])))
        (home / "complete").touch()
    return _Made(executable)


def _home() -> Path:
    return Path(os.environ.get("NEURO_SYNC_PEERS") or "~/.cache/neuro_sync-peers").expanduser()


def _interpreter(peer: Peer) -> Optional[str]:
    return next(filter(None, map(_find, peer.pythons)), None)


def _find(version: str) -> Optional[str]:
    root = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser() / "versions"
    candidates = [str(path) for path in sorted(root.glob(version + ".*/bin/python"), reverse=True)]
    if sys.version.startswith(version + "."):
        candidates.insert(0, sys.executable)
    on_path = shutil.which("python" + version)
    if on_path is not None:
        candidates.append(on_path)
    # Not those of virtual environments, which may be gone the next time, but what they are made of.
    found = (os.path.realpath(candidate) for candidate in candidates if _runs(candidate))
    return next(found, None)


def _runs(python: str) -> bool:
    try:
        return subprocess.call([python, "-c", ""], stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit("\n".join(prepare()) or None)
