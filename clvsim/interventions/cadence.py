"""How often people are written to: the cap of a scenario on all that one customer gets, and a stated curve of gain."""

from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from clvsim.schema import Frozen, Real, Whole

WRITING = ("contact", "campaign", "win_back")  # kinds that write to people


class FrequencyCap(Frozen):
    """At most so many contacts of one customer in any so many days, by all levers of a scenario that write to people.

    Contact programmes come first: where they alone would go beyond it, each loses the same share. What they leave is
    for campaigns, in the order of their days; a message beyond it is not sent, costs nothing, and does not come later.
    """

    contacts: Annotated[Whole, Field(ge=1, le=1000)]
    days: Annotated[Real, Field(ge=1, le=3660)]

    def sentence(self) -> str:
        """For the page."""
        times, days = (f"{n:g} {word}" + "s" * (n != 1) for n, word in ((self.contacts, "time"), (self.days, "day")))
        return (
            f"Nobody is written to more than {times} in {days}: programmes come first, each thinned alike where they "
            "go beyond it, and a message of a campaign that they leave no room for is not sent."
        )


class Curve(NamedTuple):
    """Gain of a programme by its messages a month f, relative to its peak at f*: (f/f*)^b · exp(b (1 − f/f*))."""

    peak_per_month: float  # f*
    sharpness: float  # b

    def gain(self, per_month: np.ndarray | float) -> np.ndarray | float:
        """1 at the peak, 0 without messages."""
        ratio = per_month / self.peak_per_month
        return ratio**self.sharpness * np.exp(self.sharpness * (1.0 - ratio))
