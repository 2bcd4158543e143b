"""A login on disk that a peer and we both use."""

import sqlite3
from contextlib import closing

from ..unit.config.databases import row_of
from .config import make_token

__all__ = ["Shared"]


class Shared:
    """A login that a peer and we both use."""

    def __init__(self, both, path):
        self.both = both
        self.path = path

    def order(self, do, facts):
        return {"method": "factory", "path": str(self.path), "do": do, **facts}

    def they(self, do, **facts):
        """What comes of it in the peer, which has to succeed."""
        return self._done(self.both.peer(self.order(do, facts)))

    def we(self, do, **facts):
        return self._done(self.both.us(self.order(do, facts)))

    def they_and_we(self, do="look", **facts):
        self.both.comparisons += 1
        theirs, ours = self.they(do, **facts), self.we(do, **facts)
        # The SDK of 2022 has no projects.
        return theirs, {name: ours[name] for name in theirs}

    def log_in_to_the_recorder(self, use=None):
        """Log in with the peer, or with what is given: ``we``."""
        use = use or self.they
        use("login_with_token", url=self.both.recorder.api_url, token=make_token("alice"))

    def _done(self, answered):
        result, self.requests = answered
        assert "result" in result, result
        return result["result"]

    def row(self):
        return row_of(self.path)

    def expire(self):
        """Let the time pass after which a token is refreshed."""
        with closing(sqlite3.connect(str(self.path / "db"))) as db, db:
            db.execute("UPDATE main SET expiration_time = 1")

    def modes(self):
        paths = [self.path, *self.path.iterdir()]
        return {path.name: oct(path.stat().st_mode & 0o777) for path in paths}
