"""What is done to an operation: a form that asks why, and the row's own answer."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Annotated, Any, Final
from uuid import uuid4

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from perdure.api.acting import ActingOnOne
from perdure.api.authentication import PlatformOfApp, log_as_about
from perdure.api.errors import Problem, problem_of
from perdure.api.idempotency import KEY_LENGTH_MAX, IdempotencyKey, fingerprint
from perdure.api.operation_schemas import OperationView
from perdure.api.schemas import Text
from perdure.bootstrap import Platform
from perdure.console.errors import ConsoleRoute
from perdure.console.operation import WRITE, choices_of
from perdure.console.operations import LIST
from perdure.console.rendering import page
from perdure.console.shown import Shown
from perdure.console.viewers import Viewer, form_with, viewer_with
from perdure.core.errors import Conflict, InvalidInput, PerdureError
from perdure.operations.allowed import Action
from perdure.operations.model import Operation

router = APIRouter(route_class=ConsoleRoute)

_KEY: Final = "idempotency_key"
_FIELD: Final = "field."
_TRIES: Final = 50
_TRY_AGAIN_S: Final = 0.1

Writer = Annotated[Viewer, Depends(viewer_with(WRITE))]
Form = Annotated[Mapping[str, str], Depends(form_with(WRITE))]


@router.get("/operations/{operation_id}/{action}")
async def ask(
    request: Request, operation_id: Text, action: Action, platform: PlatformOfApp, viewer: Writer
) -> Response:
    """Ask for the reason, and what else there is to say."""
    operation = await platform.operations.get(operation_id)
    log_as_about(operation)
    return _form(
        request,
        platform,
        viewer,
        operation=operation,
        action=action,
        typed=request.query_params,
    )


@router.post("/operations/{operation_id}/{action}")
async def act(
    request: Request,
    operation_id: Text,
    action: Action,
    *,
    platform: PlatformOfApp,
    viewer: Writer,
    typed: Form,
) -> Response:
    """Do it, once for each form, and show how the operation stands."""
    problem = None
    operation = await platform.operations.get(operation_id)
    try:
        given = _given(platform, operation, action, typed)
        key = _key(operation, action, typed, given)
        acting = ActingOnOne(request, platform, viewer.key, key, operation_id)
        answer = await _once(acting, action, typed.get("reason", ""), given)
        if answer.status_code != 200:
            problem = Problem.read(answer.status_code, answer.body)
    except PerdureError as error:
        problem = problem_of(error)
    if problem is None:
        return RedirectResponse(f"{LIST}/{operation_id}?done={action}", 303)
    # A stale page: it is shown as it is now, with what was typed.
    operation = await platform.operations.get(operation_id)
    return _form(
        request,
        platform,
        viewer,
        operation=operation,
        action=action,
        typed=typed,
        problem=problem,
    )


async def _once(
    acting: ActingOnOne, action: Action, reason: str, given: Mapping[str, Any]
) -> Response:
    """Do it, or wait for the answer of the same form that was sent a moment before."""
    for _ in range(_TRIES):
        try:
            return await _do(acting, action, reason, given)
        except Conflict as error:
            if error.code != "idempotency_key_in_use":
                raise
        await asyncio.sleep(_TRY_AGAIN_S)
    return await _do(acting, action, reason, given)


async def _do(
    acting: ActingOnOne, action: Action, reason: str, given: Mapping[str, Any]
) -> Response:
    if action is Action.CANCEL:
        return await acting.cancel(
            reason, lambda _, operation, side: OperationView.of(operation, side)
        )
    if action is Action.CORRECT:
        return await acting.do(acting.actions.correct, reason, given, go_on=True)
    done: dict[Action, Callable[..., Awaitable[Any]]] = {
        Action.RELAUNCH: acting.actions.relaunch,
        Action.RELEASE: acting.actions.release,
        Action.PARK: acting.actions.park,
        Action.REFUND: acting.actions.refund,
    }
    return await acting.do(done[action], reason)


def _key(
    operation: Operation, action: Action, typed: Mapping[str, str], given: Mapping[str, Any]
) -> IdempotencyKey:
    value = typed.get(_KEY, "")
    if not (0 < len(value) <= KEY_LENGTH_MAX and value.isascii() and value.isprintable()):
        raise InvalidInput("This form is not whole; open it again.", code="invalid_form")
    body = json.dumps({"reason": typed.get("reason", ""), "patch": given})
    path = f"{LIST}/{operation.id}/{action}"
    return IdempotencyKey(value, fingerprint("POST", path, body.encode()))


def _form(
    request: Request,
    platform: Platform,
    viewer: Viewer,
    *,
    operation: Operation,
    action: Action,
    typed: Mapping[str, str],
    problem: Problem | None = None,
) -> Response:
    is_answered = problem is not None and problem.status == 402
    choice = next(one for one in choices_of(operation, viewer) if one.action is action)
    return page(
        request,
        "action.html",
        viewer,
        status=problem.status if problem else 200,
        shown=Shown(operation),
        operation=operation,
        choice=choice,
        problem=problem,
        reason=typed.get("reason", ""),
        # A form that comes back is the same request, unless that has its answer.
        idempotency_key=str(uuid4()) if is_answered else typed.get(_KEY, str(uuid4())),
        fields=[
            (name, now, typed.get(f"{_FIELD}{name}", ""))
            for name, now in _correctable(platform, operation)
        ]
        if action is Action.CORRECT
        else [],
        list_path=LIST,
    )


def _correctable(platform: Platform, operation: Operation) -> Iterator[tuple[str, Any]]:
    """Yield what can be corrected, with what it is now; a part of an object by `object.part`."""
    kind = platform.kinds.actions.get(operation.kind)
    shown = {name: value for name, value, _ in Shown(operation).fields}
    for name in kind.correctable if kind else ():
        value = shown.get(name)
        if isinstance(value, dict):
            for part, inner in value.items():
                yield f"{name}.{part}", inner
        else:
            yield name, value


def _given(
    platform: Platform, operation: Operation, action: Action, typed: Mapping[str, str]
) -> dict[str, Any]:
    """Return the patch that a form asks for: what is left empty stays as it is."""
    patch: dict[str, Any] = {}
    if action is not Action.CORRECT:
        return patch
    for name, now in _correctable(platform, operation):
        text = typed.get(f"{_FIELD}{name}", "").strip()
        if not text:
            continue
        outer, _, inner = name.partition(".")
        value = _value(name, text, now)
        if inner:
            patch.setdefault(outer, {})[inner] = value
        else:
            patch[outer] = value
    return patch


def _value(name: str, text: str, now: Any) -> Any:
    """Read what was typed, as what stands there now is."""
    if now is None or isinstance(now, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise InvalidInput(
            f"{name}: write it as {now} is written.", code="invalid_input", param=name
        ) from None
