"""What a local platform is made of: its names, its size."""

import os
from typing import Any, Dict, List, NamedTuple, Optional

__all__ = ["ENERGY_SCHEDULES", "Preset", "Settings", "machine_presets"]

ENERGY_SCHEDULES = ("default",)
_GIB = 2**30
_MIB = 2**20


class Preset(NamedTuple):
    """What a job gets: cores, and bytes of memory."""

    name: str
    cpu: float
    memory: int
    credits_per_hour: str

    def to_config(self) -> Dict[str, Any]:
        """The preset in ``/config``."""
        return {
            "name": self.name,
            "credits_per_hour": self.credits_per_hour,
            "cpu": self.cpu,
            "memory": self.memory,
            "memory_mb": self.memory // _MIB,
            "scheduler_enabled": False,
            "preemptible_node": False,
            "is_preemptible": False,
            "is_preemptible_node_required": False,
            "resource_pool_names": ["this-machine"],
            "available_resource_pool_names": ["this-machine"],
        }


def machine_cpu() -> float:
    """Cores that jobs may have together."""
    return float(max(2, os.cpu_count() or 2))


def machine_memory() -> int:
    """Bytes of memory of this machine, rounded down to GiB where there are some."""
    try:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        size = 4 * _GIB
    return size - size % _GIB if size > _GIB else size


def machine_presets() -> List[Preset]:
    """Three sizes: twenty small jobs and more fit this machine, four medium ones, two large ones."""
    cpu, memory = machine_cpu(), machine_memory()
    return [
        Preset("cpu-small", 0.1, _whole(memory / (cpu * 10)), "0.1"),
        Preset("cpu-medium", cpu / 4, _whole(memory / 4), "0.5"),
        Preset("cpu-large", cpu / 2, _whole(memory / 2), "1"),
    ]


def _whole(size: float) -> int:
    return max(64 * _MIB, int(size) // _MIB * _MIB)


class Settings(NamedTuple):
    """Names of the one cluster and of those who use it, and what can be set.

    Attributes:
        jobs_quota: jobs that may be active at once; None: any number.
        seconds_per_minute: how long a minute of a life span takes.
    """

    user: str = "user"
    cluster: str = "local"
    org: str = "local-org"
    projects: List[str] = ["local-project", "user"]
    jobs_quota: Optional[int] = None
    seconds_per_minute: float = 60.0
