"""A log over a hundred broken connections: nothing lost, nothing twice, in order, to its end."""

import random
from collections import Counter

import pytest

from neuro_sync import BadGateway

from ..wire.stream_server import serve
from .flaky_log import BREAKS, FlakyLog, LogClient

pytestmark = pytest.mark.usefixtures("nothing_left")

CUTS = 100


class Tally:
    """What went wrong with the lines, over all seeds."""

    def __init__(self):
        self.lost = self.twice = self.out_of_order = self.changed = self.unended = 0

    def add(self, log, received, job):
        counts = Counter(received)
        expected = [line.decode() for line in log.lines]
        self.lost += sum(line not in counts for line in expected)
        self.twice += sum(count - 1 for count in counts.values())
        self.changed += len(set(received) - set(expected))
        self.out_of_order += sum(later < earlier for earlier, later in zip(received, received[1:]))
        self.unended += job is None or not job.status.is_finished

    def __str__(self):
        return "{} lost, {} twice, {} out of order, {} that did not end".format(
            self.lost, self.twice, self.out_of_order, self.unended
        )


def read_lines(client, rng):
    log = client.monitor(separator="")
    return list(log.lines()), log.job


def read_chunks(client, rng):
    log = client.monitor(separator="")
    return log.read().decode().splitlines(), log.job


def read_with_stamps(client, rng):
    log = client.monitor(separator="", timestamps=True)
    return [line.partition(" ")[2] for line in log.lines()], log.job


def read_with_cursors(client, rng):
    """Now and then it starts anew from the cursor, as another process does."""
    received, cursor = [], None
    while True:
        log = client.monitor(separator="", after=cursor)
        wanted = rng.randrange(1, 3000)
        try:
            with log:
                for line in log.lines():
                    received.append(line)
                    wanted -= 1
                    if not wanted:
                        break
                else:
                    return received, log.job
        except BadGateway:
            continue  # where the first connection does not come about, a stream says so
        cursor = log.cursor


READERS = (read_lines, read_chunks, read_with_stamps, read_with_cursors)


def test_a_log_survives_a_hundred_cuts_of_mixed_kinds(figure, is_long):
    seeds, lines = (20, 200000) if is_long else (4, 20000)
    tally, broken, refreshes = Tally(), Counter(), 0
    for seed in range(seeds):
        rng = random.Random(seed)
        log = FlakyLog(rng, lines, CUTS)
        with serve(log.serve, log.admit) as server:
            client = LogClient(log, server.url)
            received, job = READERS[seed % len(READERS)](client, random.Random(seed))
        tally.add(log, received, job)
        broken += log.broken
        refreshes += client.refreshes
    figure(
        "{:,} numbered lines, {} cuts of mixed kinds, {} seeds".format(lines, CUTS, seeds),
        "0 lost, 0 twice, 0 out of order, all end",
        str(tally),
    )
    assert vars(tally) == vars(Tally())
    assert all(broken[kind] for kind in BREAKS)
    assert refreshes == broken["expired"]
