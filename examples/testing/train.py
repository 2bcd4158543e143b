"""A script of a user: trains a model in a job and returns its accuracy."""

import re


class TrainingFailed(Exception):
    pass


def train(client, rate):
    job = client.jobs.start(
        image="image:trainer:v1",
        preset_name="cpu-small",
        command="sh -c 'echo accuracy: 0.9$RATE'",
        env={"RATE": str(rate)},
        idempotency_key="train {}".format(rate),
    )
    log = client.jobs.monitor(job.id).read().decode()
    found = re.search(r"accuracy: ([\d.]+)", log)
    if found is None:
        raise TrainingFailed(client.jobs.wait(job.id))
    return float(found.group(1))
