"""URIs of the platform's storage, secrets, disks and jobs: ``storage:data`` and what it stands for."""

import re
from typing import Collection, List, Optional
from urllib.parse import unquote

from yarl import URL

__all__ = ["parse_uri", "shorten_uri"]

_CLUSTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def parse_uri(
    text: str,
    *,
    cluster_name: str,
    org_name: Optional[str],
    project_name: Optional[str],
    allowed_schemes: Collection[str] = (),
) -> URL:
    """Make a whole URI of a short one: ``storage:a`` to ``storage://cluster/org/project/a``.

    Args:
        text: the URI; one that names its cluster stays as it is.
        cluster_name, org_name, project_name: what is put in where it is left out.
        allowed_schemes: empty: any.

    Raises:
        ValueError: it is not right; the message says why.
    """
    scheme, colon, rest = text.partition(":")
    if not scheme or not colon or "/" in scheme:
        raise ValueError(
            "URI scheme not specified in {!r}; specify one of {}".format(
                text, ", ".join(allowed_schemes) or "storage, secret, disk, job"
            )
        )
    scheme = scheme.lower()
    if allowed_schemes and scheme not in allowed_schemes:
        raise ValueError(
            "invalid scheme '{}:' in {!r} (only {} is allowed)".format(
                scheme, text, ", ".join("'{}:'".format(name) for name in allowed_schemes)
            )
        )
    for character, what in (("?", "query"), ("#", "fragment")):
        if character in rest:
            raise ValueError("{} is not allowed in {!r}".format(what, text))
    if scheme == "file":
        uri = URL(text)
        if uri.raw_authority:
            raise ValueError("a file of another machine is not allowed: {!r}".format(text))
        return uri
    if rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        if authority:
            _check_authority(authority, text)
            # Versions of yarl differ in what they make of dots and of a stray percent sign.
            path = _STRAY_PERCENT.sub("%25", _without_dots("/" + path)) if slash else ""
            return URL("{}://{}{}".format(scheme, authority.lower(), path))
        rest = slash + path
    try:
        path = unquote(rest, errors="strict")
    except UnicodeDecodeError as error:
        raise ValueError("what is escaped in {!r} is not UTF-8".format(text)) from error
    if path.lstrip("/").startswith("~"):
        raise ValueError("cannot expand the home directory of {!r} on the platform".format(text))
    org = [org_name] if org_name else []
    if path.startswith("/"):
        whole = "/".join(["", *org, path.lstrip("/")])
    else:
        if project_name is None:
            raise ValueError(
                "there is no current project for {!r}: write {}:/PROJECT/...".format(text, scheme)
            )
        whole = "/".join(["", *org, project_name] + ([path] if path else []))
    return URL.build(scheme=scheme, host=cluster_name, path=_without_dots(whole))


def shorten_uri(
    uri: URL, *, cluster_name: str, org_name: Optional[str], project_name: Optional[str]
) -> URL:
    """Leave out of a URI what is current anyway, and slashes at its end."""
    path = uri.raw_path
    whole = uri
    if path.endswith("/") and path != "/":
        path = path.rstrip("/") or "/"
        whole = URL("{}://{}{}".format(uri.scheme, uri.raw_authority, path), encoded=True)
    if uri.host != cluster_name or project_name is None:
        return whole
    current = [org_name, project_name] if org_name else [project_name]
    parts = path.split("/")[1:]
    if parts[: len(current)] != current:
        return whole
    return URL("{}:{}".format(uri.scheme, "/".join(parts[len(current) :])), encoded=True)


def _check_authority(authority: str, text: str) -> None:
    if "@" in authority:
        raise ValueError("user and password are not allowed in {!r}".format(text))
    if ":" in authority:
        raise ValueError("port is not allowed in {!r}".format(text))
    if authority.startswith("~"):
        raise ValueError("cannot expand the home directory of {!r} on the platform".format(text))
    if not _CLUSTER.fullmatch(authority):
        raise ValueError("no cluster can have the name in {!r}".format(text))


def _without_dots(path: str) -> str:
    """Resolve ``.`` and ``..``: what climbs out of the root stays at the root."""
    parts: List[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del parts[-1:]
        elif segment != ".":
            parts.append(segment)
    if segments[-1] in (".", ".."):
        parts.append("")
    return "/" + "/".join(parts)
