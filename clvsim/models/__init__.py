"""Statistical models: fitted to a customer summary, they hand customer laws to the simulator.

One module per model and one line here. Importing this loads no sampler; PyMC, nutpie and ArviZ load when a fit starts.
"""

from typing import Any

from clvsim.models.retention.bdw import Bdw
from clvsim.models.retention.bg_bb import BgBb
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.models.retention.cnbd import BgCnbd, MbgCnbd
from clvsim.models.retention.mbg_nbd import MbgNbd
from clvsim.models.retention.pareto_nbd import ParetoNbd
from clvsim.models.retention.sbg import Sbg
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.models.spend.lognormal import Lognormal
from clvsim.models.spend.price_list import PriceList

RETENTION: dict[str, Any] = {
    "bg_nbd": BgNbd,
    "mbg_nbd": MbgNbd,
    "pareto_nbd": ParetoNbd,
    "bg_cnbd": BgCnbd,
    "mbg_cnbd": MbgCnbd,
    "bg_bb": BgBb,
    "sbg": Sbg,
    "bdw": Bdw,
}
SPEND: dict[str, Any] = {
    "gamma_gamma": GammaGamma,
    "lognormal": Lognormal,
    "fixed_price": FixedPrice,
    "price_list": PriceList,
}
