"""Who may speak to the server: exact host and origin, a token that is used once, and a key for what follows."""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

__all__ = ["Gate", "Guard", "LOG", "policy"]

LOG = logging.getLogger("strata.playground")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def policy(port: int) -> str:
    """Return the content-security policy of every answer.

    Parameters
    ----------
    port : int
        Where the server listens.

    Returns
    -------
    policy : str
        Value of the header.
    """
    return (
        "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; script-src 'self'; "
        f"connect-src 'self' ws://127.0.0.1:{port} ws://localhost:{port}; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )


class Gate:
    """The token of the address, and the key that it is exchanged for.

    Attributes
    ----------
    token : str
        256 random bits; spent by the first exchange.
    """

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(32)
        self._key = secrets.token_urlsafe(32)
        self._spent = False

    def exchange(self, token: str) -> str | None:
        """Return the key for the token, once; None for any other, or when it is spent."""
        right = hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode())
        if not right or self._spent:
            return None
        self._spent = True
        return self._key

    def knows(self, key: str) -> bool:
        """Whether a key is the right one, in a time that does not tell how much of it was right."""
        return hmac.compare_digest(key.encode("utf-8", "replace"), self._key.encode())


class Guard:
    """Refuse foreign hosts and origins before anything else looks at a request, and put safe headers on every answer.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    port : int
        Of the server.
    """

    def __init__(self, app: App, *, port: int) -> None:
        self._app = app
        self._hosts = (f"127.0.0.1:{port}".encode(), f"localhost:{port}".encode())
        self._origins = tuple(b"http://" + host for host in self._hosts)
        self._headers = [
            (b"content-security-policy", policy(port).encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"x-frame-options", b"DENY"),
            (b"cache-control", b"no-store"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one connection and hand it on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        reason = self._refusal(scope)
        if reason is not None:
            LOG.warning("refused: %s (%s %s)", reason, scope.get("method", "WebSocket"), _shown(scope.get("path", "")))
            await self._refuse(scope, receive, send)
            return

        async def with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *self._headers]
            await send(message)

        await self._app(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> str | None:
        """Return why a connection is refused, or None."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        hosts = [value for name, value in headers if name == b"host"]
        origins = [value for name, value in headers if name == b"origin"]
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return f"foreign host {_shown(b', '.join(hosts))}"
        if len(origins) > 1 or (origins and origins[0] not in self._origins):
            return f"foreign origin {_shown(b', '.join(origins))}"
        changes = scope["type"] == "websocket" or scope.get("method") not in ("GET", "HEAD")
        if changes and (not origins or origins[0] != b"http://" + hosts[0]):
            return "no origin" if not origins else f"foreign origin {_shown(origins[0])}"
        if scope["type"] == "http" and scope.get("method") not in ("GET", "HEAD", "POST"):
            return "method"
        return None

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        body = b'{"error":"This server speaks to its own page only."}'
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 403, "headers": [*headers, *self._headers]})
        await send({"type": "http.response.body", "body": body})


def _shown(value: bytes | str) -> str:
    """Return what a stranger sent as text that can stand in a line of the log."""
    return repr(value[:80])
