"""The jobs of the platform.

``calls`` has the methods that are answered at once, ``streaming`` those that open a stream,
``starting`` makes a start happen once, ``waiting`` and ``running`` are what users would otherwise
write by hand, and ``client`` puts them together.
"""

from .client import JobsClient

__all__ = ["JobsClient"]
