"""The protocol as pure functions on bytes and dicts: no sockets, no threads, no time."""
