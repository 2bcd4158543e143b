"""What the platform's own SDKs know of clusters and presets after a login is what we know."""

import copy
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .config import AS_OF, GENERATIONS, READABLE, config_payload, make_token
from .payloads import clusters

_PLACES = "username cluster_name org_name monitoring_url api_url".split()
NAMES = {
    "newest": [
        *_PLACES,
        *"project_name clusters projects presets cluster_orgs available_orgs cluster_org_projects".split(),
    ],
    "middle": [*_PLACES, *"project_name clusters projects presets".split()],
    "oldest": [*_PLACES, "clusters", "presets"],
}
_URLS = "registry_url storage_url users_url monitoring_url secrets_url disks_url buckets_url"
_PRESET = "credits_per_hour cpu memory scheduler_enabled preemptible_node"
_POOL = "min_size max_size cpu memory disk_size is_preemptible"
_POOL_NAMES = "resource_pool_names available_resource_pool_names"
_GPUS = "nvidia_gpu amd_gpu intel_gpu"
_OLD_TPU = "tpu_type tpu_software_version"
_PROJECT = {
    "Project": "cluster_name org_name name role",
    "Key": "cluster_name org_name project_name",
}
_GPU_CLASSES = "GPU NvidiaGPU AMDGPU IntelGPU NvidiaGPUPreset AMDGPUPreset IntelGPUPreset".split()
FIELDS = {
    "newest": {
        "Cluster": "name orgs presets resource_pools " + _URLS,
        "Preset": " ".join((_PRESET, _POOL_NAMES, _GPUS, "nvidia_migs tpu")),
        "ResourcePool": " ".join((_POOL, _GPUS, "nvidia_migs")),
        "TPU": "type software_version",
        "TPUPreset": "type software_version",
        **_PROJECT,
        **dict.fromkeys(_GPU_CLASSES, "count model memory"),
    },
    "middle": {
        "Cluster": "name orgs presets resource_pools " + _URLS,
        "Preset": " ".join((_PRESET, _POOL_NAMES, _GPUS, _OLD_TPU)),
        "ResourcePool": " ".join((_POOL, _GPUS)),
        **_PROJECT,
        **dict.fromkeys(_GPU_CLASSES, "count"),
    },
    "oldest": {
        "Cluster": "name orgs presets " + _URLS,
        "Preset": " ".join((_PRESET, "gpu gpu_model memory_mb", _OLD_TPU)),
    },
}

# Where we differ on purpose: peer, generation of the server, attribute, and why.
DELIBERATE = {
    ("oldest", 2022): {"orgs": "no organisation is told by allows_no_org, not a null among names"},
    ("oldest", 2026): {
        "gpu": "the SDK of 2022 does not see how GPUs are called since 2025",
        "gpu_model": "the same",
    },
    ("middle", 2026): {
        "nvidia_gpu": "servers send objects, which the SDK of 2025 puts where it promises numbers",
        "amd_gpu": "the same",
    },
}


def _described(both, peer, path, config):
    """The config as the peer has it, and as we have it from its login and from the server."""
    order = {
        "method": "factory",
        "names": NAMES[peer],
        "fields": {name: names.split() for name, names in FIELDS[peer].items()},
        "token": make_token("alice"),
        "url": both.recorder.api_url,
    }
    theirs, ours = dict(order, path=str(path / "theirs")), dict(order, path=str(path / "ours"))
    with both.recorder.configured(config):
        assert both.peer(dict(theirs, do="login_with_token"))[0] == {"result": True}
        assert both.us(dict(ours, do="login_with_token"))[0] == {"result": True}
        answers = [
            both.peer(dict(theirs, do="config"))[0],
            both.us(dict(theirs, do="config"))[0],
            both.us(dict(ours, do="config"))[0],
        ]
    both.comparisons += 2
    for answer in answers:
        assert "result" in answer, answer
    return [_comparable(answer["result"]) for answer in answers]


def _comparable(value):
    """Keys of projects are objects of each SDK's own, and GPUs that are only counted are numbers to some."""
    if isinstance(value, dict):
        if set(value) == {"count"}:
            return value["count"]
        if "projects" in value:
            projects = sorted(map(sorted, (p.items() for p in value["projects"].values())))
            value = dict(value, projects=projects)
        return {key: _comparable(item) for key, item in value.items()}
    return [_comparable(item) for item in value] if isinstance(value, list) else value


def _differences(theirs, ours, name=""):
    if isinstance(theirs, dict) and isinstance(ours, dict) and set(theirs) == set(ours):
        for key in theirs:
            yield from _differences(theirs[key], ours[key], key)
    elif theirs != ours:
        yield name


@pytest.mark.parametrize(("peer", "generation"), READABLE)
def test_the_config_is_the_same(request, peer, generation, tmp_path):
    both = request.getfixturevalue(peer)
    theirs, *ours = _described(both, peer, tmp_path, GENERATIONS[generation])
    for mine in ours:
        assert set(_differences(theirs, mine)) == set(DELIBERATE.get((peer, generation), ()))


def _drawn(clusters, data):
    """The answer of a server of 2026 with these clusters, and with projects of some of their organisations."""
    places = [(cluster["name"], org) for cluster in clusters for org in cluster["orgs"]]
    names = st.text("abcdefgh-", min_size=1, max_size=8)
    projects = [
        {"name": name, "role": role, "cluster_name": cluster, "org_name": org}
        for (cluster, org), name, role in data.draw(
            st.lists(st.tuples(st.sampled_from(places), names, names), max_size=4)
        )
    ]

    def config(base, authorized=True):
        payload = config_payload(base, authorized)
        if authorized:
            common = payload["clusters"][0]
            payload["clusters"] = [{**common, **copy.deepcopy(cluster)} for cluster in clusters]
            payload["projects"] = copy.deepcopy(projects)
        return payload

    return config


@pytest.mark.parametrize(("peer", "generation"), READABLE)
def test_any_config_is_the_same(request, peer, generation, tmp_path):
    both = request.getfixturevalue(peer)
    deliberate = set(DELIBERATE.get((peer, generation), ()))
    if "amd_gpu" in deliberate:
        deliberate.add("intel_gpu")  # as of each vendor's that says more than how many

    @settings(
        max_examples=20,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(clusters=clusters(), data=st.data())
    def compare(clusters, data):
        newest = _drawn(clusters, data)
        path = Path(tempfile.mkdtemp(dir=str(tmp_path)))
        theirs, *ours = _described(
            both,
            peer,
            path,
            lambda base, authorized=True: AS_OF[generation](newest(base, authorized)),
        )
        for mine in ours:
            assert set(_differences(theirs, mine)) <= deliberate

    compare()
