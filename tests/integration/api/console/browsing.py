"""Somebody at the console, as a browser without a script sees it."""

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

import httpx

KEPT_TO = "http://console"


class _Inputs(HTMLParser):
    """Collects the named fields of a page's forms, and each form's own."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: dict[str, dict[str, str]] = {}
        self._fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._fields = self.forms.setdefault(given.get("action", ""), {})
        elif tag == "input" and "name" in given:
            self._fields[given["name"]] = given.get("value", "")


def forms_of(answer: httpx.Response) -> dict[str, dict[str, str]]:
    """Return the fields of a page's forms, by where each is sent."""
    found = _Inputs()
    found.feed(answer.text)
    return found.forms


def words_of(answer: httpx.Response) -> str:
    """Return what a page says to its reader."""
    text = unescape(re.sub(r"<[^>]+>", " ", answer.text))
    return " ".join(text.split())


class Browser:
    """Keeps cookies, and sends forms as the page gave them."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def get(self, path: str, **query: str) -> httpx.Response:
        answer = await self.http.get(path, params=query or None)
        while answer.status_code == 303:
            answer = await self.http.get(answer.headers["location"])
        return answer

    async def post(self, path: str, fields: dict[str, str], **more: Any) -> httpx.Response:
        return await self.http.post(path, data=fields, **more)

    async def sign_in(self, secret: str, **fields: str) -> httpx.Response:
        return await self.post("/console/sign-in", {"key": secret, **fields})

    async def fill(self, path: str, **typed: str) -> httpx.Response:
        """Open the page of a form, and send it with what is typed."""
        page = await self.get(path)
        assert page.status_code == 200, page.text
        return await self.post(path, forms_of(page)[path] | typed)
