"""What every part of the jobs client stands on: the transports, the config, URLs and decoding."""

from typing import TYPE_CHECKING, Any, Mapping, Optional

from ..models.jobs import decode_job
from ..transport.deadline import Deadline
from ..wire.paths import path_segment

if TYPE_CHECKING:
    from yarl import URL

    from ..config.config import Config
    from ..models.cluster import Cluster
    from ..models.jobs import JobDescription
    from ..parse import Parser
    from ..transport.answers import HttpResponse
    from ..transport.http import HttpTransport
    from ..transport.ws import WsTransport

__all__ = ["JobsBase"]


class JobsBase:
    """The transports, the config, and the addresses of the platform's services."""

    _http: "HttpTransport"
    _ws: "WsTransport"
    _config: "Config"
    _parse: "Parser"

    @property
    def config(self) -> "Config":
        """Clusters, presets, organisations and projects, and which of them are current."""
        return self._config

    @property
    def parse(self) -> "Parser":
        """The parser of images, URIs, volumes and environments in the CLI's form."""
        return self._parse

    def status(self, id: str) -> "JobDescription":
        """Get what the platform knows of a job.

        Args:
            id: job id, or the name of the newest job of yours that has it.

        Raises:
            JobNotFound: there is no such job.

        Endpoint: ``GET {api}/jobs/{id}``.
        """
        return self._status(id)

    def _status(self, id: str, seconds: Optional[float] = None) -> "JobDescription":
        url = self._job_url(id)
        return self._job_of(self._http.request("GET", url, seconds=self._ready_in(seconds)))

    def _ready_in(self, seconds: Optional[float]) -> Optional[float]:
        """What is left of some seconds once the config is there: a client's first call has to ask for it."""
        if seconds is None:
            return None
        deadline = Deadline(seconds)
        self._config.load(seconds)
        return deadline.left

    # Those of one job and those of all are apart: None for a job id is a mistake, and never means all.

    def _jobs_url(self) -> str:
        return _text(self._config.api_url) + "/jobs"

    def _job_url(self, id: str, tail: str = "") -> str:
        return "{}/{}{}".format(self._jobs_url(), path_segment(id), tail)

    def _cluster(self, cluster_name: Optional[str]) -> "Cluster":
        return self._config.get_cluster(cluster_name or self._config.cluster_name)

    def _service_url(self, cluster_name: Optional[str]) -> str:
        return _text(self._cluster(cluster_name).monitoring_url)

    def _monitoring_url(
        self, id: str, tail: str, cluster_name: Optional[str], seconds: Optional[float] = None
    ) -> str:
        # The job id is checked first: a wrong argument must not cost a request for the config.
        job = path_segment(id)
        self._config.load(seconds)
        return "{}/{}/{}".format(self._service_url(cluster_name), job, tail)

    def _job_of(self, response: "HttpResponse") -> "JobDescription":
        # They may have to be asked for, and what goes wrong then is not about this answer.
        images = self._config.images
        return response.decode(lambda payload: decode_job(payload, images))

    def _decode(self, payload: Mapping[str, Any]) -> "JobDescription":
        return decode_job(payload, self._config.images)


def _text(url: "URL") -> str:
    return str(url).rstrip("/")
