"""Both sides in turn, A B A B, and what comes of it."""

from statistics import median
from typing import List, NamedTuple

from .scenarios import Scenario
from .sides import Unavailable

__all__ = ["Row", "compare"]

GUARD = 0.7


class Row(NamedTuple):
    """A scenario and its numbers.

    Attributes:
        ours, theirs: of each round.
        note: why there are none.
    """

    scenario: Scenario
    ours: List[float]
    theirs: List[float]
    note: str = ""

    @property
    def ratio(self):
        """The median of the rounds' own ratios: what slows the machine down slows both of a round."""
        return median(map(self.scenario.ratio, self.ours, self.theirs))

    @property
    def reached(self):
        return self.ratio >= self.scenario.target

    @property
    def regressed(self):
        """So far below what it has to be, or was, that it can't be noise."""
        return not self.note and self.ratio < self.floor

    def better(self, other):
        return self if self.note or self.ratio >= other.ratio else other

    @property
    def floor(self):
        return GUARD * self.scenario.reached


def compare(bench, scenario, rounds, short=False):
    """Measure a scenario. A first round, of the short form, warms both sides up and does not count."""
    small = dict(scenario.options, **scenario.short)
    options = small if short else scenario.options
    side = "speed" if scenario.speed else "ours"
    ours, theirs = [], []
    try:
        if scenario.warm:
            bench.measure(side, scenario.kind, small, anew=scenario.anew)
            bench.measure("theirs", scenario.kind, small, anew=scenario.anew)
        for _ in range(rounds):
            ours.append(bench.measure(side, scenario.kind, options, anew=scenario.anew))
            theirs.append(bench.measure("theirs", scenario.kind, options, anew=scenario.anew))
    except Unavailable as error:
        return Row(scenario, [], [], str(error))
    return Row(scenario, ours, theirs)
