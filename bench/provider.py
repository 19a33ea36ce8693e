"""The outside world of the benchmark: one HTTP server that says yes at once, and counts.

It answers in the shapes of Perdure's providers; every peer calls the same server. Its books tell
whether a peer charged or messaged anybody twice.
"""

import argparse
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

import uvicorn

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CHARGES: Final = "/v1/charges"
MESSAGES: Final = "/v1/messages"
SCORES: Final = "/v1/scores"
BOOKS: Final = "/books"


class Provider:
    """An ASGI application that keeps its books in memory."""

    def __init__(self) -> None:
        self._charges: Counter[str] = Counter()
        self._charged_minor = 0
        self._messages: Counter[str] = Counter()

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Do what is asked, and return the answer."""
        if path == CHARGES:
            reference = body["reference"]
            self._charges[reference] += 1
            self._charged_minor += body["amount_minor"]
            return {
                "id": f"ch_{reference}",
                "reference": reference,
                "amount_minor": body["amount_minor"],
                "currency": body["currency"],
                "status": "succeeded",
            }
        if path == MESSAGES:
            reference = body["reference"]
            self._messages[reference] += 1
            return {"id": f"msg_{reference}", "reference": reference}
        if path == SCORES:
            return {"verdict": "pass", "score": 1}
        return {
            "charges": self._charges.total(),
            "charge_references": len(self._charges),
            "charged_minor": self._charged_minor,
            "messages": self._messages.total(),
            "message_references": len(self._messages),
        }

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        content = json.dumps(self.answer(scope["path"], json.loads(body or b"{}"))).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    uvicorn.run(
        Provider(),
        host="127.0.0.1",
        port=port,
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=600,
    )


if __name__ == "__main__":
    main()
