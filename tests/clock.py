"""Time that passes as a test wants it to."""

__all__ = ["Clock"]


class Clock:
    """Seconds that pass only while somebody sleeps, or where a test says so."""

    def __init__(self, now=1000.0):
        self.now = now
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds
