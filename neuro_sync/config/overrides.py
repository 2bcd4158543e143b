"""What the CLI's TOML files say: the current cluster, organisation and project of a directory."""

import os
import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from ..errors import ConfigError

__all__ = ["NO_OVERRIDES", "Overrides", "load_overrides"]

_LOCAL_NAMES = (".apolo.toml", ".neuro.toml")
_GLOBAL_NAME = "user.toml"
_LOCAL_ONLY = ("cluster-name", "org-name")
_NO_ORG = "NO_ORG"


class Overrides(NamedTuple):
    """What is current here whatever the login says.

    Attributes:
        has_org: an organisation is named, or that there is to be none.
        source: the file that says so.
    """

    cluster_name: Optional[str] = None
    org_name: Optional[str] = None
    has_org: bool = False
    project_name: Optional[str] = None
    source: str = ""


NO_OVERRIDES = Overrides()
_Key = Tuple[Tuple[str, int, int], ...]
_cache: Dict[_Key, Overrides] = {}


def load_overrides(path: Path) -> Overrides:
    """Read the files: that of the login's directory, and the nearest above the current directory.

    They are read again when they have changed.

    Raises:
        ConfigError: a file is not TOML, or says what it may not say.
    """
    files = [file for file in (path / _GLOBAL_NAME, _nearest()) if file is not None]
    key: _Key = tuple(_stamp(file) for file in files if _is_file(file))
    if not key:
        return NO_OVERRIDES
    found = _cache.get(key)
    if found is None:
        if len(_cache) > 64:
            _cache.clear()
        found = _cache[key] = _read([Path(name) for name, _, _ in key], path / _GLOBAL_NAME)
    return found


def _nearest() -> Optional[Path]:
    try:
        here = Path.cwd()
    except OSError:
        return None  # the current directory was removed
    for directory in (here, *here.parents):
        if directory.parent == directory:
            return None  # the root itself is not looked at
        for name in _LOCAL_NAMES:
            if _is_file(directory / name):
                return directory / name
    return None


def _is_file(file: Path) -> bool:
    """A file is there that this user may know of."""
    return os.path.isfile(str(file))


def _stamp(file: Path) -> Tuple[str, int, int]:
    status = os.stat(str(file))
    return str(file), status.st_mtime_ns, status.st_size


def _read(files: List[Path], global_file: Path) -> Overrides:
    job: Dict[str, Any] = {}
    source = ""
    for file in files:
        section = _job_section(file)
        if file == global_file:
            wrong = [name for name in _LOCAL_ONLY if name in section]
            if wrong:
                raise ConfigError(
                    "{}: [job] {} belongs into a project's own file".format(file, wrong[0])
                )
        if section:
            job.update(section)
            source = str(file)
    org = _name(job, "org-name", source)
    return Overrides(
        cluster_name=_name(job, "cluster-name", source),
        org_name=None if org == _NO_ORG else org,
        has_org=org is not None,
        project_name=_name(job, "project-name", source),
        source=source,
    )


def _job_section(file: Path) -> Mapping[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError("{}: {}".format(file, error)) from error
    section = document.get("job", {})
    if not isinstance(section, dict):
        raise ConfigError("{}: [job] is not a table".format(file))
    return section


def _name(section: Mapping[str, Any], key: str, source: str) -> Optional[str]:
    value = section.get(key)
    if value is None or (isinstance(value, str) and value):
        return value
    raise ConfigError("{}: [job] {} is not a name".format(source, key))
