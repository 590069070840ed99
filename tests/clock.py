"""A clock that the tests turn."""

START = 1.7e9       # epoch seconds, in November 2023


class Clock:
    """Returns `now`, in seconds, which a test may change."""

    def __init__(self, now=1000.0):
        self.now = now

    def __call__(self):
        return self.now
