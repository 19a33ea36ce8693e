"""Where the codec server listens, and whose pages may ask it."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from perdure.core.settings import EnvironmentSettings


class CodecServerSettings(EnvironmentSettings):
    """Every field is an environment variable `PERDURE_CODEC_SERVER_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="PERDURE_CODEC_SERVER_")

    host: str = "127.0.0.1"
    port: int = Field(default=8234, ge=0, le=65535)
    origins: list[str] = []  # noqa: RUF012 - pydantic copies it
    """Where Temporal's UI is, as browsers say it: `["https://temporal.example"]`."""
    body_bytes_max: int = Field(default=8_388_608, ge=1024)
    """What a page of Temporal's UI asks to have decoded at a time."""
