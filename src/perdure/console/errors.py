"""Errors as pages. What somebody typed is kept, and can be sent again."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from perdure.api.errors import Problem, problem_of
from perdure.console.rendering import guard, page
from perdure.console.viewers import FORM_TOKEN, NOT_SIGNED_IN, fields_of
from perdure.core.errors import InvalidInput

_KEPT_SECRET: Final = frozenset({FORM_TOKEN, "key"})
"""What a page never gives back."""


class ConsoleRoute(APIRoute):
    """A route whose answers are pages, errors too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        answer = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                response = await answer(request)
            except Exception as error:  # noqa: BLE001 - whatever it is, a person is told
                response = await _page_of(request, problem_of(error))
            return guard(response)

        return answered


async def typed_in(request: Request) -> Mapping[str, str]:
    """Return what somebody typed into the form that a request sent."""
    try:
        fields = await fields_of(request)
    except InvalidInput:
        return {}
    return {name: value for name, value in fields.items() if name not in _KEPT_SECRET}


def sign_in_page(
    request: Request,
    *,
    status: int = 200,
    problem: Problem | None = None,
    leads_to: str,
    typed: Mapping[str, str],
) -> Response:
    """Return the page where one signs in.

    Args:
        leads_to: What is shown next.
        typed: What was typed there, and is to be there again.
    """
    return page(
        request,
        "sign_in.html",
        None,
        status=status,
        problem=problem,
        leads_to=leads_to,
        typed=typed,
    )


async def _page_of(request: Request, problem: Problem) -> Response:
    typed = await typed_in(request)
    if problem.status == 401:
        query = f"?{request.url.query}" if request.url.query else ""
        return sign_in_page(
            request,
            status=401,
            problem=None if problem.code == NOT_SIGNED_IN else problem,
            leads_to=f"{request.url.path}{query}",
            typed=typed,
        )
    headers = {name: value for name, value in problem.headers.items() if name == "Retry-After"}
    viewer = getattr(request.state, "viewer", None)
    return page(
        request,
        "error.html",
        viewer,
        status=problem.status,
        headers=headers,
        problem=problem,
        typed=typed,
        sent=request.method == "POST",
    )
