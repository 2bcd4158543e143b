"""Images, URIs, volumes and environments in the CLI's form."""

import os
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    Collection,
    Dict,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from yarl import URL

from .models.container import DiskVolume, SecretFile, Volume
from .models.images import LocalImage, RemoteImage, TagOption
from .ported import also_named
from .wire.imagenames import (
    ImageContext,
    TagRule,
    check_docker_name,
    parse_platform_name,
)
from .wire.uris import parse_uri, shorten_uri

if TYPE_CHECKING:
    from pathlib import Path

    from .config.config import Config

__all__ = ["EnvParseResult", "Parser", "VolumeParseResult"]


class _Current:
    """Stands for "the current one" where None has a meaning of its own."""

    def __repr__(self) -> str:
        return "<the current one>"


_CURRENT = _Current()
_TAG_RULES = {
    TagOption.ALLOW: TagRule(True, None),
    TagOption.DENY: TagRule(False, None),
    TagOption.DEFAULT: TagRule(),
}
_MODES = {"ro": True, "rw": False}


@dataclass(frozen=True)
class VolumeParseResult:
    """Volumes, secret files and disks, told apart by their schemes."""

    volumes: Sequence[Volume]
    secret_files: Sequence[SecretFile]
    disk_volumes: Sequence[DiskVolume]


@dataclass(frozen=True)
class EnvParseResult:
    """Environment variables, and those whose values are secrets."""

    env: Dict[str, str]
    secret_env: Dict[str, URL]


class _Place(NamedTuple):
    cluster_name: str
    org_name: Optional[str]
    project_name: Optional[str]


class Parser:
    """Reads what users of the platform's CLI write.

    Short names are meant in the current cluster, organisation and project, unless others are given.

    Raises:
        ValueError: from all methods, for what can't be right; the message says why.
    """

    def __init__(self, config: "Config", place: Optional[_Place] = None) -> None:
        self._config = config
        self._place = place

    def at(
        self, cluster_name: str, org_name: Optional[str], project_name: Optional[str]
    ) -> "Parser":
        """A parser for which these are the current ones."""
        return Parser(self._config, _Place(cluster_name, org_name, project_name))

    def _current(self) -> _Place:
        if self._place is not None:
            return self._place
        config = self._config
        return _Place(config.cluster_name, config.org_name, config.project_name)

    @also_named(image="text")
    def remote_image(
        self,
        text: str,
        *,
        tag_option: TagOption = TagOption.DEFAULT,
        cluster_name: Optional[str] = None,
    ) -> RemoteImage:
        """Read the name of an image: ``ubuntu:22.04``, ``image:mine:v1``, ``ghcr.io/a/b@sha256:...``.

        Args:
            text: its name.
            tag_option: what becomes of the tag of an image of the platform.
            cluster_name: cluster that a short name is meant in; None is the current one.
        """
        current = self._current()
        config = self._config
        context = ImageContext(
            cluster_name or current.cluster_name,
            current.org_name,
            current.project_name,
            config.registries,
            config.orgs,
        )
        try:
            found = parse_platform_name(text, context, _TAG_RULES[tag_option])
            if found is None:
                name = check_docker_name(text)
                return RemoteImage(name.name, name.tag, name.registry, digest=name.digest)
        except ValueError as error:
            raise ValueError("Invalid remote image {!r}: {}".format(text, error)) from error
        return RemoteImage(
            found.name,
            found.tag,
            config.registries[found.cluster_name],
            found.cluster_name,
            found.org_name,
            found.project_name,
            found.digest,
        )

    @also_named(image="text")
    def local_image(self, text: str) -> LocalImage:
        """Read the name of an image of this machine."""
        try:
            if text.startswith("image:"):
                raise ValueError("scheme 'image://' is not allowed for local images")
            name = check_docker_name(text)
        except ValueError as error:
            raise ValueError("Invalid local image {!r}: {}".format(text, error)) from error
        whole = name.name if name.registry is None else "{}/{}".format(name.registry, name.name)
        return LocalImage(whole, name.tag)

    @also_named(volume="text")
    def volume(
        self,
        text: str,
        cluster_name: Optional[str] = None,
        org_name: Optional[str] = None,
    ) -> Volume:
        """Read a volume: ``storage:data:/data:ro``.

        Args:
            text: URI, path in the container, and ``ro`` or ``rw``.
            cluster_name, org_name: where a short URI is meant; None is the current one.
        """
        uri, path, read_only = _volume_parts(text)
        whole = self.str_to_uri(
            uri,
            allowed_schemes=("storage",),
            cluster_name=cluster_name,
            org_name=_CURRENT if org_name is None else org_name,
        )
        return Volume(whole, path, read_only)

    def secret_file(self, text: str, cluster_name: Optional[str] = None) -> SecretFile:
        """Read a secret file: ``secret:key:/keys/key``."""
        parts = text.split(":")
        if len(parts) != 3:
            raise ValueError("Invalid secret file specification {!r}".format(text))
        uri = self.str_to_uri(
            ":".join(parts[:2]), allowed_schemes=("secret",), cluster_name=cluster_name
        )
        return SecretFile(uri, parts[2])

    def disk_volume(self, text: str, cluster_name: Optional[str] = None) -> DiskVolume:
        """Read a disk: ``disk:scratch:/scratch:rw``."""
        uri, path, read_only = _volume_parts(text)
        whole = self.str_to_uri(uri, allowed_schemes=("disk",), cluster_name=cluster_name)
        return DiskVolume(whole, path, read_only)

    @also_named(volume="texts")
    def volumes(
        self, texts: Sequence[str], cluster_name: Optional[str] = None
    ) -> VolumeParseResult:
        """Read volumes, secret files and disks."""
        volumes: List[Volume] = []
        secret_files: List[SecretFile] = []
        disk_volumes: List[DiskVolume] = []
        for text in texts:
            if text in ("HOME", "ALL"):
                raise ValueError("volume {} is no longer supported".format(text))
            if text.startswith("secret:"):
                secret_files.append(self.secret_file(text, cluster_name))
            elif text.startswith("disk:"):
                disk_volumes.append(self.disk_volume(text, cluster_name))
            else:
                volumes.append(self.volume(text, cluster_name))
        return VolumeParseResult(volumes, secret_files, disk_volumes)

    def envs(
        self,
        env: Sequence[str],
        env_file: Sequence[str] = (),
        cluster_name: Optional[str] = None,
    ) -> EnvParseResult:
        """Read environment variables: ``NAME=value``, ``NAME`` for this machine's own value,
        ``NAME=secret:key`` for a secret.

        Args:
            env: variables; they come before those of the files.
            env_file: files with one variable in each line; blank lines and those with ``#`` don't count.
            cluster_name: cluster of the secrets; None is the current one.

        Raises:
            OSError: a file can't be read.
        """
        lines: List[str] = []
        for path in env_file:
            lines += _read_env_file(path)
        values: Dict[str, str] = {}
        for line in [*lines, *env]:
            name, equals, value = line.partition("=")
            values[name] = value if equals else os.environ.get(name, "")
        secret_env = {
            name: self.str_to_uri(value, allowed_schemes=("secret",), cluster_name=cluster_name)
            for name, value in values.items()
            if value.startswith("secret:")
        }
        plain = {name: value for name, value in values.items() if name not in secret_env}
        return EnvParseResult(plain, secret_env)

    def uri_to_str(self, uri: URL) -> str:
        """The text of a URI."""
        return str(uri)

    @also_named(id_or_name_or_uri="text")
    def str_to_uri(
        self,
        text: str,
        *,
        allowed_schemes: Collection[str] = (),
        project_name: Optional[str] = None,
        cluster_name: Optional[str] = None,
        org_name: Union[str, None, _Current] = _CURRENT,
        short: bool = False,
    ) -> URL:
        """Make a whole URI: ``storage:a`` becomes ``storage://cluster/org/project/a``.

        Args:
            text: the URI; without a scheme a local path, where ``file`` is allowed.
            allowed_schemes: others are refused; empty: any.
            project_name, cluster_name: None is the current one.
            org_name: None is no organisation.
            short: leave out what is current.
        """
        if "file" in allowed_schemes and ":" not in text.split("/")[0]:
            return self.path_to_uri(_expanded(text))
        current = self._current()
        place = _Place(
            cluster_name or current.cluster_name,
            current.org_name if isinstance(org_name, _Current) else org_name,
            project_name or current.project_name,
        )
        uri = parse_uri(text, allowed_schemes=tuple(allowed_schemes), **place._asdict())
        if uri.scheme == "file" and not uri.raw_path.startswith("/"):
            # It is meant in the current directory, as a path is.
            return self.path_to_uri(_expanded(str(self.uri_to_path(uri))))
        return shorten_uri(uri, **place._asdict()) if short else uri

    def normalize_uri(self, uri: URL, **options: Any) -> URL:
        """Make a URI whole; the options are those of :meth:`str_to_uri`."""
        return self.str_to_uri(str(uri), **options)

    def path_to_uri(self, path: "Path") -> URL:
        """The ``file:`` URI of a local path."""
        return URL.build(scheme="file", host="", path=_absolute(path))

    def uri_to_path(self, uri: URL) -> "Path":
        """The local path of a ``file:`` URI."""
        from pathlib import Path
        from urllib.request import url2pathname

        if uri.scheme != "file":
            raise ValueError("no file: URI: {}".format(uri))
        return Path(url2pathname(uri.raw_path))


def _volume_parts(text: str) -> "Tuple[str, str, bool]":
    parts = text.split(":")
    if len(parts) not in (3, 4):
        raise ValueError("Invalid volume specification {!r}".format(text))
    read_only = False
    if len(parts) == 4:
        if parts[3] not in _MODES:
            raise ValueError("Wrong ReadWrite/ReadOnly mode spec for {!r}".format(text))
        read_only = _MODES[parts[3]]
    return ":".join(parts[:2]), parts[2], read_only


def _read_env_file(path: str) -> List[str]:
    with open(os.path.expanduser(path), encoding="utf-8-sig") as file:
        lines = [line.rstrip("\r\n").lstrip() for line in file]
    return [line for line in lines if line and not line.startswith("#")]


def _expanded(text: str) -> "Path":
    from pathlib import Path

    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError("{!r}: {}".format(text, error)) from error


def _absolute(path: "Path") -> str:
    return os.path.abspath(str(path)).replace(os.sep, "/")
