"""The gRPC channel of a provider: one connection, opened with the process."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import grpc
from grpc import aio

from perdure.core.errors import ConfigurationError
from perdure.providers.credentials import GrpcSettings, tls_context
from perdure.providers.grpc_traces import trace_interceptors, traced_channel
from perdure.providers.http_client import is_this_machine

_OPTIONS: Final[dict[str, Any]] = {
    # Whether a call is made again is decided by us, who know what it would do.
    "grpc.enable_retries": 0,
    "grpc.service_config_disable_resolution": 1,
    # Only while calls are under way: servers close the connection of who pings them idly.
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 5_000,
    "grpc.keepalive_permit_without_calls": 0,
    # A server that was away is tried again within a second, not after minutes.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": 1_000,
    "grpc.max_reconnect_backoff_ms": 1_000,
    # An answer that is too large would be refused here as RESOURCE_EXHAUSTED, as if nothing had
    # been done.
    "grpc.max_receive_message_length": -1,
    # Channels of one address would share a connection, and one who closes it would cut the other.
    "grpc.use_local_subchannel_pool": 1,
}

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class GrpcLink:
    """A provider's channel, and what every call over it has.

    Args:
        channel: What stubs are made with.
        timeout_s: A call's deadline, in seconds, connecting included.
        metadata: Sent with every call.
    """

    channel: aio.Channel
    timeout_s: float
    metadata: Metadata = ()


@dataclass(frozen=True, slots=True)
class BlockingGrpcLink:
    """The same of gRPC's blocking API; see `GrpcLink`."""

    channel: grpc.Channel
    timeout_s: float
    metadata: Metadata = ()


def grpc_link(settings: GrpcSettings, *, timeout_s: float) -> GrpcLink:
    """Return a channel, which its caller closes; nothing is connected yet.

    Raises:
        ConfigurationError: The URL is none of gRPC, or a certificate cannot be used.
    """
    target, secure, options = _told(settings)
    channel = (
        aio.secure_channel(
            target, _credentials(settings), options, interceptors=trace_interceptors()
        )
        if secure
        else aio.insecure_channel(target, options, interceptors=trace_interceptors())
    )
    return GrpcLink(channel, timeout_s, _metadata(settings))


def blocking_grpc_link(settings: GrpcSettings, *, timeout_s: float) -> BlockingGrpcLink:
    """Return a channel of gRPC's blocking API; see `grpc_link`."""
    target, secure, options = _told(settings)
    channel = (
        grpc.secure_channel(target, _credentials(settings), options)
        if secure
        else grpc.insecure_channel(target, options)
    )
    return BlockingGrpcLink(traced_channel(channel), timeout_s, _metadata(settings))


def _told(settings: GrpcSettings) -> tuple[str, bool, list[tuple[str, Any]]]:
    """Return the target, whether it is reached by TLS, and the channel's options.

    Nothing on this machine is asked through a proxy.
    """
    try:
        parts = urlsplit(settings.url)
        is_grpc = parts.scheme in {"grpc", "grpcs"} and bool(parts.hostname and parts.port)
    except ValueError:
        is_grpc = False
    if not is_grpc or parts.path.strip("/") or "@" in parts.netloc:
        shown = settings.url.rpartition("@")[2]  # without a password
        raise ConfigurationError(
            f"{shown} is no URL of gRPC; give one as grpcs://example.com:443, or grpc://… without"
            " TLS."
        )
    uses_proxy = int(not is_this_machine(parts.hostname or ""))
    options = {**_OPTIONS, "grpc.enable_http_proxy": uses_proxy}
    return parts.netloc, parts.scheme == "grpcs", list(options.items())


def _credentials(settings: GrpcSettings) -> grpc.ChannelCredentials:
    # gRPC says nothing of files that it cannot use; Python's own TLS does.
    tls_context(ca=settings.ca, certificate=settings.client_certificate, key=settings.client_key)
    return grpc.ssl_channel_credentials(
        root_certificates=_content(settings.ca),
        private_key=_content(settings.client_key),
        certificate_chain=_content(settings.client_certificate),
    )


def _content(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()


def _metadata(settings: GrpcSettings) -> Metadata:
    return tuple((name.lower(), value) for name, value in settings.headers().items())
