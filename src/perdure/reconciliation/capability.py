"""Reconciliations: our books compared with what banks and providers say; and what does not fit."""

from typing import Final

from perdure.capability.declaration import Capability, Code
from perdure.reconciliation.contracts import (
    BREAK_ID_PREFIX,
    BREAK_KIND,
    BREAK_WORKFLOW,
    BREAKS_PLURAL,
    ID_PREFIX,
    KIND,
    PLURAL,
    WORKFLOW,
    BreakRequest,
    ReconciliationRequest,
)

RECONCILIATIONS: Final = Capability(
    name=KIND,
    plural=PLURAL,
    id_prefix=ID_PREFIX,
    workflow=WORKFLOW,
    help="Reconciliations: our books compared with what banks and providers say.",
    request=ReconciliationRequest,
    wire="perdure.reconciliation.wiring:wire",
    work="perdure.reconciliation.registration:work",
    is_created=False,
    tags={
        "statements": "What banks say of accounts, loaded from their files.",
        "statement-accounts": "Which account of ours a statement is about, and how it is written.",
    },
    house_scopes=(
        *("reconciliations:read", "reconciliations:write"),
        *("statements:read", "statements:write"),
    ),
    codes={
        "invalid_statement": Code(400, "The file is not what it has to be; it says which line."),
        "invalid_encoding": Code(400, "The file is in another encoding than was said."),
        "invalid_header": Code(400, "The file's header lacks a column of the account's mapping."),
        "invalid_csv": Code(400, "The file is not CSV from a line on."),
        "unsafe_xml": Code(400, "The XML has a document type; none is read."),
        "statement_sum": Code(400, "What the file says does not add up; it says where."),
        "statement_not_final": Code(400, "The report is an interim one, of a day that goes on."),
        "invalid_date": Code(400, "The day is in the future, or too long ago."),
        "statement_account_not_found": Code(404, "Nobody has said whose the statement is."),
        "statement_not_found": Code(404, "There is no such statement."),
        "upload_not_found": Code(404, "There is no such upload, or a part of it is missing."),
        "upload_part_differs": Code(409, "That part is there already, and is another."),
        "statement_loaded": Code(409, "The file, or a statement in it, is loaded already."),
        "statement_gap": Code(409, "A statement between the last one and this one is missing."),
    },
    routes=(
        "perdure.reconciliation.routes:reconciliations",
        "perdure.reconciliation.statements.routes:statements",
        "perdure.reconciliation.statements.routes:statement_accounts",
    ),
    traces="perdure.reconciliation.traces:ReconciliationTraces",
    schedules={"reconciliation": "perdure.reconciliation.nightly:NIGHTLY"},
    groups={
        "reconciliations": "perdure.reconciliation.commands:app",
        "statements": "perdure.reconciliation.statements.commands:app",
    },
)

RECONCILIATION_BREAKS: Final = Capability(
    name=BREAK_KIND,
    plural=BREAKS_PLURAL,
    id_prefix=BREAK_ID_PREFIX,
    workflow=BREAK_WORKFLOW,
    help="Breaks: what does not fit between a statement and our books, for a person to resolve.",
    request=BreakRequest,
    wire="perdure.reconciliation.wiring:wire_breaks",
    work="perdure.reconciliation.registration:work_of_breaks",
    is_created=False,
    invariants="perdure.reconciliation.verify:INVARIANTS",
    routes=("perdure.reconciliation.breaks.routes:breaks",),
    groups={"breaks": "perdure.reconciliation.breaks.commands:app"},
)
