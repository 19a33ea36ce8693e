"""Kinds put together: one that is wrong ends the start in one line that names it and the piece."""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, cast

import pytest
from temporalio import activity, workflow

from perdure.capabilities import installed
from perdure.capability import assembly
from perdure.capability.assembly import Kinds
from perdure.capability.declaration import Capability
from perdure.capability.wiring import Host, Wiring, Work, WorkerHost
from perdure.config import Settings
from perdure.core.errors import ConfigurationError
from perdure.core.settings import EnvironmentSettings
from perdure.durable.queues import OPERATIONS, provider_queue
from perdure.durable.registration import Registration
from perdure.operations.funded_acceptance import FundedAcceptance
from perdure.operations.model import Operation, Status
from perdure.operations.waiting import Patience
from perdure.transfers.contracts import TransferRequest
from tests.acceptances import transfers_at
from tests.unit.operations.operations import operation

HERE = "tests.unit.capability.test_assembly"
ACCEPTANCE = transfers_at(cast("Any", None))

GIFTS = Capability(
    name="gift",
    plural="gifts",
    id_prefix="gft",
    workflow="Gift",
    help="Gifts.",
    request=TransferRequest,
    wire=f"{HERE}:wire",
    work=f"{HERE}:work",
)


@workflow.defn(name="Gift")
class GiftWorkflow:
    @workflow.run
    async def run(self) -> None: ...


@activity.defn(name="gift.wrap")
async def wrap() -> None: ...


@dataclass(frozen=True)
class Wrapped:
    on: date
    by: bytes = b""


@dataclass(frozen=True)
class UnreadableRequest(TransferRequest):
    amount: Decimal | None = None
    wrapped: tuple[Wrapped, ...] = ()


class GiftSettings(EnvironmentSettings):
    gift_shop_url: str


def wire(_: Host) -> Wiring:
    return Wiring(actions=ACCEPTANCE, providers=["shop"], patience={"wrap": Patience(1, "shut")})


def wire_without_setting(host: Host) -> Wiring:
    host.settings.of(GiftSettings)
    return wire(host)


def wire_without_acceptance(_: Host) -> Wiring:
    return Wiring(actions=cast("Any", object()))


REGISTRATIONS = [
    Registration(OPERATIONS, [GiftWorkflow]),
    Registration(provider_queue("shop"), activities=[wrap]),
]


async def work(_: WorkerHost) -> Work:
    return Work(registrations=REGISTRATIONS)


async def work_in_a_lane(_: WorkerHost) -> Work:
    return Work(registrations=REGISTRATIONS, lane=cast("Any", wrap))


async def work_elsewhere(_: WorkerHost) -> Work:
    return Work(registrations=[*REGISTRATIONS, Registration("provider-bakery", [], [wrap])])


@dataclass
class Wired:
    """The installed kinds, and what they give."""

    kinds: Kinds

    async def work(self) -> dict[str, Work]:
        nothing: Any = None
        return await self.kinds.work(
            WorkerHost(*[nothing] * 14)  # these kinds ask for nothing
        )


def wired(monkeypatch: pytest.MonkeyPatch, *kinds: Capability) -> Wired:
    monkeypatch.setattr(assembly, "installed", lambda: {kind.name: kind for kind in kinds})
    nothing: Any = None
    host = Host(Settings(), *[nothing] * 7)  # as above
    return Wired(Kinds(replace(host, refundable={})))


async def test_what_is_installed_is_wired_and_works(monkeypatch: pytest.MonkeyPatch) -> None:
    found = wired(monkeypatch, GIFTS)
    assert found.kinds.acceptance("gift") is ACCEPTANCE
    assert found.kinds.own(FundedAcceptance) is ACCEPTANCE
    assert found.kinds.providers == ["shop"]
    assert (await found.work())["gift"].registrations == REGISTRATIONS


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"wire": f"{HERE}:nothing"}, "its wire .*:nothing cannot be loaded"),
        ({"wire": "shop.gifts:wire"}, "its wire shop.gifts:wire .*No module named 'shop'"),
        ({"wire": f"{HERE}:HERE"}, "its wire .* cannot be called"),
        ({"wire": f"{HERE}:wire_without_setting"}, "The setting GIFT_SHOP_URL is missing"),
        ({"wire": f"{HERE}:wire_without_acceptance"}, "nothing of it is an Acceptance"),
        ({"work": f"{HERE}:nothing"}, "its work .*:nothing cannot be loaded"),
        ({"request": UnreadableRequest}, r".* and not amount \(Decimal\), wrapped.by \(bytes\)"),
        ({"workflow": "Present"}, "it has no workflow 'Present'"),
        ({"has_lane": True}, "its has_lane, .* do not agree"),
        ({"work": f"{HERE}:work_in_a_lane"}, "its has_lane, .* do not agree"),
        ({"refundable": f"{HERE}:wrap"}, "its refundable, .* do not agree"),
        ({"work": f"{HERE}:work_elsewhere"}, "no worker polls the queue 'provider-bakery'"),
    ],
)
async def test_a_piece_that_is_wrong_is_named(
    wrong: dict[str, Any], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match=f"^The capability gifts: {told}") as refused:
        await wired(monkeypatch, replace(GIFTS, **wrong)).work()
    assert "\n" not in refused.value.message


async def test_two_kinds_with_one_name_for_a_step_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigurationError, match="2 capabilities say how long a step 'wrap' waits"):
        wired(monkeypatch, GIFTS, replace(GIFTS, name="present"))


def test_a_flood_of_a_kind_is_spread_over_lanes_or_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = TransferRequest("cus_1", "acc_1", 1, "USD", "somewhere")
    assert wired(monkeypatch, GIFTS).kinds.lane_for("gift", request) is None
    found = wired(monkeypatch, replace(GIFTS, has_lane=True)).kinds
    lane = found.lane_for("gift", request)
    assert lane is not None
    assert found.lane_again(_again("gift")) == lane
    assert found.lane_again(_again("of no kind")) is None


def _again(kind: str) -> Operation:
    asked = {"customer_id": "cus_1", "account_id": "acc_1", "amount_minor": 1, "currency": "USD"}
    return operation(
        Status.FAILED, kind=kind, input={"request": asked | {"destination": "somewhere"}}
    )


def test_the_built_in_kinds_agree_with_what_they_declare(monkeypatch: pytest.MonkeyPatch) -> None:
    found = wired(monkeypatch, *installed().values()).kinds
    for one in installed().values():
        assert one.name in found.actions
        assert not one.is_created or found.acceptance(one.name)
