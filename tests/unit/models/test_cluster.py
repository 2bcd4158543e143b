"""Clusters, presets, pools and projects of servers of all years."""

import copy
import pickle
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_sync import Cluster, Preset, Project, ProtocolError, ResourcePool
from neuro_sync.models.cluster import GPU, TPU

from ...peers.config import GENERATIONS

BASE = "https://api.example"
CLUSTERS = {
    (year, payload["name"]): payload
    for year, generation in GENERATIONS.items()
    for payload in generation(BASE)["clusters"]
}
every_cluster = pytest.mark.parametrize("payload", CLUSTERS.values(), ids=map(str, CLUSTERS))


@every_cluster
def test_a_cluster_is_equal_after_a_round_trip(payload):
    cluster = Cluster.from_dict(payload)
    assert Cluster.from_json(cluster.to_json()) == cluster
    assert pickle.loads(pickle.dumps(cluster)) == cluster
    assert copy.deepcopy(cluster) == cluster


@every_cluster
def test_what_is_in_a_cluster_is_equal_after_a_round_trip(payload):
    cluster = Cluster.from_dict(payload)
    for item in [*cluster.presets.values(), *cluster.resource_pools.values()]:
        assert type(item).from_json(item.to_json()) == item


@pytest.mark.parametrize("year", sorted(GENERATIONS))
def test_presets_of_all_years_say_the_same(year):
    presets = Cluster.from_dict(CLUSTERS[year, "default"]).presets
    assert presets["cpu-small"].memory_mb == 4096
    assert presets["cpu-small"].credits_per_hour == Decimal("0.5")
    assert presets["cpu-small"].gpu is None
    assert (presets["gpu"].gpu, presets["gpu"].gpu_model) == (1, "nvidia-a100")
    assert presets["gpu"].scheduler_enabled is True
    # Servers of 2022 know one vendor.
    assert presets["others"].amd_gpu == (None if year == 2022 else GPU(2, "mi"))


def test_tpus_are_told_in_both_forms():
    new = Preset.from_dict({"tpu": {"type": "v2-8", "software_version": "1.14"}})
    old = Preset.from_dict({"tpu_type": "v2-8", "tpu_software_version": "1.14"})
    assert new == old
    assert new.tpu == TPU("v2-8", "1.14")
    assert (new.tpu_type, new.tpu_software_version) == ("v2-8", "1.14")


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"nvidia_gpu": 2, "nvidia_gpu_model": "a100"}, GPU(2, "a100")),
        ({"nvidia_gpu": {"count": 2, "model": "a100", "memory": 5}}, GPU(2, "a100", 5)),
        ({"gpu": 2, "gpu_model": "a100"}, GPU(2, "a100")),
        ({"gpu": 1, "nvidia_gpu": {"count": 2}}, GPU(2)),
        ({"nvidia_gpu": 0}, None),
        ({"nvidia_gpu": None}, None),
        ({}, None),
    ],
)
def test_gpus_of_all_years(payload, expected):
    assert Preset.from_dict(payload).nvidia_gpu == expected
    assert ResourcePool.from_dict(payload).nvidia_gpu == expected


@pytest.mark.parametrize(
    ("orgs", "names", "without"),
    [
        (["a", None], ("a",), True),
        ([None], (), True),
        (["NO_ORG", "a"], ("a",), True),
        (["a"], ("a",), False),
        ([], (), False),
        (None, (), False),
    ],
)
def test_no_organisation_is_told_from_those_that_there_are(orgs, names, without):
    cluster = Cluster.from_dict({"name": "c", "orgs": orgs})
    assert (tuple(cluster.orgs), cluster.allows_no_org) == (names, without)
    assert Cluster.from_json(cluster.to_json()) == cluster


def test_a_server_that_has_pools_knows_the_new_names_of_gpus():
    assert Cluster.from_dict({"name": "c", "resource_pool_types": []}).accepts_nvidia_gpu is True
    assert Cluster.from_dict({"name": "c"}).accepts_nvidia_gpu is False


@pytest.mark.parametrize(
    ("url", "registry"),
    [
        ("https://reg.example", "reg.example"),
        ("https://reg.example:5000/", "reg.example:5000"),
        ("http://127.0.0.1:5000", "127.0.0.1:5000"),
        (None, ""),
    ],
)
def test_the_registry_is_how_its_images_begin(url, registry):
    assert Cluster.from_dict({"name": "c", "registry_url": url}).registry == registry


@pytest.mark.parametrize("org", [None, "", "NO_ORG"])
def test_no_organisation_is_none_however_it_is_said(org):
    project = Project.from_dict(
        {"cluster_name": "c", "org_name": org, "name": "p", "role": "writer"}
    )
    assert project.org_name is None
    assert project.key == Project.Key("c", None, "p")
    assert Project.from_json(project.to_json()) == project


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "count", "type", "cpu"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(data=st.data(), new=json_values)
def test_whatever_comes_is_a_cluster_or_breaks_the_protocol(data, new):
    payload = dict(CLUSTERS[2026, "default"])
    key = data.draw(st.sampled_from(sorted({*payload, "presets", "resource_pools"})))
    try:
        cluster = Cluster.from_dict({**payload, key: new})
    except ProtocolError:
        return
    repr(cluster), cluster.presets._repr_html_()


@given(data=st.data(), new=json_values)
def test_whatever_comes_is_a_preset_or_breaks_the_protocol(data, new):
    keys = [
        *CLUSTERS[2026, "default"]["resource_presets"][1],
        "gpu",
        "memory_mb",
        "tpu",
        "tpu_type",
    ]
    payload = {data.draw(st.sampled_from(keys)): new for _ in range(2)}
    for cls in (Preset, ResourcePool, Project):
        try:
            repr(cls.from_dict(payload))
        except ProtocolError:
            pass
