"""A platform on this machine: the real protocol, on real sockets, with real processes as jobs.

::

    from neuro_sync.local import LocalPlatform

    with LocalPlatform() as platform, platform.client() as client:
        print(client.jobs.start_and_wait(image="ubuntu", preset_name="cpu-small", command="true"))

``platform`` is what users see, and starts a process of its own. In there ``app`` puts the pieces
together: ``validation``, ``admission``, ``jobs``, ``scheduler``, ``store`` and ``listing`` are the jobs API;
``runner`` and what is below it run the jobs; ``monitoring`` and what is below it serve their logs,
telemetry and streams; ``auth``, ``oauth`` and ``configuration`` are the login.
"""

from .platform import LocalPlatform

__all__ = ["LocalPlatform"]
