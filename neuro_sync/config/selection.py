"""Which cluster, organisation and project are current: pure choices among what a server offers."""

from typing import Iterable, List, Mapping, NamedTuple, Optional

from ..errors import ConfigError
from ..models.cluster import Cluster, Project

__all__ = [
    "Selection",
    "checked",
    "first_selection",
    "orgs_of",
    "with_cluster",
    "with_org",
    "with_project",
]

Clusters = Mapping[str, Cluster]
Projects = Mapping[Project.Key, Project]


class Selection(NamedTuple):
    """Names of the current ones; no organisation is None, and so is no project."""

    cluster_name: str
    org_name: Optional[str]
    project_name: Optional[str]


def orgs_of(cluster: Cluster) -> List[Optional[str]]:
    """The organisations of a cluster; None stands for running without one."""
    orgs: List[Optional[str]] = list(cluster.orgs)
    return [None, *orgs] if cluster.allows_no_org or not orgs else orgs


def first_selection(
    clusters: Clusters,
    projects: Projects,
    *,
    cluster_name: Optional[str] = None,
    org_name: Optional[str] = None,
    project_name: Optional[str] = None,
) -> Selection:
    """What is current after a login: what was asked for, else the server's first.

    Raises:
        ConfigError: the user has no cluster, or not the one that was asked for.
    """
    if not clusters:
        raise ConfigError("you have no access to any cluster: ask an administrator to add you")
    if cluster_name is None:
        cluster_name = _cluster_for(clusters, projects, org_name, project_name)
    cluster = checked(clusters, cluster_name)
    if org_name is None:
        org_name = orgs_of(cluster)[0]
    if project_name is None:
        project_name = _first_project(projects, cluster_name, org_name)
    return Selection(cluster_name, org_name, project_name)


def _cluster_for(
    clusters: Clusters, projects: Projects, org_name: Optional[str], project_name: Optional[str]
) -> str:
    """The first cluster that has the organisation and the project, where there is one."""
    for name, cluster in clusters.items():
        if org_name is not None and org_name not in cluster.orgs:
            continue
        if project_name is None or any(
            key.cluster_name == name and key.project_name == project_name for key in projects
        ):
            return name
    return next(iter(clusters))


def checked(clusters: Clusters, name: str) -> Cluster:
    """A cluster by name.

    Raises:
        ConfigError: there is no such cluster; the message names those that there are.
    """
    cluster = clusters.get(name)
    if cluster is None:
        raise ConfigError("cluster {!r} is not known; there {}".format(name, _choice(clusters)))
    return cluster


def with_cluster(old: Selection, name: str, clusters: Clusters, projects: Projects) -> Selection:
    """Switch to a cluster; organisation and project stay where they are to be had there."""
    orgs = orgs_of(checked(clusters, name))
    org = old.org_name
    if org not in orgs:
        org = sorted(orgs, key=lambda item: (item is not None, item or ""))[0]
    return _keeping_project(Selection(name, org, old.project_name), projects)


def with_org(
    old: Selection, name: Optional[str], clusters: Clusters, projects: Projects
) -> Selection:
    """Switch to an organisation; to the first cluster that has it, where the current one does not."""
    candidates = [old.cluster_name] + [other for other in clusters if other != old.cluster_name]
    for cluster_name in candidates:
        if name in orgs_of(checked(clusters, cluster_name)):
            selection = Selection(cluster_name, name, old.project_name)
            return _keeping_project(selection, projects)
    known = {org for cluster in clusters.values() for org in cluster.orgs}
    raise ConfigError("organisation {!r} is not known; there {}".format(name, _choice(known)))


def with_project(old: Selection, name: str, projects: Projects) -> Selection:
    """Switch to a project of the current cluster and organisation."""
    if Project.Key(old.cluster_name, old.org_name, name) not in projects:
        known = _project_names(projects, old.cluster_name, old.org_name)
        raise ConfigError("project {!r} is not known; there {}".format(name, _choice(known)))
    return old._replace(project_name=name)


def _keeping_project(selection: Selection, projects: Projects) -> Selection:
    cluster, org, project = selection
    if project is not None and Project.Key(cluster, org, project) in projects:
        return selection
    return selection._replace(project_name=_first_project(projects, cluster, org))


def _project_names(projects: Projects, cluster: str, org: Optional[str]) -> List[str]:
    return sorted(
        key.project_name for key in projects if (key.cluster_name, key.org_name) == (cluster, org)
    )


def _first_project(projects: Projects, cluster: str, org: Optional[str]) -> Optional[str]:
    names = _project_names(projects, cluster, org)
    return names[0] if names else None


def _choice(names: Iterable[str]) -> str:
    shown = ", ".join(repr(name) for name in sorted(names))
    return "are {}".format(shown) if shown else "is none"
