"""The streams that users read and write: each a thread, a bounded queue, and one way to close.

They know no jobs: what they need of the platform comes in as callables.
"""
