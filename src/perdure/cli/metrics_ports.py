"""Where the processes of `perdure up` answer with their metrics, and the list of it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from perdure.core.errors import ConfigurationError
from perdure.core.ports import LOOPBACK, hold_port, why_not
from perdure.embedded.processes import ProcessSpec
from perdure.observability.runtime import METRICS_PORT, MetricsSettings

_OURS = ("api", "worker-")


@contextmanager
def with_metrics(specs: Sequence[ProcessSpec]) -> Iterator[tuple[list[ProcessSpec], str]]:
    """Give each process a port for its metrics, held until the context ends.

    Any that is free; or from PERDURE_METRICS_PORT on, in the order of the processes.

    Returns them, and where they answer, as Prometheus reads it (`file_sd_configs`).

    Raises:
        ConfigurationError: One is taken.
    """
    settings, ours = MetricsSettings.read(), [one for one in specs if one.name.startswith(_OURS)]
    ports: dict[str, int] = {}
    with ExitStack() as stack:
        for place, one in enumerate(ours):
            wanted = settings.port + place if settings.port else 0
            try:
                held = stack.enter_context(hold_port(settings.host, wanted))
            except OSError as error:
                raise ConfigurationError(
                    f"{one.name} cannot answer with its metrics at {settings.host}:{wanted}:"
                    f" {why_not(error)}. {METRICS_PORT} is the first of {len(ours)} ports.",
                    param=METRICS_PORT,
                ) from error
            ports[one.name] = held.number
        listed = [
            {"targets": [f"{LOOPBACK}:{port}"], "labels": {"process": name}}
            for name, port in ports.items()
        ]
        measured = [
            replace(one, env={**one.env, METRICS_PORT: str(ports[one.name])})
            if one.name in ports
            else one
            for one in specs
        ]
        yield measured, f"{json.dumps(listed, indent=1)}\n"
