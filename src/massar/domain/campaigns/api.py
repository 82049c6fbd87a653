"""What others may use from the room `campaigns`."""

from massar.domain.campaigns import store
from massar.domain.campaigns.store import CampaignFacts, CampaignTally, Kind, Plan, State, Why

__all__ = ["DEFAULT_WHY", "CampaignFacts", "CampaignTally", "Kind", "Plan", "State", "Why", "store"]
DEFAULT_WHY = str(Why.OLD)
