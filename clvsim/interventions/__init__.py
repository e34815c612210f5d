"""Interventions by `kind`. A new one: a module with a frozen class that compiles to mechanisms, and a line here."""

from clvsim.interventions.base import Intervention
from clvsim.interventions.campaign import CampaignIntervention
from clvsim.interventions.contact import ContactIntervention
from clvsim.interventions.cost import CostIntervention
from clvsim.interventions.funnel import FunnelIntervention
from clvsim.interventions.membership import MembershipIntervention
from clvsim.interventions.next_product import NextProductIntervention
from clvsim.interventions.offer import OfferIntervention
from clvsim.interventions.pulse import PulseIntervention
from clvsim.interventions.referral import ReferralIntervention
from clvsim.interventions.shift import ShiftIntervention
from clvsim.interventions.win_back import WinBackIntervention

INTERVENTIONS: dict[str, type[Intervention]] = {
    "shift": ShiftIntervention,
    "funnel": FunnelIntervention,
    "pulse": PulseIntervention,
    "offer": OfferIntervention,
    "campaign": CampaignIntervention,
    "win_back": WinBackIntervention,
    "membership": MembershipIntervention,
    "next_product": NextProductIntervention,
    "referral": ReferralIntervention,
    "contact": ContactIntervention,
    "cost": CostIntervention,
}
