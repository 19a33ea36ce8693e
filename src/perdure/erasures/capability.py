"""Erasures: nobody can tell any more who a customer was."""

from typing import Final

from perdure.capability.declaration import Capability, Code
from perdure.erasures.contracts import ID_PREFIX, KIND, WORKFLOW, ErasureRequest

ERASURES: Final = Capability(
    name=KIND,
    plural="erasures",
    id_prefix=ID_PREFIX,
    workflow=WORKFLOW,
    help="Erasures: nobody can tell any more who a customer was.",
    request=ErasureRequest,
    wire="perdure.erasures.wiring:wire",
    work="perdure.erasures.registration:work",
    is_created=False,
    house_scopes=("erasures:write",),
    codes={
        "operations_open": Code(409, "Something of the customer is under way; the message says."),
        "money_left": Code(409, "The customer has money here; the message says where."),
        "operation_exported": Code(409, "What is known of it is in a file, to be loaded again."),
        "kind_not_installed": Code(409, "Of a kind of operation nobody here knows what it holds."),
    },
    routes=("perdure.erasures.routes:router",),
    groups={"erasures": "perdure.erasures.commands:app"},
)
