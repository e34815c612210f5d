"""Statistical models: fitted to a customer summary, they hand customer laws to the simulator.

One module per model and one line here. Importing this loads no sampler; PyMC, nutpie and ArviZ load when a fit starts.
"""

from clvsim.models.bg_nbd import BgNbd
from clvsim.models.gamma_gamma import GammaGamma
from clvsim.models.mbg_nbd import MbgNbd
from clvsim.models.pareto_nbd import ParetoNbd

RETENTION = {"bg_nbd": BgNbd, "mbg_nbd": MbgNbd, "pareto_nbd": ParetoNbd}
SPEND = {"gamma_gamma": GammaGamma}
