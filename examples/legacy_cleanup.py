#!/usr/bin/env python
"""Kill jobs that have run for too long: for a cron line in a code base that is still on Python 3.7.

Nothing on disk, no event loop, no syntax newer than Python 3.7. For example::

    legacy_cleanup.py --url https://api.apolo.us/api/v1 --token-file ~/token --hours 12

Exits with 1 where a job could not be killed, so that cron sends its mail.
"""

import argparse
import logging
import sys
from datetime import datetime, timedelta, timezone

import neuro_sync

log = logging.getLogger("cleanup")


def overdue(jobs, limit):
    """The jobs that have been running for longer than a timedelta."""
    now = datetime.now(timezone.utc)
    with jobs.list(statuses={neuro_sync.JobStatus.RUNNING}) as running:
        return [
            job
            for job in running
            if "keep" not in job.tags and now - job.history.started_at > limit
        ]


def main(argv=None):
    parser = argparse.ArgumentParser(description="Kill jobs that have run for too long.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--token-file", required=True)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--dry-run", action="store_true")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")

    with open(arguments.token_file) as file:
        token = file.read().strip()
    failed = 0
    with neuro_sync.JobsClient(arguments.url, token) as jobs:
        for job in overdue(jobs, timedelta(hours=arguments.hours)):
            log.info("%s has run since %s", job.id, job.history.started_at)
            if arguments.dry_run:
                continue
            try:
                jobs.kill(job.id)
            except neuro_sync.ResourceNotFound:
                log.info("%s has ended by itself", job.id)
            except neuro_sync.NeuroError as error:
                log.error("%s was not killed: %s", job.id, error)
                failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
