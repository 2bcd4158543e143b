"""What a job has mounted, and which of its environment is secret.

Volumes, disks and secrets are files below the platform's data directory::

    storage/<org>/<project>/<path>      storage://<cluster>/<org>/<project>/<path>
    disks/<org>/<project>/<id>          disk://<cluster>/<org>/<project>/<id>
    secrets/<org>/<project>/<name>      secret://<cluster>/<org>/<project>/<name>

Storage and disks come into being when they are mounted first. A secret is a file that its owner
puts there; a job that asks for one that is missing does not start. `bubblewrap
<https://github.com/containers/bubblewrap>`_ mounts them into the job's own view of the file
system.
"""

import os
import pathlib
import shutil
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple
from urllib.parse import unquote, urlsplit

__all__ = ["LaunchError", "Mount", "Sandbox", "missing_reason"]

_PROGRAM = "bwrap"
_MOST_ENTRIES = 2000


class LaunchError(Exception):
    """A job could not be started: ``reason`` as in a job's status, ``description`` for people."""

    def __init__(self, reason: str, description: str) -> None:
        super().__init__(reason, description)
        self.reason = reason
        self.description = description

    def __str__(self) -> str:
        return "{}: {}".format(self.reason, self.description)


class Mount(NamedTuple):
    """Something of this machine that a job finds at ``target``."""

    target: str
    source: str
    read_only: bool


def missing_reason(container: Mapping[str, Any]) -> Optional[str]:
    """Why a job with this container cannot run on this machine, for the user; None where it can.

    Args:
        container: the wire payload.
    """
    wants = [
        what
        for key, what in (
            ("volumes", "volumes"),
            ("disk_volumes", "disk volumes"),
            ("secret_volumes", "secret files"),
        )
        if container.get(key)
    ]
    directory = container.get("working_dir")
    if directory and not os.path.isdir(directory):
        wants.append("a working directory that this machine does not have ({})".format(directory))
    if not wants or shutil.which(_PROGRAM):
        return None
    return (
        "this job needs {}, which the local platform mounts with bubblewrap: the program '{}' is "
        "not installed on this machine (its package is mostly called 'bubblewrap')"
    ).format(" and ".join(wants), _PROGRAM)


class Sandbox:
    """Resolves what containers mount against one data directory."""

    def __init__(self, data_dir: pathlib.Path) -> None:
        self._data_dir = data_dir

    def secret_env(self, container: Mapping[str, Any]) -> Dict[str, str]:
        """The values of the container's secret environment.

        Raises:
            LaunchError: a secret is missing.
        """
        return {
            name: self._secret(uri).read_bytes().decode("utf-8", "surrogateescape")
            for name, uri in (container.get("secret_env") or {}).items()
        }

    def prepare(self, container: Mapping[str, Any], own_directory: str) -> Tuple[List[str], str]:
        """Makes ready what the container mounts.

        Args:
            own_directory: the job's own, its working directory where it asks for no other.

        Returns:
            the arguments of bubblewrap (none where nothing is mounted) and the working directory.

        Raises:
            LaunchError: bubblewrap or a secret is missing, or a mount is impossible.
        """
        reason = missing_reason(container)
        if reason is not None:
            raise LaunchError("ContainerCannotRun", reason)
        mounts = self._mounts(container)
        directory = container.get("working_dir") or own_directory
        covered = any(_is_below(directory, mount.target) for mount in mounts)
        if not covered and not os.path.isdir(directory):
            mounts.append(Mount(os.path.normpath(directory), own_directory, False))
        try:
            return (arguments(mounts) if mounts else []), directory
        except OSError as error:
            raise LaunchError("ContainerCannotRun", "cannot mount: {}".format(error)) from error

    def _mounts(self, container: Mapping[str, Any]) -> List[Mount]:
        mounts = []
        for item in container.get("volumes") or ():
            source = self._path("storage", item["src_storage_uri"])
            mounts.append(_directory_mount(item, source))
        for item in container.get("disk_volumes") or ():
            source = self._path("disks", item["src_disk_uri"])
            mounts.append(_directory_mount(item, source))
        for item in container.get("secret_volumes") or ():
            source = self._secret(item["src_secret_uri"])
            mounts.append(Mount(os.path.normpath(item["dst_path"]), str(source), True))
        return mounts

    def _secret(self, uri: str) -> pathlib.Path:
        path = self._path("secrets", uri)
        if not path.is_file():
            raise LaunchError(
                "ContainerCannotRun", "there is no {}: it would be the file {}".format(uri, path)
            )
        return path

    def _path(self, kind: str, uri: str) -> pathlib.Path:
        parts = [part for part in unquote(urlsplit(uri).path).split("/") if part not in ("", ".")]
        if ".." in parts or any("\0" in part for part in parts):
            raise LaunchError("ContainerCannotRun", "{} leads out of its place".format(uri))
        return self._data_dir.joinpath(kind, *parts)


def _directory_mount(item: Mapping[str, Any], source: pathlib.Path) -> Mount:
    if not source.exists():
        source.mkdir(parents=True, exist_ok=True)
    target = os.path.normpath(item["dst_path"])
    return Mount(target, str(source), bool(item.get("read_only", True)))


def arguments(mounts: Sequence[Mount]) -> List[str]:
    """Bubblewrap's arguments for this machine's file system with ``mounts`` in it.

    Nothing is made on the machine for a target that it does not have: the directory that lacks it
    is replaced, in the job's view alone, by one in memory with the same entries and the target.

    Raises:
        OSError: a directory that would have to be replaced cannot be read, or is too large.
    """
    ordered = sorted(set(mounts), key=lambda mount: (mount.target.count("/"), mount.target))
    replaced: List[str] = []
    for mount in ordered:
        parent = _lacking(mount.target, ordered)
        if parent is not None and parent not in replaced:
            replaced.append(parent)
    result: List[str] = []
    if "/" not in replaced:
        result += ["--dev-bind", "/", "/"]
    for directory in sorted(replaced, key=lambda path: (path != "/", path.count("/"))):
        result += _replacement(directory)
    for mount in ordered:
        _make_place(mount, ordered)
        result += ["--ro-bind" if mount.read_only else "--bind", mount.source, mount.target]
    return result


def _is_below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _outer(target: str, mounts: Sequence[Mount]) -> Optional[Mount]:
    """The innermost other mount that ``target`` lies in."""
    found = None
    for mount in mounts:
        if mount.target != target and _is_below(target, mount.target):
            found = mount
    return found


def _lacking(target: str, mounts: Sequence[Mount]) -> Optional[str]:
    """The directory of this machine in which the way to ``target`` ends; None where it does not."""
    if os.path.lexists(target) or _outer(target, mounts) is not None:
        return None
    parent = os.path.dirname(target)
    while not os.path.lexists(parent):
        parent = os.path.dirname(parent)
    return os.path.realpath(parent)


def _make_place(mount: Mount, mounts: Sequence[Mount]) -> None:
    """Makes the mount point of a mount within another, in what is mounted there, as clusters do."""
    outer = _outer(mount.target, mounts)
    if outer is None or not os.path.isdir(outer.source):
        return
    place = pathlib.Path(outer.source, os.path.relpath(mount.target, outer.target))
    if place.exists():
        return
    if os.path.isdir(mount.source):
        place.mkdir(parents=True)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()


def _replacement(directory: str) -> List[str]:
    entries = sorted(os.listdir(directory))
    if len(entries) > _MOST_ENTRIES:
        raise OSError("{} has too many entries to be shown with one more".format(directory))
    result = [] if directory == "/" else ["--tmpfs", directory]
    for entry in entries:
        path = os.path.join(directory, entry)
        if os.path.islink(path):
            result += ["--symlink", os.readlink(path), path]
        else:
            result += ["--dev-bind", path, path]
    return result
