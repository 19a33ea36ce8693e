"""The commands of `perdure simulate` that run the trades' services, each with its options."""

from typing import Annotated

import typer

from perdure.simulators.commands import DataDir, FaultRate, FaultSeed, Host, Server, SlowS
from perdure.simulators.faults import Chance
from perdure.simulators.grpc_faults import BY_CHANCE
from perdure.simulators.journal import books_folder
from perdure.trades.services.simulators.assets import open_assets
from perdure.trades.services.simulators.serving import ServiceSettings
from perdure.trades.services.simulators.wallets import open_wallets

Port = Annotated[int, typer.Option(help="Of its control, over HTTP.")]
Idempotent = Annotated[
    bool, typer.Option(help="Refuse a reference that was used, with ALREADY_EXISTS.")
]


def assets(
    *,
    host: Host = "127.0.0.1",
    port: Port = 8110,
    grpc_port: Annotated[int, typer.Option()] = 8130,
    data_dir: DataDir = None,
    opening_lots: Annotated[
        int, typer.Option(min=0, help="What every owner has of every asset to begin with.")
    ] = 1_000_000,
    idempotent: Idempotent = False,
    slow_s: SlowS = 2.0,
    fault_rate: FaultRate = 0.0,
    fault_seed: FaultSeed = 0,
) -> Server:
    """Run an asset service over gRPC: holdings, reservations, blocks."""
    return open_assets(
        ServiceSettings(
            data_dir=books_folder(data_dir),
            host=host,
            port=port,
            grpc_port=grpc_port,
            opening=opening_lots,
            idempotent=idempotent,
            slow_s=slow_s,
            chance=Chance(fault_rate, fault_seed, BY_CHANCE),
        )
    )


def wallets(
    *,
    host: Host = "127.0.0.1",
    port: Port = 8111,
    grpc_port: Annotated[int, typer.Option()] = 8131,
    data_dir: DataDir = None,
    opening_minor: Annotated[
        int, typer.Option(min=0, help="What every account has in every currency to begin with.")
    ] = 1_000_000_000_000,
    idempotent: Idempotent = False,
    slow_s: SlowS = 2.0,
    fault_rate: FaultRate = 0.0,
    fault_seed: FaultSeed = 0,
) -> Server:
    """Run a wallet service over gRPC: money moved from one wallet to another, and back."""
    return open_wallets(
        ServiceSettings(
            data_dir=books_folder(data_dir),
            host=host,
            port=port,
            grpc_port=grpc_port,
            opening=opening_minor,
            idempotent=idempotent,
            slow_s=slow_s,
            chance=Chance(fault_rate, fault_seed, BY_CHANCE),
        )
    )
