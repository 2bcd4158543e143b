"""Images: on the platform, in other registries, on this machine."""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Collection, Dict, Mapping, Optional, Tuple

from ..wire.codec import wire_field
from ..wire.imagenames import DockerName, parse_docker_name
from ..wire.texts import printable
from .base import JsonModel, text

__all__ = ["LocalImage", "PlatformImages", "RemoteImage", "TagOption", "decode_image"]


# Listings name the same few images again and again.
_KEPT = 4096
_seen: "Dict[str, RemoteImage]" = {}


class TagOption(Enum):
    """What a parser does about the tag of an image.

    ALLOW takes it or leaves it out, DENY refuses one, DEFAULT puts ``latest`` where there is none.
    """

    ALLOW = 1
    DENY = 2
    DEFAULT = 3


@dataclass(frozen=True)
class RemoteImage(JsonModel):
    """An image in a registry: of the platform, or any other.

    Attributes:
        name: without registry, organisation, project and tag.
        tag: None: not said.
        registry: host, and port where it is not the usual one.
        cluster_name: cluster whose registry it is; None: it is no image of the platform.
        org_name: organisation on the platform, where there is one.
        project_name: project on the platform.
        digest: ``sha256:...``, where the image is named by it.
    """

    name: str = wire_field(decode=text)
    tag: Optional[str] = wire_field(decode=text, default=None)
    registry: Optional[str] = wire_field(decode=text, default=None)
    cluster_name: Optional[str] = wire_field(decode=text, default=None)
    org_name: Optional[str] = wire_field(decode=text, default=None)
    project_name: Optional[str] = wire_field(decode=text, default=None)
    digest: Optional[str] = wire_field(decode=text, default=None)

    def __post_init__(self) -> None:
        if self.registry is None and (self.cluster_name or self.project_name):
            raise ValueError("an image of the platform needs its registry")
        if bool(self.cluster_name) != bool(self.project_name):
            raise ValueError("an image of the platform needs both its cluster and its project")

    @classmethod
    def new_platform_image(
        cls,
        name: str,
        registry: str,
        *,
        cluster_name: str,
        org_name: Optional[str],
        project_name: str,
        tag: Optional[str] = None,
    ) -> "RemoteImage":
        """An image in the registry of a cluster."""
        return cls(name, tag, registry, cluster_name, org_name, project_name)

    @classmethod
    def new_external_image(
        cls, name: str, registry: Optional[str] = None, *, tag: Optional[str] = None
    ) -> "RemoteImage":
        """An image in another registry; None is Docker Hub."""
        return cls(name, tag, registry)

    @property
    def is_platform_image(self) -> bool:
        """It is in the registry of a cluster of the platform."""
        return self.cluster_name is not None

    def as_docker_url(self, with_scheme: bool = False) -> str:
        """The reference that Docker takes: ``registry/org/project/name:tag``.

        Args:
            with_scheme: put ``https://`` before an image of the platform.
        """
        scheme = "https://" if with_scheme and self.is_platform_image else ""
        return scheme + self._path(self.registry)

    def _path(self, start: Optional[str]) -> str:
        parents = [part for part in (start, self.org_name, self.project_name) if part]
        tag = ":" + self.tag if self.tag else ""
        return "/".join([*parents, self.name]) + tag + ("@" + self.digest if self.digest else "")

    def __str__(self) -> str:
        if not self.is_platform_image:
            return self.as_docker_url()
        return "image://" + self._path(self.cluster_name)

    def __repr__(self) -> str:
        return printable("<RemoteImage {}>".format(self))

    @classmethod
    def _of_answer(cls, text: str) -> "RemoteImage":
        """An image as a server names it, before it is known whose registry that is."""
        return _external(parse_docker_name(text))


class PlatformImages:
    """Tells images of the platform from others, by their registries.

    Args:
        registries: cluster to registry.
        orgs: organisations of each cluster, as far as they are known.
    """

    def __init__(self, registries: Mapping[str, str], orgs: Mapping[str, Collection[str]]) -> None:
        self._registries = registries
        self._orgs = orgs
        # Most jobs of a listing run the same few images.
        self._located: Dict[Tuple[Any, ...], RemoteImage] = {}

    def located(
        self,
        image: RemoteImage,
        cluster_name: Optional[str],
        org_name: Optional[str],
        project_name: Optional[str],
    ) -> RemoteImage:
        """The same image, known to be one of the platform where its registry is.

        Args:
            image: of a job.
            cluster_name, org_name, project_name: of that job.
        """
        if image.cluster_name is not None or "/" not in image.name:
            return image
        key = (
            *(image.name, image.tag, image.registry, image.digest),
            *(cluster_name, org_name, project_name),
        )
        found = self._located.get(key)
        if found is None:
            if len(self._located) >= _KEPT:
                self._located.clear()
            found = self._locate(image, cluster_name, org_name, project_name)
            self._located[key] = found
        return found

    def _locate(
        self,
        image: RemoteImage,
        cluster_name: Optional[str],
        org_name: Optional[str],
        project_name: Optional[str],
    ) -> RemoteImage:
        path = "/".join(part for part in (image.registry, image.name) if part is not None)
        owner = _cluster_of(path, self._registries, cluster_name)
        if owner is None:
            return image
        registry = self._registries[owner]
        parts = path[len(registry) + 1 :].split("/")
        # Without a name for each part it is in no project, whatever else its registry makes of it.
        if len(parts) < 2 or not all(parts):
            return image
        org = None
        # org/project/name or project/name: names of projects have no slash in them, those of images may.
        if len(parts) > 2 and (
            parts[0] == org_name
            or parts[0] in self._orgs.get(owner, ())
            or (org_name is not None and parts[0] != project_name)
        ):
            org = parts.pop(0)
        return RemoteImage(
            "/".join(parts[1:]), image.tag, registry, owner, org, parts[0], image.digest
        )


def _external(name: DockerName) -> RemoteImage:
    return RemoteImage(name.name, name.tag, name.registry, digest=name.digest)


def _cluster_of(
    path: str, registries: Mapping[str, str], preferred: Optional[str]
) -> Optional[str]:
    """The cluster whose registry an image is in, the preferred one of several."""
    found = None
    for name, registry in registries.items():
        if path.startswith(registry + "/"):
            if name == preferred:
                return name
            found = found or name
    return found


@dataclass(frozen=True)
class LocalImage(JsonModel):
    """An image on this machine."""

    name: str
    tag: Optional[str] = None

    def __str__(self) -> str:
        return self.name + (":" + self.tag if self.tag else "")


def decode_image(value: Any) -> RemoteImage:
    """An image of a container: the server's text, or the object that says whose registry it is in."""
    if isinstance(value, str):
        image = _seen.get(value)
        if image is None:
            if len(_seen) >= _KEPT:
                _seen.clear()
            image = _seen[value] = RemoteImage._of_answer(value)
        return image
    if isinstance(value, RemoteImage):
        return value
    return RemoteImage.from_dict(value)
