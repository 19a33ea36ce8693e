"""Temporal's remote codec: its UI and command line show payloads to those who may see them."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from google.protobuf.json_format import MessageToJson, Parse, ParseError
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.cors import CORSMiddleware
from temporalio.api.common.v1 import Payloads

from perdure.api import health
from perdure.api.authentication import house_caller_with
from perdure.api.errors import handle
from perdure.api.keys import ApiKey
from perdure.api.request_context import RequestContext
from perdure.api.scopes import DECODE
from perdure.api.shares import RequestShares
from perdure.bootstrap import Platform
from perdure.codec_server import sign_in
from perdure.codec_server.decoding import Decoding
from perdure.codec_server.settings import CodecServerSettings
from perdure.core.errors import InvalidInput

router = APIRouter()

_NAMESPACE_LENGTH_MAX: Final = 255
_HEADERS: Final = ("authorization", "content-type", "x-namespace")


@router.post("/decode")
async def decode(
    request: Request, caller: Annotated[ApiKey, Depends(house_caller_with(DECODE))]
) -> Response:
    """Answer payloads in the clear, and keep who asked; nothing is encoded here."""
    try:
        asked = Parse(await request.body(), Payloads(), ignore_unknown_fields=True)
    except (ParseError, UnicodeDecodeError) as error:
        raise InvalidInput(
            'The body is not Temporal\'s: {"payloads": [{"metadata": {…}, "data": …}]}.',
            code="invalid_json",
        ) from error
    decoding: Decoding = request.app.state.decoding
    decoded = await decoding.decode(
        asked.payloads,
        actor=caller.actor,
        namespace=request.headers.get("x-namespace", "")[:_NAMESPACE_LENGTH_MAX],
        request_id=request.state.request_id,
    )
    return Response(MessageToJson(Payloads(payloads=decoded)), media_type="application/json")


def create_app(platform: Platform, own: CodecServerSettings) -> FastAPI:
    """Return the application; the platform stays its caller's to close."""
    app = FastAPI(openapi_url=None)
    settings, codec = platform.settings, platform.client.data_converter.payload_codec
    assert codec is not None, "one that tells of missing keys, at least"
    app.state.platform = platform
    app.state.is_migrated = False
    app.state.decoding = Decoding(platform.pool, codec)
    app.state.shares = RequestShares(
        customers_per_s=settings.api_requests_per_second_max,
        house_per_s=settings.api_house_requests_per_second_max,
    )
    for part in (router, sign_in.router, health.router):
        app.include_router(part)
    app.add_exception_handler(HTTPException, handle)
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=own.body_bytes_max)
    app.add_middleware(sign_in.KeyOfCookie, origins=own.origins)
    app.add_middleware(RequestContext, body_bytes_max=own.body_bytes_max)
    # Outermost: a page is to be able to read what was wrong, too.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=own.origins,
        allow_methods=["POST"],
        allow_headers=_HEADERS,
        allow_credentials=True,
    )
    return app
