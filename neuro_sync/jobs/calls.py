"""The methods that are answered at once."""

import warnings
from datetime import datetime
from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    TypeVar,
    Union,
)

from ..errors import OutcomeUnknown, ProtocolError
from ..models.capacity import decode_capacity
from ..models.images import RemoteImage
from ..models.jobs import JobDescription, JobPriority, JobRestartPolicy, JobStatus
from ..models.payloads import (
    Target,
    container_payload,
    job_payload,
    run_container_payload,
    whole_minutes,
)
from ..streams.listing import JobListing
from ..wire.queries import list_query
from .base import JobsBase
from .starting import idempotency_tag, start_once

if TYPE_CHECKING:
    from yarl import URL

    from ..models.container import Container, DiskVolume, HTTPPort, SecretFile, Volume
    from ..transport.answers import HttpStream

__all__ = ["Calls", "several"]

T = TypeVar("T")


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
            tags: tags to find the job by, 16 at most, 15 with a key.
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
            OutcomeUnknown: the answer got lost, or is unreadable, and the job may have been started. With
                a key this is raised only when no job is to be found after all tries.

        Endpoint: ``POST {api}/jobs?from_preset``; with a key also ``GET {api}/jobs``.
        """
        target = self._target(cluster_name, org_name, project_name)
        if idempotency_key is not None:
            tags = [*several(tags, "tags"), idempotency_tag(idempotency_key)]
        payload = job_payload(
            target,
            name=name,
            preset_name=preset_name,
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
        )
        payload.update(
            container_payload(
                self._parse,
                target,
                image=image,
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
            )
        )
        # The key alone matters, not its value.
        url = self._jobs_url() + "?from_preset"
        if idempotency_key is None:
            return self._send_start(url, payload)
        return start_once(
            lambda seconds: self._send_start(url, payload, seconds),
            lambda: self._list(
                tags=payload["tags"][-1:],
                cluster_name=target.cluster_name,
                org_names=[target.org_name] if target.org_name else (),
                project_names=[payload["project_name"]] if "project_name" in payload else (),
                dropped=True,  # its logs may be gone by now: it was started all the same
            ),
            self.kill,
            self._http.retrier,
        )

    def run(
        self,
        container: "Container",
        *,
        name: Optional[str] = None,
        tags: Sequence[str] = (),
        description: Optional[str] = None,
        scheduler_enabled: bool = False,
        pass_config: bool = False,
        wait_for_jobs_quota: bool = False,
        schedule_timeout: Optional[float] = None,
        life_span: Optional[float] = None,
        priority: Optional[JobPriority] = None,
        org_name: Optional[str] = None,
        project_name: Optional[str] = None,
        restart_policy: JobRestartPolicy = JobRestartPolicy.NEVER,
    ) -> JobDescription:
        """Start a job with resources of its own instead of a preset's.

        Deprecated: use :meth:`start`. The arguments are those of :meth:`start`, but for these.

        Args:
            container: image, command and resources.
            scheduler_enabled: the job takes turns with others.

        Endpoint: ``POST {api}/jobs``.
        """
        warnings.warn("run() is deprecated, use start()", DeprecationWarning, stacklevel=2)
        target = self._target(None, org_name, project_name)
        payload = job_payload(
            target,
            name=name,
            tags=tags,
            description=description,
            pass_config=pass_config,
            wait_for_jobs_quota=wait_for_jobs_quota,
            schedule_timeout=schedule_timeout,
            restart_policy=restart_policy,
            life_span=life_span,
            priority=priority,
        )
        payload["container"] = run_container_payload(
            self._parse,
            target,
            container,
            nvidia_names=self._cluster(target.cluster_name).accepts_nvidia_gpu,
        )
        payload["scheduler_enabled"] = bool(scheduler_enabled)
        return self._send_start(self._jobs_url(), payload)

    def list(
        self,
        *,
        statuses: Iterable[JobStatus] = (),
        name: Optional[str] = None,
        tags: Iterable[str] = (),
        owners: Iterable[str] = (),
        since: Optional[datetime] = None,
        until: Optional[datetime] = None,
        reverse: bool = False,
        limit: Optional[int] = None,
        cluster_name: Optional[str] = None,
        org_names: Iterable[str] = (),
        project_names: Iterable[str] = (),
    ) -> JobListing:
        """List jobs, oldest first. Each is decoded as it comes, so a listing may be long.

        ::

            with jobs.list(statuses={JobStatus.RUNNING}) as running:
                for job in running:
                    print(job.id)

        Args:
            statuses: only jobs with one of these; none: any.
            name: only jobs with this name.
            tags: only jobs that have all of these.
            owners: only jobs of one of these users.
            since, until: only jobs that were made then or between; a naive value is local time.
            reverse: newest first.
            limit: at most so many.
            cluster_name: cluster of the jobs; None is the current one.
            org_names: only jobs of one of these organisations; none: of the current one.
            project_names: only jobs of one of these projects; none: of any.

        Returns:
            An iterator of JobDescription and a context manager. Under ``with`` the request is made on
            entry, otherwise at the first item.

        Raises:
            IllegalArgumentError: the server does not accept a filter.
            NDJSONError: while it is read: the server failed half-way.
            ConnectionFailed: while it is read: the answer was cut.

        Endpoint: ``GET {api}/jobs``.
        """
        return self._list(
            statuses=statuses,
            name=name,
            tags=tags,
            owners=owners,
            since=since,
            until=until,
            reverse=reverse,
            limit=limit,
            cluster_name=cluster_name,
            org_names=org_names,
            project_names=project_names,
        )

    def _list(
        self,
        *,
        statuses: Iterable[JobStatus] = (),
        tags: Iterable[str] = (),
        owners: Iterable[str] = (),
        limit: Optional[int] = None,
        cluster_name: Optional[str] = None,
        org_names: Iterable[str] = (),
        project_names: Iterable[str] = (),
        seconds: Optional[float] = None,
        **others: Any,
    ) -> JobListing:
        """A listing by the arguments of :meth:`list`, and ``dropped`` of the query.

        Args:
            seconds: for all of it; None: no limit.
        """
        filters: Dict[str, Any] = {
            "statuses": [JobStatus(status).value for status in several(statuses, "statuses")],
            "owners": several(owners, "owners"),
            "tags": several(tags, "tags"),
            "project_names": several(project_names, "project_names"),
            **others,
        }
        orgs = [org for org in several(org_names, "org_names") if org]

        def open_stream(limit: Optional[int]) -> "HttpStream":
            left = self._ready_in(seconds)
            current = self._config.org_name
            query = list_query(
                cluster_name=cluster_name or self._config.cluster_name,
                org_names=orgs or ([current] if current else []),
                limit=limit,
                **filters,
            )
            return self._http.stream(
                "GET",
                self._jobs_url(),
                params=query,
                accept="application/x-ndjson",
                seconds=left,
            )

        return JobListing(open_stream, self._decode, limit)

    def kill(self, id: str) -> None:
        """Kill a job. One that has ended stays as it is.

        Args:
            id: job id, or the name of the newest job of yours that has it.

        Raises:
            JobNotFound: there is no such job.

        Endpoint: ``DELETE {api}/jobs/{id}``.
        """
        self._http.request("DELETE", self._job_url(id))

    def bump_life_span(self, id: str, additional_life_span: float) -> None:
        """Let a job run for longer. One without a limit gets one: what is added counts from nothing.

        Args:
            id: job id, or the name of the newest job of yours that has it.
            additional_life_span: seconds to add, in whole minutes (rounded down), 60 at least.

        Raises:
            JobNotFound: there is no such job.
            Conflict: somebody else changed the job at the same moment; nothing was added.
            OutcomeUnknown: the answer got lost and it may have been added: ``status(id).life_span`` tells.

        Endpoint: ``PUT {api}/jobs/{id}/max_run_time_minutes``.
        """
        minutes = whole_minutes(additional_life_span, "additional_life_span")
        self._http.request(
            "PUT",
            self._job_url(id, "/max_run_time_minutes"),
            json={"additional_max_run_time_minutes": minutes},
            repeatable=False,
        )

    def send_signal(self, id: str, *, cluster_name: Optional[str] = None) -> None:
        """Send SIGKILL to a job's process; the job may start again, as its restart policy says.

        Args:
            id: job id.
            cluster_name: cluster of the job; None is the current one.

        Raises:
            JobNotFound: there is no such job.
            ResourceNotFound: the job is not running.
            OutcomeUnknown: the answer got lost and it may have been sent.

        Endpoint: ``POST {monitoring_url}/{id}/kill``.
        """
        self._http.request("POST", self._monitoring_url(id, "kill", cluster_name))

    def get_capacity(self, *, cluster_name: Optional[str] = None) -> Mapping[str, int]:
        """How many more jobs of each preset the cluster has room for, about.

        Args:
            cluster_name: cluster to ask; None is the current one.

        Returns:
            Number of jobs by name of preset.

        Endpoint: ``GET {monitoring_url}/capacity``.
        """
        response = self._http.request("GET", self._service_url(cluster_name) + "/capacity")
        return response.decode(decode_capacity)

    def _send_start(
        self, url: str, payload: Mapping[str, Any], seconds: Optional[float] = None
    ) -> JobDescription:
        response = self._http.request("POST", url, json=payload, seconds=seconds)
        try:
            return self._job_of(response)
        except ProtocolError as error:
            # A proxy cut the answer, or gave one of its own; the server said yes.
            raise OutcomeUnknown(
                "{}; the job may have been started".format(error.args[0]),
                status=response.status,
                method=response.method,
                url=url.partition("?")[0],
                attempts=response.attempts,
            ) from error

    def _target(
        self, cluster_name: Optional[str], org_name: Optional[str], project_name: Optional[str]
    ) -> Target:
        config = self._config
        return Target(
            cluster_name or config.cluster_name,
            org_name or config.org_name,
            project_name or config.project_name,
            config.server_has_projects,
        )


def several(values: "Iterable[T]", what: str) -> "List[T]":
    """The values as a list.

    Raises:
        ValueError: it is one value.
    """
    # A text is a sequence of texts to Python, and so is a status.
    if isinstance(values, str):
        raise ValueError("{} takes several, not one: write [{!r}]".format(what, str(values)))
    return list(values)
