"""Names of images: Docker's references, and the platform's ``image:`` URIs."""

import re
from typing import Collection, Mapping, NamedTuple, Optional, Tuple

__all__ = [
    "DockerName",
    "ImageContext",
    "PlatformName",
    "TagRule",
    "check_docker_name",
    "parse_docker_name",
    "parse_platform_name",
]

_DIGEST = re.compile(r"@([A-Za-z][A-Za-z0-9+._-]*:[0-9a-fA-F]{32,})\Z")
_PORT = re.compile(r"[^/:]+:[0-9]+")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
# Names of projects, and of users, in whose places they came.
_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_SCHEME = "image:"
LATEST = "latest"


class DockerName(NamedTuple):
    """A reference in parts. A registry without a port stays in the name, as the platform has it."""

    registry: Optional[str]
    name: str
    tag: Optional[str]
    digest: Optional[str]


class PlatformName(NamedTuple):
    """An image of the platform in parts."""

    cluster_name: str
    org_name: Optional[str]
    project_name: str
    name: str
    tag: Optional[str]
    digest: Optional[str]


class TagRule(NamedTuple):
    """What becomes of the tag of an image of the platform."""

    allowed: bool = True
    default: Optional[str] = LATEST


class ImageContext(NamedTuple):
    """Against what a name is read.

    Attributes:
        cluster_name, org_name, project_name: what a short name means.
        registries: registry, host and port, of each cluster.
        orgs: organisations of each cluster, as far as they are known.
    """

    cluster_name: str
    org_name: Optional[str]
    project_name: Optional[str]
    registries: Mapping[str, str]
    orgs: Mapping[str, Collection[str]]


def parse_docker_name(text: str) -> DockerName:
    """Take a reference apart, whatever is in it: servers hand out what users once sent.

    Put together again it is the same text, but for the tag ``latest`` where a name has none.
    """
    rest, digest = _split_digest(text)
    registry, slash, name = rest.partition("/")
    if not slash or not _PORT.fullmatch(registry):
        registry, name = "", rest
    head, _, tag = name.rpartition(":")
    if head and tag and "/" not in tag:
        return DockerName(registry or None, head, tag, digest)
    # Behind a colon that stands for nothing there is no tag to be added.
    complete = digest is not None or not name or name.endswith(":")
    return DockerName(registry or None, name, None if complete else LATEST, digest)


def check_docker_name(text: str) -> DockerName:
    """Take a reference of a user apart.

    Raises:
        ValueError: it is no image name; the message says why, and does not repeat it.
    """
    _check_start(text)
    rest, digest = _split_digest(text)
    found = parse_docker_name(text)
    name = rest if found.registry is None else rest[len(found.registry) + 1 :]
    tag = _check_tag(name, digest)
    # What is before the first slash may be a host.
    components = found.name.split("/")
    if len(components) > 1 and found.registry is None:
        components = components[1:]
    _check_components(components)
    return found._replace(tag=tag if tag is not None else found.tag)


def parse_platform_name(text: str, context: ImageContext, rule: TagRule) -> Optional[PlatformName]:
    """Take the name of an image of the platform apart; None: it is not one.

    Args:
        text: ``image:...``, or a reference that begins with a cluster's registry.

    Raises:
        ValueError: it is not right; the message says why, and does not repeat it.
        RuntimeError: it names a cluster that is not known.
    """
    if text.startswith(_SCHEME):
        found = _parse_uri(text, context, rule)
        if found.cluster_name not in context.registries:
            raise RuntimeError("cluster {!r} is not known".format(found.cluster_name))
        return found
    for cluster_name, registry in context.registries.items():
        if text.startswith(registry + "/"):
            path = text[len(registry) + 1 :]
            return _parse_absolute(path, cluster_name, context, rule)
    return None


def _parse_uri(text: str, context: ImageContext, rule: TagRule) -> PlatformName:
    rest = text[len(_SCHEME) :]
    if rest == LATEST:
        raise ValueError("ambiguous value: give the image a tag, or write its whole name")
    for character, what in (("?", "query"), ("#", "fragment")):
        if character in rest:
            raise ValueError("{} is not allowed".format(what))
    if rest.startswith("//"):
        cluster_name, _, path = rest[2:].partition("/")
        if cluster_name:
            _check_authority(cluster_name)
            cluster_name = cluster_name.lower()
            return _parse_absolute(path, cluster_name, context, rule)
        rest = "/" + path
    if rest.startswith("/"):
        project, _, path = rest[1:].partition("/")
        return _made(context.cluster_name, context.org_name, project, path, rule)
    if context.project_name is None:
        raise ValueError("there is no current project: write image:/PROJECT/NAME")
    return _made(context.cluster_name, context.org_name, context.project_name, rest, rule)


def _parse_absolute(
    path: str, cluster_name: str, context: ImageContext, rule: TagRule
) -> PlatformName:
    """``[org/]project/name``: the first part is an organisation where the cluster has it."""
    first, _, rest = path.partition("/")
    org: Optional[str] = context.org_name
    known = context.orgs.get(cluster_name, ())
    if "/" in rest and (first in known or first == org):
        org, path = first, rest
    elif org is not None and first == org:
        raise ValueError("the name of the image is missing")
    project, _, name = path.partition("/")
    return _made(cluster_name, org, project, name, rule)


def _made(
    cluster_name: str, org_name: Optional[str], project: str, path: str, rule: TagRule
) -> PlatformName:
    name, digest = _split_digest(path)
    if not project or not name:
        raise ValueError("no image name specified")
    if not _PROJECT.fullmatch(project):
        raise ValueError("invalid name of a project")
    tag = _check_tag(name, digest)
    if tag is not None:
        if not rule.allowed:
            raise ValueError("tag is not allowed")
        name = name[: -len(tag) - 1]
    elif digest is None:
        tag = rule.default
    _check_components(name.split("/"))
    return PlatformName(cluster_name, org_name, project, name, tag, digest)


def _split_digest(text: str) -> Tuple[str, Optional[str]]:
    match = _DIGEST.search(text)
    if match is None:
        return text, None
    return text[: match.start()], match.group(1)


def _check_start(text: str) -> None:
    if not text:
        raise ValueError("empty image name")
    if text.startswith("-"):
        raise ValueError("image cannot start with dash")


def _check_tag(name: str, digest: Optional[str]) -> Optional[str]:
    """The tag of a name, checked; the name ends with it."""
    head, colon, tag = name.rpartition(":")
    if not colon:
        return None
    if ":" in head or "/" in tag:
        raise ValueError("too many tags")
    if not head:
        raise ValueError("empty image name")
    if not tag:
        raise ValueError("empty tag")
    if not _TAG.fullmatch(tag):
        raise ValueError("invalid tag")
    return tag


def _check_components(components: Collection[str]) -> None:
    for component in components:
        if not _COMPONENT.fullmatch(component):
            raise ValueError("invalid image name")


def _check_authority(text: str) -> None:
    for character, what in (("@", "user"), (":", "port")):
        if character in text:
            raise ValueError("{} is not allowed".format(what))
