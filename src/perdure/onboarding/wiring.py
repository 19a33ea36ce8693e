"""Onboardings, in every process."""

from perdure.capability.wiring import Host, Wiring
from perdure.identity.callbacks import IdentityCallbacks
from perdure.identity.contracts import IDENTITY, UNAVAILABLE
from perdure.identity.process import BEGINNINGS
from perdure.identity.rechecks import Rechecks
from perdure.onboarding.acceptance import OnboardingAcceptance
from perdure.onboarding.contracts import AGGREGATOR
from perdure.onboarding.follow_ups import FollowUps
from perdure.onboarding.settings import OnboardingSettings
from perdure.operations.waiting import Patience

TRIES_MAX = 3
"""How often a check is asked for, within seconds, while others get through to the verifier."""


def wire(host: Host) -> Wiring:
    """Return what takes onboardings in, and what looks after them."""
    settings = host.settings.of(OnboardingSettings)
    options = settings.options
    follow_ups = FollowUps(host.pool, host.client, host.queues)
    rechecks = Rechecks(host.pool, host.client, host.queues, options.check)
    patience = Patience(settings.patience_s, UNAVAILABLE, tries_max=TRIES_MAX)
    return Wiring(
        actions=OnboardingAcceptance(options),
        providers=[IDENTITY, AGGREGATOR],
        patience={begin.row_name: patience for begin in BEGINNINGS},
        chores=[follow_ups.look, rechecks.look],
        own=[IdentityCallbacks(host.pool, host.engine)],
    )
