"""The frequency cap: whether one more message of a campaign is within what a customer gets at most.

Contact programmes are schedules, common to all on the list: what they send stands in a table. Days of the campaigns'
messages stand in `Cap.sent`, for the customer at hand: their number, and the last ones in a ring.
"""

import math

import numpy as np

from clvsim.kernels.pace import week_of
from clvsim.kernels.variates import inline

ROUNDING = 1e-9  # contacts


@inline
def forget(cap):
    """A customer who has been sent nothing yet."""
    cap.sent[0] = 0.0


@inline
def left_by_programmes(cap, run, path, listing, t):
    """How many messages of campaigns one window may hold; programmes count until they are out of it."""
    if listing.listed and t < listing.leaves + cap.days:
        planned = cap.planned[path.group * (run.last_week + 1) + week_of(t, run.last_week)]
        return np.int64(math.floor(cap.contacts - planned + ROUNDING))
    return np.int64(cap.contacts)


@inline
def permits(cap, run, path, listing, t):
    """Whether a message of day t is within the cap; 0 contacts stand for no cap."""
    if cap.contacts == 0.0:
        return True
    most, number = left_by_programmes(cap, run, path, listing, t), np.int64(cap.sent[0])
    if most < 1:
        return False
    return number < most or t - cap.sent[1 + (number - most) % np.int64(cap.contacts)] >= cap.days


@inline
def remember(cap, t):
    if cap.contacts > 0.0:
        number = np.int64(cap.sent[0])
        cap.sent[1 + number % np.int64(cap.contacts)] = t
        cap.sent[0] = number + 1.0
