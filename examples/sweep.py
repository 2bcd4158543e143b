"""A parameter sweep: a job for each value, each result as its job ends, the best of them.

``python examples/sweep.py`` runs it on a local platform. With an account, take ``neuro_sync.get()``
instead, and an image and a command of your own.
"""

import sys

from neuro_sync import JobStatus
from neuro_sync.local import LocalPlatform

# In the place of `python train.py --rate $RATE`; 0.03 is the best rate.
TRAIN = """sh -c 'awk -v rate=$RATE "BEGIN { off = rate - 0.03; print off * off + 0.1 }"'"""


def sweep(jobs, rates):
    """Train with all of the rates at once; returns the loss of each."""
    rate_of = {}
    for rate in rates:
        job = jobs.start(
            image="ubuntu",
            preset_name="cpu-small",
            command=TRAIN,
            env={"RATE": str(rate)},
            tags=["sweep"],
        )
        rate_of[job.id] = rate
    losses = {}
    for job in jobs.as_completed(rate_of, timeout=600):
        rate = rate_of[job.id]
        if job.status is not JobStatus.SUCCEEDED:
            print("rate {}: {}".format(rate, job), file=sys.stderr)
            continue
        losses[rate] = float(jobs.monitor(job.id).read())
        print("rate {}: loss {}".format(rate, losses[rate]), flush=True)
    return losses


def main():
    with LocalPlatform() as platform, platform.client() as client:
        losses = sweep(client.jobs, rates=[0.3, 0.1, 0.03, 0.01, 0.003, 0.001])
    best = min(losses, key=losses.get)
    print("best rate: {}".format(best))


if __name__ == "__main__":
    main()
