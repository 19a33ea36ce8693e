"""The connection to Temporal."""

from collections.abc import Sequence

from temporalio.client import Client, Plugin
from temporalio.converter import DataConverter
from temporalio.envconfig import ClientConfig
from temporalio.runtime import Runtime

from perdure.core.errors import ConfigurationError
from perdure.durable.payloads.values import VALUES


async def connect(
    *,
    runtime: Runtime | None = None,
    lazy: bool = False,
    plugins: Sequence[Plugin] = (),
    data_converter: DataConverter = VALUES,
) -> Client:
    """Connect as Temporal's standard settings say: address, namespace, TLS, API key, profile.

    Args:
        runtime: The process's runtime, with its metrics.
        lazy: Connect at the first call, so that a process can start while Temporal is away.
        plugins: What is put around the client, and the workers that it is given to.
        data_converter: How it converts, and encrypts, what goes to Temporal.

    Raises:
        ConfigurationError: Temporal cannot be reached.
    """
    try:
        config = ClientConfig.load_client_connect_config()
    except RuntimeError as error:
        raise ConfigurationError(
            f"Temporal's settings cannot be used: {error}. They are TEMPORAL_* and the profile that"
            " TEMPORAL_PROFILE names.",
            param="TEMPORAL_PROFILE",
        ) from error
    address = config.setdefault("target_host", "localhost:7233")
    try:
        return await Client.connect(
            **config, runtime=runtime, lazy=lazy, plugins=plugins, data_converter=data_converter
        )
    except RuntimeError as error:
        raise ConfigurationError(
            f"Temporal cannot be reached at {address}: {error}. Start it (`perdure up`"
            " does), or set TEMPORAL_ADDRESS.",
            param="TEMPORAL_ADDRESS",
        ) from error
