"""Holds every error that the tests meet against the API's description."""

import re
from functools import cache

import httpx

from perdure.api.app import routed_app

ANYWHERE = {
    ("404", "route_not_found"),
    ("405", "method_not_allowed"),
    ("400", "malformed_request"),
    ("408", "request_timeout"),
    ("413", "body_too_large"),
    ("431", "headers_too_large"),
}
"""What is answered where no route is to answer."""


async def check_described(response: httpx.Response) -> None:
    """Refuse an error that its route is not said to answer with."""
    if response.status_code < 400:
        return
    await response.aread()
    error = response.json().get("error")
    if error is None:
        return
    told = (str(response.status_code), error["code"])
    method, path = response.request.method, response.request.url.path
    assert told in _told_of(method, path) | ANYWHERE, f"{method} {path} does not list {told}"


def _told_of(method: str, path: str) -> set[tuple[str, str]]:
    for route_method, pattern, told in _routes():
        if route_method == method and pattern.fullmatch(path):
            return told
    return set()


@cache
def _routes() -> list[tuple[str, re.Pattern[str], set[tuple[str, str]]]]:
    document = routed_app().openapi()
    shared = document["components"]["responses"]
    return [
        (
            method.upper(),
            re.compile(re.sub(r"\{[^}]*\}", "[^/]*", path)),
            {
                (status, code)
                for status, answer in operation["responses"].items()
                for code in shared.get(answer.get("$ref", "").rpartition("/")[2], answer).get(
                    "x-codes", ()
                )
            },
        )
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
