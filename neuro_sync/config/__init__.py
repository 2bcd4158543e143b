"""Logins: on this machine's disk as the platform's CLI leaves them, or in memory.

``server`` reads ``/config``, ``selection`` chooses the current cluster, organisation and project, ``tokens``
refreshes tokens, ``store`` and ``schemas`` read and write the CLI's database, ``overrides`` its TOML
files, ``login`` has the flows that get a token, ``factory`` and ``config`` are what users see.
"""
