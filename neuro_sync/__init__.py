"""The plain, blocking Python client of the Neu.ro / Apolo jobs platform.

::

    import neuro_sync

    with neuro_sync.get() as client:
        job = client.jobs.start(image="ubuntu", preset_name="cpu-small", command="echo hello")
        print(client.jobs.monitor(job.id).read().decode())

Importing this package does nothing else: a name is loaded when it is used first, so that a script
pays only for what it touches.
"""

import importlib
from typing import TYPE_CHECKING, Any, List

from ._version import __version__

if TYPE_CHECKING:
    from .client import Client, get
    from .config.config import Config
    from .config.factory import DEFAULT_API_URL, Factory
    from .errors import (
        AuthenticationError,
        AuthError,
        AuthorizationError,
        BadGateway,
        ClientError,
        ConcurrentRead,
        ConfigError,
        Conflict,
        ConnectionFailed,
        ExecTimeout,
        IllegalArgumentError,
        ImageSaveError,
        JobFailed,
        JobFinished,
        JobNotFound,
        JobWaitTimeout,
        LogGap,
        NDJSONError,
        NeuroError,
        OutcomeUnknown,
        ProtocolError,
        RateLimited,
        ResourceNotFound,
        ServerError,
        ServerNotAvailable,
        StdStreamError,
        StreamClosed,
    )
    from .jobs import JobsClient
    from .models.cluster import Cluster, Preset, Project, ResourcePool
    from .models.container import (
        Container,
        DiskVolume,
        HTTPPort,
        Resources,
        SecretFile,
        Volume,
    )
    from .models.images import LocalImage, RemoteImage, TagOption
    from .models.jobs import (
        JobDescription,
        JobRestartPolicy,
        JobStatus,
        JobStatusHistory,
        JobStatusItem,
    )
    from .models.messages import ExecResult, Message
    from .models.priority import JobPriority
    from .models.telemetry import JobTelemetry
    from .parse import EnvParseResult, Parser, VolumeParseResult
    from .streams.forward import PortForward
    from .streams.listing import JobListing
    from .streams.log import LogStream
    from .streams.std import StdStream
    from .streams.telemetry import TelemetryStream
    from .transport.retry import RetryPolicy, Timeout

__all__ = [
    "DEFAULT_API_URL",
    "AuthError",
    "AuthenticationError",
    "AuthorizationError",
    "BadGateway",
    "Client",
    "ClientError",
    "Cluster",
    "ConcurrentRead",
    "Config",
    "ConfigError",
    "Conflict",
    "ConnectionFailed",
    "Container",
    "DiskVolume",
    "EnvParseResult",
    "ExecResult",
    "ExecTimeout",
    "Factory",
    "HTTPPort",
    "IllegalArgumentError",
    "ImageSaveError",
    "JobDescription",
    "JobFailed",
    "JobFinished",
    "JobListing",
    "JobNotFound",
    "JobPriority",
    "JobRestartPolicy",
    "JobStatus",
    "JobStatusHistory",
    "JobStatusItem",
    "JobTelemetry",
    "JobWaitTimeout",
    "JobsClient",
    "LocalImage",
    "LogGap",
    "LogStream",
    "Message",
    "NDJSONError",
    "NeuroError",
    "OutcomeUnknown",
    "Parser",
    "PortForward",
    "Preset",
    "Project",
    "ProtocolError",
    "RateLimited",
    "RemoteImage",
    "ResourceNotFound",
    "ResourcePool",
    "Resources",
    "RetryPolicy",
    "SecretFile",
    "ServerError",
    "ServerNotAvailable",
    "StdStream",
    "StdStreamError",
    "StreamClosed",
    "TagOption",
    "TelemetryStream",
    "Timeout",
    "Volume",
    "VolumeParseResult",
    "__version__",
    "get",
]

_HOMES = {
    "client": ("Client", "get"),
    "config.config": ("Config",),
    "config.factory": ("DEFAULT_API_URL", "Factory"),
    "jobs": ("JobsClient",),
    "models.cluster": ("Cluster", "Preset", "Project", "ResourcePool"),
    "models.container": (
        "Container",
        "DiskVolume",
        "HTTPPort",
        "Resources",
        "SecretFile",
        "Volume",
    ),
    "models.images": ("LocalImage", "RemoteImage", "TagOption"),
    "models.jobs": (
        "JobDescription",
        "JobRestartPolicy",
        "JobStatus",
        "JobStatusHistory",
        "JobStatusItem",
    ),
    "models.messages": ("ExecResult", "Message"),
    "models.priority": ("JobPriority",),
    "models.telemetry": ("JobTelemetry",),
    "parse": ("EnvParseResult", "Parser", "VolumeParseResult"),
    "streams.forward": ("PortForward",),
    "streams.listing": ("JobListing",),
    "streams.log": ("LogStream",),
    "streams.std": ("StdStream",),
    "streams.telemetry": ("TelemetryStream",),
    "transport.retry": ("RetryPolicy", "Timeout"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # to a type checker any name would be one of this package

    def __getattr__(name: str) -> Any:
        # What is neither public nor elsewhere is an error class: most names are.
        home = _HOME_OF.get(name, "errors" if name in __all__ else None)
        if home is None:
            raise AttributeError("module {!r} has no attribute {!r}".format(__name__, name))
        value = getattr(importlib.import_module("." + home, __name__), name)
        globals()[name] = value
        return value


def __dir__() -> List[str]:
    return sorted(__all__)
