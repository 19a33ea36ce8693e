"""What onboardings are told from outside."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from perdure.core.settings import EnvironmentSettings
from perdure.identity.contracts import CheckOptions
from perdure.onboarding.contracts import OnboardingOptions


class OnboardingSettings(EnvironmentSettings):
    """Every field is an environment variable `PERDURE_ONBOARDING_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="PERDURE_ONBOARDING_")

    patience_s: float = Field(default=3600.0, ge=0)
    """How long one waits for a verifier that gives nobody an answer, before it needs attention."""
    inquiry_s: float = Field(default=30.0, gt=0)
    """After how long the verifier is asked that has told nothing; then ever more seldom."""
    undecided_s: float = Field(default=30 * 86_400.0, gt=0)
    """How long a verdict is waited for, before it needs attention."""
    follow_up_s: float = Field(default=86_400.0, ge=0)
    """After how long a customer is followed up; 0: never."""

    @property
    def options(self) -> OnboardingOptions:
        """What an onboarding that is accepted now is told."""
        return OnboardingOptions(
            CheckOptions(self.inquiry_s, self.undecided_s), follow_up_s=self.follow_up_s
        )
