"""What a job uses."""

from dataclasses import dataclass
from typing import Any, Mapping, Optional

from ..wire.codec import wire_field
from .base import JsonModel, absent, number

__all__ = ["JobTelemetry"]

_MIB = 2**20


@dataclass(frozen=True, init=False)
class JobTelemetry(JsonModel):
    """One sample of what a job uses.

    Attributes:
        cpu: cores in use; 0.5 is half a core.
        memory_bytes: memory in use.
        timestamp: seconds since the epoch, by the server's clock.
        gpu_duty_cycle: percentage of time in which the GPU was busy, None without one.
        gpu_memory_bytes: memory of the GPU in use, None without one.
        memory: memory in use, in MiB.
        gpu_memory: memory of the GPU in use, in MiB. (An old document calls it a fraction; no server since 2022
            sends one.)
    """

    cpu: float = wire_field(decode=number)
    memory_bytes: float = wire_field(decode=number)
    timestamp: float = wire_field(decode=number)
    gpu_duty_cycle: Optional[int] = wire_field(default=None, omit=absent)
    gpu_memory_bytes: Optional[float] = wire_field(decode=number, default=None, omit=absent)

    def __init__(
        self,
        cpu: float,
        memory_bytes: Optional[float] = None,
        timestamp: float = 0.0,
        gpu_duty_cycle: Optional[int] = None,
        gpu_memory_bytes: Optional[float] = None,
        *,
        memory: Optional[float] = None,
        gpu_memory: Optional[float] = None,
    ) -> None:
        # Where both are there the first comes from dataclasses.replace(), which passes on what is old.
        if memory is not None:
            memory_bytes = memory * _MIB
        elif memory_bytes is None:
            raise TypeError("either memory_bytes or memory (MiB) is needed")
        if gpu_memory is not None:
            gpu_memory_bytes = gpu_memory * _MIB
        self.__dict__.update(
            cpu=cpu,
            memory_bytes=memory_bytes,
            timestamp=timestamp,
            gpu_duty_cycle=gpu_duty_cycle,
            gpu_memory_bytes=gpu_memory_bytes,
        )

    @classmethod
    def _canonical(cls, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        # Servers before the middle of 2022 send MiB only.
        if payload.get("memory_bytes") is None and payload.get("memory") is not None:
            payload = {**payload, "memory_bytes": number(payload["memory"]) * _MIB}
        if payload.get("gpu_memory") is not None and payload.get("gpu_memory_bytes") is None:
            payload = {**payload, "gpu_memory_bytes": number(payload["gpu_memory"]) * _MIB}
        return payload

    @property
    def memory(self) -> float:
        return self.memory_bytes / _MIB

    @property
    def gpu_memory(self) -> Optional[float]:
        return None if self.gpu_memory_bytes is None else self.gpu_memory_bytes / _MIB

    def __repr__(self) -> str:
        shown = "cpu={:.2f}, memory={:.1f} MiB".format(self.cpu, self.memory)
        if self.gpu_duty_cycle is not None:
            shown += ", gpu={}%".format(self.gpu_duty_cycle)
        if self.gpu_memory is not None:
            shown += ", gpu_memory={:.1f} MiB".format(self.gpu_memory)
        return "<JobTelemetry {}>".format(shown)

    def _repr_html_(self) -> str:
        from ..display import telemetry_html

        return telemetry_html([self])
