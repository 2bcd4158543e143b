"""The platform's own SDKs and CLIs, each in a virtual environment of its own that is made once.

They are kept in ``$NEURO_SYNC_PEERS``, by default ``~/.cache/neuro_sync-peers``. A peer needs the packages of its
own month: newer ones have dropped what it imports.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple, Optional, Tuple

import pytest

__all__ = ["PEERS", "Peer", "peer_python"]


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


def peer_python(name: str) -> str:
    """The interpreter of a peer's environment, which is made where it is not there yet.

    The test is skipped where this machine has no Python for it.
    """
    peer = PEERS[name]
    python = _interpreter(peer)
    key = hashlib.sha256(repr((peer, python)).encode()).hexdigest()[:12]
    home = _home() / "{}-{}".format(name, key)
    executable = home / "bin" / "python"
    if not (home / "complete").is_file() or not _runs(str(executable)):
        shutil.rmtree(str(home), ignore_errors=True)
        subprocess.check_call([python, "-m", "venv", str(home)])
        pip = [str(executable), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run(
            [*pip, *peer.requirements], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if done.returncode != 0:
            raise RuntimeError(done.stdout.decode(errors="replace"))
        (home / "complete").touch()
    return str(executable)


def _home() -> Path:
    return Path(os.environ.get("NEURO_SYNC_PEERS") or "~/.cache/neuro_sync-peers").expanduser()


def _interpreter(peer: Peer) -> str:
    for version in peer.pythons:
        found = _find(version)
        if found is not None:
            return found
    pytest.skip("{} needs one of Python {}".format(peer.name, ", ".join(peer.pythons)))
    raise AssertionError("unreachable")


def _find(version: str) -> Optional[str]:
    if sys.version.startswith(version + "."):
        # The one that a virtual environment is made of: that may be gone the next time.
        return os.path.realpath(sys.executable)
    root = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser() / "versions"
    candidates = [str(path) for path in sorted(root.glob(version + ".*/bin/python"), reverse=True)]
    on_path = shutil.which("python" + version)
    if on_path is not None:
        candidates.append(on_path)
    return next((candidate for candidate in candidates if _runs(candidate)), None)


def _runs(python: str) -> bool:
    try:
        return subprocess.call([python, "-c", ""], stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False
