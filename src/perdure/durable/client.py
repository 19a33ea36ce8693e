"""The connection to Temporal."""

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.runtime import Runtime

from perdure.core.errors import ConfigurationError


async def connect(*, runtime: Runtime | None = None, lazy: bool = False) -> Client:
    """Connect as Temporal's standard settings say: address, namespace, TLS, API key, profile.

    Args:
        runtime: The process's runtime, with its metrics.
        lazy: Connect at the first call, so that a process can start while Temporal is away.

    Raises:
        ConfigurationError: Temporal cannot be reached.
    """
    config = ClientConfig.load_client_connect_config()
    address = config.setdefault("target_host", "localhost:7233")
    try:
        return await Client.connect(**config, runtime=runtime, lazy=lazy)
    except RuntimeError as error:
        raise ConfigurationError(
            f"Temporal cannot be reached at {address}: {error}. Start it (`perdure up`"
            " does), or set TEMPORAL_ADDRESS.",
            param="TEMPORAL_ADDRESS",
        ) from error
