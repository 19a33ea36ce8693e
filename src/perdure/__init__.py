"""Durable business operations on Temporal: what kinds and providers of one's own are written with.

Each name is imported when it is asked for, so that a command, or a workflow in its sandbox, loads
what it needs. What is not here may change with any release.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from perdure.capability.books import Books as Books
    from perdure.capability.contracts import End as End
    from perdure.capability.contracts import Failure as Failure
    from perdure.capability.contracts import FirstTry as FirstTry
    from perdure.capability.contracts import Held as Held
    from perdure.capability.contracts import PaidRequest as PaidRequest
    from perdure.capability.contracts import failure_of as failure_of
    from perdure.capability.declaration import Capability as Capability
    from perdure.capability.declaration import Code as Code
    from perdure.capability.declaration import Shown as Shown
    from perdure.capability.declaration import in_result as in_result
    from perdure.capability.effect_books import effect_books as effect_books
    from perdure.capability.funded import Counter as Counter
    from perdure.capability.funded import FundedKind as FundedKind
    from perdure.capability.funded import FundedSteps as FundedSteps
    from perdure.capability.funded import Funds as Funds
    from perdure.capability.funded import Success as Success
    from perdure.capability.invariants import effect_invariants as effect_invariants
    from perdure.capability.invariants import funded_invariants as funded_invariants
    from perdure.capability.invariants import messages_owed as messages_owed
    from perdure.capability.invariants import moved_nothing as moved_nothing
    from perdure.capability.invariants import posted_once as posted_once
    from perdure.capability.one_go import work_in_one_go as work_in_one_go
    from perdure.capability.one_go import work_of_one_effect as work_of_one_effect
    from perdure.capability.own_workflow import run_in_one_go as run_in_one_go
    from perdure.capability.provider_effect import ProviderEffect as ProviderEffect
    from perdure.capability.provider_effect import made_once as made_once
    from perdure.capability.taking_in import FundedSettings as FundedSettings
    from perdure.capability.taking_in import acceptance_of as acceptance_of
    from perdure.capability.taking_in import funded_settings as funded_settings
    from perdure.capability.taking_in import wiring_of_one_effect as wiring_of_one_effect
    from perdure.capability.wiring import Host as Host
    from perdure.capability.wiring import Wiring as Wiring
    from perdure.capability.wiring import Work as Work
    from perdure.capability.wiring import WorkerHost as WorkerHost
    from perdure.config import Settings as Settings
    from perdure.core.effects import Effect as Effect
    from perdure.core.effects import EffectStatuses as EffectStatuses
    from perdure.core.errors import ConfigurationError as ConfigurationError
    from perdure.core.errors import Conflict as Conflict
    from perdure.core.errors import InvalidInput as InvalidInput
    from perdure.core.errors import NotFound as NotFound
    from perdure.core.errors import OperationCancelled as OperationCancelled
    from perdure.core.errors import PerdureError as PerdureError
    from perdure.core.errors import ProviderDeclined as ProviderDeclined
    from perdure.core.errors import ProviderError as ProviderError
    from perdure.core.errors import ProviderOutcomeUnknown as ProviderOutcomeUnknown
    from perdure.core.errors import ProviderRateLimited as ProviderRateLimited
    from perdure.core.errors import ProviderUnavailable as ProviderUnavailable
    from perdure.core.errors import Refused as Refused
    from perdure.core.ids import new_id as new_id
    from perdure.core.money import AmountLimit as AmountLimit
    from perdure.core.money import Money as Money
    from perdure.core.money import format_amount as format_amount
    from perdure.core.notes import Note as Note
    from perdure.core.notes import correctable as correctable
    from perdure.core.requests import check_amount as check_amount
    from perdure.core.script import Bodies as Bodies
    from perdure.core.script import CallStep as CallStep
    from perdure.core.script import OwnStep as OwnStep
    from perdure.core.script import Runner as Runner
    from perdure.core.script import Step as Step
    from perdure.core.script import not_reached as not_reached
    from perdure.core.settings import AmountMinor as AmountMinor
    from perdure.core.settings import ByCurrency as ByCurrency
    from perdure.core.settings import EnvironmentSettings as EnvironmentSettings
    from perdure.core.text import check_text as check_text
    from perdure.durable.first_tries import first_try as first_try
    from perdure.durable.interceptors.operation_sync import (
        records_its_attempts as records_its_attempts,
    )
    from perdure.durable.registration import registrations_of as registrations_of
    from perdure.durable.script import WorkflowRunner as WorkflowRunner
    from perdure.flags.model import Attribute as Attribute
    from perdure.ledger.chart import SystemAccount as SystemAccount
    from perdure.ledger.chart import system_account_id as system_account_id
    from perdure.notifications.contracts import Message as Message
    from perdure.notifications.contracts import Party as Party
    from perdure.notifications.rules import check_paid_request as check_paid_request
    from perdure.notifications.rules import check_party as check_party
    from perdure.notifications.rules import failure_to_customer as failure_to_customer
    from perdure.notifications.rules import failure_told as failure_told
    from perdure.notifications.rules import messages_to as messages_to
    from perdure.notifications.rules import to_customer as to_customer
    from perdure.notifications.telling import tell_by_marker as tell_by_marker
    from perdure.operations.acceptance import Acceptance as Acceptance
    from perdure.operations.agreement import Expected as Expected
    from perdure.operations.agreement import agreed as agreed
    from perdure.operations.first_tries import FirstTries as FirstTries
    from perdure.operations.funded_acceptance import FundedAcceptance as FundedAcceptance
    from perdure.operations.lanes.script import LaneScript as LaneScript
    from perdure.operations.lanes.script import script_first_try as script_first_try
    from perdure.operations.model import Operation as Operation
    from perdure.operations.provider_call import ProviderCall as ProviderCall
    from perdure.operations.provider_calls import ProviderCalls as ProviderCalls
    from perdure.operations.refunding import RefundableKind as RefundableKind
    from perdure.operations.refunding import RefundTerms as RefundTerms
    from perdure.operations.refunding import all_that_was_asked as all_that_was_asked
    from perdure.operations.request_acceptance import RequestAcceptance as RequestAcceptance
    from perdure.operations.steps import TransactionalSteps as TransactionalSteps
    from perdure.operations.taking_back import take_back as take_back
    from perdure.operations.waiting import Patience as Patience
    from perdure.outside import use_of as use_of
    from perdure.providers.bank import PayoutBank as PayoutBank
    from perdure.providers.choice import ASKED_BY_DOCTOR as ASKED_BY_DOCTOR
    from perdure.providers.choice import Role as Role
    from perdure.providers.choice import Use as Use
    from perdure.providers.credentials import GrpcSettings as GrpcSettings
    from perdure.providers.credentials import HttpSettings as HttpSettings
    from perdure.providers.fraud_scorer import FraudScorer as FraudScorer
    from perdure.providers.gateway import PaymentGateway as PaymentGateway
    from perdure.providers.grpc import ProviderGrpc as ProviderGrpc
    from perdure.providers.host import ProviderHost as ProviderHost
    from perdure.providers.http import ProviderHttp as ProviderHttp
    from perdure.providers.identity import IdentityVerifier as IdentityVerifier
    from perdure.providers.mail import Mailer as Mailer
    from perdure.providers.registry import DomainRegistry as DomainRegistry
    from perdure.providers.simulator import Listener as Listener
    from perdure.providers.simulator import Simulator as Simulator
    from perdure.providers.sms import SmsSender as SmsSender
    from perdure.refunds.contracts import GivenBack as GivenBack
    from perdure.refunds.contracts import RefundInput as RefundInput

PLACES: Final = {
    "perdure.capability.books": ("Books",),
    "perdure.capability.contracts": (
        "End",
        "Failure",
        "FirstTry",
        "Held",
        "PaidRequest",
        "failure_of",
    ),
    "perdure.capability.declaration": (
        "Capability",
        "Code",
        "Shown",
        "in_result",
    ),
    "perdure.capability.effect_books": ("effect_books",),
    "perdure.capability.funded": (
        "Counter",
        "FundedKind",
        "FundedSteps",
        "Funds",
        "Success",
    ),
    "perdure.capability.invariants": (
        "effect_invariants",
        "funded_invariants",
        "messages_owed",
        "moved_nothing",
        "posted_once",
    ),
    "perdure.capability.one_go": (
        "work_in_one_go",
        "work_of_one_effect",
    ),
    "perdure.capability.own_workflow": ("run_in_one_go",),
    "perdure.capability.provider_effect": (
        "ProviderEffect",
        "made_once",
    ),
    "perdure.capability.taking_in": (
        "FundedSettings",
        "acceptance_of",
        "funded_settings",
        "wiring_of_one_effect",
    ),
    "perdure.capability.wiring": (
        "Host",
        "Wiring",
        "Work",
        "WorkerHost",
    ),
    "perdure.config": ("Settings",),
    "perdure.core.effects": (
        "Effect",
        "EffectStatuses",
    ),
    "perdure.core.errors": (
        "ConfigurationError",
        "Conflict",
        "InvalidInput",
        "NotFound",
        "OperationCancelled",
        "PerdureError",
        "ProviderDeclined",
        "ProviderError",
        "ProviderOutcomeUnknown",
        "ProviderRateLimited",
        "ProviderUnavailable",
        "Refused",
    ),
    "perdure.core.ids": ("new_id",),
    "perdure.core.money": (
        "AmountLimit",
        "Money",
        "format_amount",
    ),
    "perdure.core.notes": (
        "Note",
        "correctable",
    ),
    "perdure.core.requests": ("check_amount",),
    "perdure.core.script": (
        "Bodies",
        "CallStep",
        "OwnStep",
        "Runner",
        "Step",
        "not_reached",
    ),
    "perdure.core.settings": (
        "AmountMinor",
        "ByCurrency",
        "EnvironmentSettings",
    ),
    "perdure.core.text": ("check_text",),
    "perdure.durable.first_tries": ("first_try",),
    "perdure.durable.interceptors.operation_sync": ("records_its_attempts",),
    "perdure.durable.registration": ("registrations_of",),
    "perdure.durable.script": ("WorkflowRunner",),
    "perdure.flags.model": ("Attribute",),
    "perdure.ledger.chart": (
        "SystemAccount",
        "system_account_id",
    ),
    "perdure.notifications.contracts": (
        "Message",
        "Party",
    ),
    "perdure.notifications.rules": (
        "check_paid_request",
        "check_party",
        "failure_to_customer",
        "failure_told",
        "messages_to",
        "to_customer",
    ),
    "perdure.notifications.telling": ("tell_by_marker",),
    "perdure.operations.acceptance": ("Acceptance",),
    "perdure.operations.agreement": (
        "Expected",
        "agreed",
    ),
    "perdure.operations.first_tries": ("FirstTries",),
    "perdure.operations.funded_acceptance": ("FundedAcceptance",),
    "perdure.operations.lanes.script": (
        "LaneScript",
        "script_first_try",
    ),
    "perdure.operations.model": ("Operation",),
    "perdure.operations.provider_call": ("ProviderCall",),
    "perdure.operations.provider_calls": ("ProviderCalls",),
    "perdure.operations.refunding": (
        "RefundTerms",
        "RefundableKind",
        "all_that_was_asked",
    ),
    "perdure.operations.request_acceptance": ("RequestAcceptance",),
    "perdure.operations.steps": ("TransactionalSteps",),
    "perdure.operations.taking_back": ("take_back",),
    "perdure.operations.waiting": ("Patience",),
    "perdure.outside": ("use_of",),
    "perdure.providers.bank": ("PayoutBank",),
    "perdure.providers.choice": (
        "ASKED_BY_DOCTOR",
        "Role",
        "Use",
    ),
    "perdure.providers.credentials": (
        "GrpcSettings",
        "HttpSettings",
    ),
    "perdure.providers.fraud_scorer": ("FraudScorer",),
    "perdure.providers.gateway": ("PaymentGateway",),
    "perdure.providers.grpc": ("ProviderGrpc",),
    "perdure.providers.host": ("ProviderHost",),
    "perdure.providers.http": ("ProviderHttp",),
    "perdure.providers.identity": ("IdentityVerifier",),
    "perdure.providers.mail": ("Mailer",),
    "perdure.providers.registry": ("DomainRegistry",),
    "perdure.providers.simulator": (
        "Listener",
        "Simulator",
    ),
    "perdure.providers.sms": ("SmsSender",),
    "perdure.refunds.contracts": (
        "GivenBack",
        "RefundInput",
    ),
}
"""What is exported, by the module that has it."""

_MODULES: Final = {name: module for module, names in PLACES.items() for name in names}


def __dir__() -> list[str]:
    return sorted(_MODULES)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(
                f"perdure exports no {name}; docs/reference.md lists what it does."
            )
        return getattr(import_module(_MODULES[name]), name)
