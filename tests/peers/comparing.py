"""When two descriptions of an answer are the same, attribute by attribute."""

import re

__all__ = ["DELIBERATE", "NEWEST_FIELDS", "PEERS", "assert_same", "fields_of", "joined"]

OLDEST_FIELDS = {
    "JobDescription": "id owner cluster_name org_name status history container scheduler_enabled pass_config "
    "uri total_price_credits price_credits_per_hour name tags description http_url internal_hostname "
    "internal_hostname_named restart_policy life_span schedule_timeout preset_name preemptible_node "
    "privileged priority _internal",
    "JobDescriptionInternal": "materialized being_dropped logs_removed",
    "JobStatusHistory": "status reason description restarts created_at started_at finished_at "
    "run_time_seconds exit_code transitions",
    "JobStatusItem": "status transition_time reason description exit_code",
    "Container": "image resources entrypoint command working_dir http env volumes secret_env "
    "secret_files disk_volumes tty",
    "Resources": "memory cpu shm tpu_type tpu_software_version memory_mb gpu gpu_model",
    "HTTPPort": "port requires_auth",
    "Volume": "storage_uri container_path read_only",
    "DiskVolume": "disk_uri container_path read_only",
    "SecretFile": "secret_uri container_path",
    "RemoteImage": "name tag registry cluster_name org_name",
    "JobTelemetry": "cpu memory_bytes timestamp gpu_duty_cycle gpu_memory_bytes memory gpu_memory",
}
MIDDLE_FIELDS = dict(
    OLDEST_FIELDS,
    JobDescription=OLDEST_FIELDS["JobDescription"] + " project_name energy_schedule_name",
    Resources="memory cpu shm tpu_type tpu_software_version memory_mb nvidia_gpu amd_gpu intel_gpu "
    "nvidia_gpu_model amd_gpu_model intel_gpu_model",
    RemoteImage=OLDEST_FIELDS["RemoteImage"] + " project_name",
)
NEWEST_FIELDS = dict(MIDDLE_FIELDS, JobDescription=MIDDLE_FIELDS["JobDescription"] + " namespace")
FIELDS = {
    "neuro-22.7.1": OLDEST_FIELDS,
    "neuro-25.5.0": MIDDLE_FIELDS,
    "apolo-26.9.0": NEWEST_FIELDS,
}
PEERS = ["newest", "middle", "oldest"]

# Where we differ on purpose: which attribute, when, and why.
DELIBERATE = [
    (
        r"(history|transitions\.\d+)\.(reason|description)$",
        lambda theirs, ours: theirs is None and ours == "",
        "these are texts: where the server sends null, the others put None into them",
    ),
    (
        r"^privileged$",
        lambda theirs, ours: theirs is False and ours is True,
        "the others never take it over from the answer",
    ),
    (
        r"image\.(org_name|project_name|name)$",
        lambda theirs, ours: True,
        "an image of another organisation than the current one: kept whole",
    ),
    (
        r"resources\.gpu(_model)?$",
        lambda theirs, ours: theirs is None and ours is not None,
        "the SDK of 2022 does not know how GPUs are called since 2024",
    ),
]


def fields_of(both):
    """The attributes that a peer knows, by class."""
    return {name: names.split() for name, names in FIELDS[both.name].items()}


def _differences(theirs, ours, path=""):
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(set(theirs) | set(ours)):
            where = "{}.{}".format(path, key) if path else key
            yield from _differences(theirs.get(key), ours.get(key), where)
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for number, pair in enumerate(zip(theirs, ours)):
            yield from _differences(*pair, path="{}.{}".format(path, number))
    elif theirs != ours:
        yield path, theirs, ours


def _reason(path, theirs, ours):
    for number, (pattern, applies, _) in enumerate(DELIBERATE):
        if re.search(pattern, path) and applies(theirs, ours):
            return number
    return None


def assert_same(theirs, ours, *, other_organisation=False):
    """Returns the deliberate differences that were met."""
    assert "result" in theirs, theirs
    assert "result" in ours, ours
    found = list(_differences(theirs["result"], ours["result"]))
    if not other_organisation:
        assert not [difference for difference in found if ".image." in difference[0]]
    met = {_reason(*difference): difference for difference in found}
    assert None not in met, met[None]
    return set(met)


def joined(messages):
    """Messages of an output; where its pieces were cut means nothing."""
    result = []
    for fileno, data in messages:
        if result and result[-1][0] == fileno:
            result[-1][1] += data
        elif data:
            result.append([fileno, data])
    return result
