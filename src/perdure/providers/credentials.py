"""How we say who we are to a provider: a key, a password, a signature, a certificate."""

import base64
import binascii
import hashlib
import hmac
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Final, Self

import aiohttp
from aiohttp.payload import Payload
from pydantic import AfterValidator, SecretStr, model_validator

from perdure.core.clock import Clock, utc_now
from perdure.core.errors import ConfigurationError
from perdure.core.settings import EnvironmentSettings

_IDEMPOTENCY_KEY: Final = "idempotency-key"


def _of_base64(secret: SecretStr) -> SecretStr:
    try:
        is_key = bool(base64.b64decode(secret.get_secret_value(), validate=True))
    except binascii.Error:
        is_key = False
    if not is_key:
        raise ValueError("it is no base64")
    return secret


def _for_a_header(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not (text.isascii() and text.isprintable()):
        raise ValueError("it has characters that no header takes")
    return secret


class ProviderSettings(EnvironmentSettings):
    """Where a provider is, and how it knows us.

    Args:
        url: Where it is.
        api_key: Sent as `Authorization: Bearer …`.
        client_certificate, client_key: Files in PEM: we are known by our certificate.
        ca: A file in PEM: who signed the provider's certificate; nobody else is trusted then.
    """

    url: str
    api_key: Annotated[SecretStr, AfterValidator(_for_a_header)] | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    ca: Path | None = None

    pairs: ClassVar[tuple[tuple[str, str], ...]] = (("client_certificate", "client_key"),)
    """Settings of which none makes sense without the other."""

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        for one, other in self.pairs:
            if (getattr(self, one) is None) != (getattr(self, other) is None):
                raise ValueError(f"{one.upper()} and {other.upper()} go together")
        if self.sends_secrets and "@" in self.url.partition("://")[2].partition("/")[0]:
            raise ValueError("the URL has a password already")
        return self

    @property
    def sends_secrets(self) -> bool:
        """Whether what is sent would let who reads it act as us."""
        return self.api_key is not None

    @property
    def address(self) -> str:
        """Where it is, as people are shown it: without a password."""
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}"

    def headers(self) -> dict[str, str]:
        """Return what every request carries."""
        if self.api_key is None:
            return {}
        return {"Authorization": f"Bearer {self.api_key.get_secret_value()}"}


class GrpcSettings(ProviderSettings):
    """Where a provider over gRPC is, and how it knows us.

    Args:
        url: `grpcs://host:port`, or `grpc://host:port` without TLS.
        api_key: Sent as `authorization: Bearer …` with every call.
        client_certificate, client_key: Files in PEM: we are known by our certificate.
        ca: A file in PEM: who signed the provider's certificate; nobody else is trusted then.
    """


class HttpSettings(ProviderSettings):
    """Where a provider over HTTP is, and how it knows us.

    Args:
        url: What every path goes under.
        api_key: Sent as `Authorization: Bearer …`.
        user, password: Sent as `Authorization: Basic …`.
        hmac_key: Signs every request; see `Signature`. In base64.
        hmac_key_id: What the provider calls that key.
        client_certificate, client_key: Files in PEM: we are known by our certificate.
        client_key_password: Where the key is encrypted.
        ca: A file in PEM: who signed the provider's certificate; nobody else is trusted then.
    """

    user: str | None = None
    password: SecretStr | None = None
    hmac_key: Annotated[SecretStr, AfterValidator(_of_base64)] | None = None
    hmac_key_id: str | None = None
    client_key_password: SecretStr | None = None

    pairs: ClassVar[tuple[tuple[str, str], ...]] = (
        ("user", "password"),
        ("hmac_key", "hmac_key_id"),
        *ProviderSettings.pairs,
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.api_key and self.user:
            raise ValueError("give API_KEY, or USER and PASSWORD, not both")
        return self

    @property
    def sends_secrets(self) -> bool:
        """Whether what is sent would let who reads it act as us."""
        return self.api_key is not None or self.user is not None

    def headers(self) -> dict[str, str]:
        """Return what every request carries."""
        if self.user is not None and self.password is not None:
            both = f"{self.user}:{self.password.get_secret_value()}"
            return {"Authorization": f"Basic {base64.b64encode(both.encode()).decode()}"}
        return super().headers()

    def middlewares(self) -> Sequence[aiohttp.ClientMiddlewareType]:
        """Return what looks at every request before it is sent."""
        if self.hmac_key is None or self.hmac_key_id is None:
            return ()
        key = base64.b64decode(self.hmac_key.get_secret_value())
        return (Signature(key, self.hmac_key_id).sign,)

    def tls(self) -> ssl.SSLContext | bool:
        """Return how certificates are shown and checked; True: as everybody does.

        Raises:
            ConfigurationError: A file cannot be read, or is not what it should be.
        """
        return tls_context(
            ca=self.ca,
            certificate=self.client_certificate,
            key=self.client_key,
            key_password=self.client_key_password,
        )


def tls_context(
    *,
    ca: Path | None,
    certificate: Path | None = None,
    key: Path | None = None,
    key_password: SecretStr | None = None,
) -> ssl.SSLContext | bool:
    """Return how certificates are shown and checked; True: as everybody does.

    Raises:
        ConfigurationError: A file cannot be read, or is not what it should be.
    """
    if ca is None and certificate is None:
        return True
    try:
        context = ssl.create_default_context(cafile=ca)
        if certificate is not None:
            secret = key_password.get_secret_value() if key_password else ""
            # Without it, OpenSSL would ask whoever sits at the terminal.
            context.load_cert_chain(certificate, key, password=lambda: secret)
    except OSError as error:  # ssl.SSLError too
        named = ", ".join(str(path) for path in (ca, certificate, key) if path)
        raise ConfigurationError(
            f"The certificates in {named} cannot be used: {error.strerror or error}."
        ) from None
    return context


class Signature:
    """Signs requests as HTTP Message Signatures do (RFC 9421), with `hmac-sha256`.

    Signed are `@method`, `@authority`, `@path`, `@query`; of a request with a body
    `content-digest` too, which is its SHA-256 (RFC 9530); and `idempotency-key` where there is one;
    with the time (`created`) and the key's id (`keyid`). The signature's label is `perdure`.

    Args:
        key: Shared with the provider.
        key_id: What the provider calls it.
    """

    def __init__(self, key: bytes, key_id: str, clock: Clock = utc_now) -> None:
        self._key = key
        self._key_id = key_id
        self._clock = clock

    async def sign(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Sign a request, and have it sent."""
        url = request.url
        query = url.raw_query_string
        parts = {
            '"@method"': request.method,
            '"@authority"': url.host_port_subcomponent or "",
            '"@path"': url.raw_path,
            '"@query"': f"?{query}",
        }
        if isinstance(request.body, Payload):
            digest = hashlib.sha256(await request.body.as_bytes()).digest()
            request.headers["Content-Digest"] = f"sha-256={_binary(digest)}"
            parts['"content-digest"'] = request.headers["Content-Digest"]
        if _IDEMPOTENCY_KEY in request.headers:
            parts[f'"{_IDEMPOTENCY_KEY}"'] = request.headers[_IDEMPOTENCY_KEY]
        created = int(self._clock().timestamp())
        given = f'({" ".join(parts)});created={created};keyid="{self._key_id}";alg="hmac-sha256"'
        request.headers["Signature-Input"] = f"perdure={given}"
        request.headers["Signature"] = f"perdure={signed(self._key, parts, given)}"
        return await handler(request)


def signed(key: bytes, parts: dict[str, str], given: str) -> str:
    """Return the signature of a message's parts (RFC 9421, section 2.5)."""
    lines = [f"{name}: {value}" for name, value in parts.items()]
    base = "\n".join([*lines, f'"@signature-params": {given}'])
    return _binary(hmac.digest(key, base.encode(), "sha256"))


def _binary(value: bytes) -> str:
    return f":{base64.b64encode(value).decode()}:"
