"""The methods that are answered at once."""

import random
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Mapping, Optional, Sequence, Union

from ..models.images import RemoteImage
from ..models.jobs import JobDescription, JobPriority, JobRestartPolicy, JobStatus
from ..models.payloads import run_payload, start_payload
from ..streams.listing import JobListing
from ..wire.queries import list_query
from .base import JobsBase
from .starting import idempotency_tag, start_once

if TYPE_CHECKING:
    from yarl import URL

    from ..models.container import Container, DiskVolume, HTTPPort, SecretFile, Volume
    from ..transport.http import HttpStream

__all__ = ["Calls"]


class Calls(JobsBase):
    """The methods of JobsClient that are answered at once."""

    def start(
        self,
        *,
        image: Union[RemoteImage, str],
        preset_name: str,
        cluster_name: Optional[str] = None,
        org_name: Optional[str] = None,
        entrypoint: Optional[str] = None,
        command: Optional[str] = None,
        working_dir: Optional[str] = None,
        http: "Optional[HTTPPort]" = None,
        env: Optional[Mapping[str, str]] = None,
        volumes: "Sequence[Union[Volume, str]]" = (),
        secret_env: "Optional[Mapping[str, Union[URL, str]]]" = None,
        secret_files: "Sequence[Union[SecretFile, str]]" = (),
        disk_volumes: "Sequence[Union[DiskVolume, str]]" = (),
        tty: bool = False,
        shm: bool = False,
        name: Optional[str] = None,
        tags: Sequence[str] = (),
        description: Optional[str] = None,
        pass_config: bool = False,
        wait_for_jobs_quota: bool = False,
        schedule_timeout: Optional[float] = None,
        restart_policy: JobRestartPolicy = JobRestartPolicy.NEVER,
        life_span: Optional[float] = None,
        privileged: bool = False,
        priority: Optional[JobPriority] = None,
        project_name: Optional[str] = None,
        energy_schedule_name: Optional[str] = None,
        idempotency_key: Optional[str] = None,
    ) -> JobDescription:
        """Start a job.

        ::

            job = jobs.start(
                image="ubuntu",
                preset_name="cpu-small",
                command="sleep 5",
                volumes=["storage:data:/data:ro"],
                secret_env={"TOKEN": "secret:tok"},
            )

        Args:
            image: image of the container: ``ubuntu:22.04``, ``image:mine:v1``, or a RemoteImage.
            preset_name: name of the preset whose resources the job gets (``config.presets``).
            cluster_name: cluster to run on; None is the current one.
            org_name: organisation to run for; None is the current one.
            entrypoint: instead of the image's own; None keeps that.
            command: command line for the container; None keeps the image's own.
            working_dir: directory in the container to start in; None keeps the image's own.
            http: HTTP port of the container to publish.
            env: environment variables.
            volumes: storage to mount: Volumes, or texts like ``storage:data:/data:ro``.
            secret_env: secrets for environment variables: URIs, or texts like ``secret:key``.
            secret_files: secrets to mount: SecretFiles, or texts like ``secret:key:/keys/key``.
            disk_volumes: disks to mount: DiskVolumes, or texts like ``disk:scratch:/scratch``.
            tty: give the job a terminal.
            shm: mount ``/dev/shm`` with more than the least.
            name: a name that no other active job of the project has.
            tags: tags to find the job by, 16 at most.
            description: a text about the job.
            pass_config: log the job in as you: ``neuro_sync.get()`` works inside.
            wait_for_jobs_quota: wait in the queue where the number of running jobs is exhausted.
            schedule_timeout: seconds to wait for room in the cluster before the job fails.
            restart_policy: whether the job starts again after it has ended.
            life_span: seconds that the job may run, in whole minutes (rounded down); None: no limit.
            privileged: run in privileged mode, where the cluster allows it.
            priority: before and after which jobs it is scheduled, where the cluster knows that.
            project_name: project to run in; None is the current one.
            energy_schedule_name: when a job of a scheduled preset may run.
            idempotency_key: any text. However often a start is sent with it, from whichever
                process, there is one job: an earlier one is returned, whatever its status.

        Returns:
            The new job, usually pending; with ``idempotency_key`` perhaps an earlier one.

        Raises:
            IllegalArgumentError: the server does not accept it: a wrong or taken name, a quota, an
                unknown preset, no credits.
            AuthorizationError: you may not run there, or not use the image, a volume or a secret.
            ValueError: an argument that can't be right; nothing was sent.
            OutcomeUnknown: the answer got lost and the job may have been started. With a key this is
                raised only when no job is to be found after all tries.

        Endpoint: ``POST {api}/jobs?from_preset``; with a key also ``GET {api}/jobs``.
        """
        self._check_string("idempotency_key", idempotency_key)
        target = self._target(cluster_name, org_name, project_name)
        if idempotency_key is not None:
            tags = [*tags, idempotency_tag(idempotency_key)]
        payload = start_payload(
            parser=self._parse,
            image=image,
            preset_name=preset_name,
            entrypoint=entrypoint,
            command=command,
            working_dir=working_dir,
            http=http,
            env=env,
            volumes=volumes,
            secret_env=secret_env,
            secret_files=secret_files,
            disk_volumes=disk_volumes,
            tty=tty,
            shm=shm,
            name=name,
            tags=tags,
            description=description,
            pass_config=pass_config,
            wait_for_jobs_quota=wait_for_jobs_quota,
            schedule_timeout=schedule_timeout,
            restart_policy=restart_policy,
            life_span=life_span,
            privileged=privileged,
            priority=priority,
            energy_schedule_name=energy_schedule_name,
            **target,
        )
        if idempotency_key is None:
            return self._send_start(payload, from_preset=True)
        policy = self._http.retrier.policy
        return start_once(
            lambda: self._send_start(payload, from_preset=True),
            lambda: self.list(tags=tags[-1:], cluster_name=cluster_name),
            self.kill,
            attempts=policy.attempts,
            pause=lambda n: time.sleep(random.uniform(0, min(policy.cap, policy.base * 2**n))),
        )
