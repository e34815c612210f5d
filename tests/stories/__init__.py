"""Retention models as the lives of their customers, written once for all tests: one entry per model.

Used by the contract suite and the tests of groups and covariates (tests/models), of made-up logs (tests/data) and of
calibration (tests/calibration). Plain NumPy, straight from the papers.
"""

from tests.stories.contracts import BDW, SBG
from tests.stories.opportunities import BG_BB
from tests.stories.purchases import BG_CNBD, BG_NBD, MBG_CNBD, MBG_NBD, PARETO_NBD
from tests.stories.story import Story

STORIES: dict[str, Story] = {
    "bg_nbd": BG_NBD,
    "mbg_nbd": MBG_NBD,
    "pareto_nbd": PARETO_NBD,
    "bg_cnbd": BG_CNBD,
    "mbg_cnbd": MBG_CNBD,
    "bg_bb": BG_BB,
    "sbg": SBG,
    "bdw": BDW,
}
