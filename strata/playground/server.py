"""The local server: the page's files, the exchange of the token, uploads, downloads, and a WebSocket for each page."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from strata.playground.guard import LOG, Gate, Guard
from strata.playground.limits import LIMITS
from strata.playground.session import Session, Sessions, TooManyError

__all__ = ["Playground", "serve"]

_STATIC = Path(__file__).parent / "static"
_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_PLAIN_BODY = 4096


class _RefusedError(Exception):
    """A request that is refused, with its status and one sentence."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Playground:
    """The application of one server.

    Parameters
    ----------
    port : int
        Where it listens.

    Attributes
    ----------
    gate : Gate
        The token and the key.
    sessions : Sessions
        The pages that are open.
    app : ASGI application
        Guarded.
    """

    def __init__(self, port: int) -> None:
        self.gate = Gate()
        self.sessions = Sessions()
        self._files = _closed_list()
        routes = [
            Route("/", self._file, methods=["GET"]),
            Route("/favicon.ico", self._file, methods=["GET"]),
            Route("/static/{name:path}", self._file, methods=["GET"]),
            Route("/session", self._checked(self._session), methods=["POST"]),
            Route("/upload/data", self._checked(self._upload_data), methods=["POST"]),
            Route("/upload/model", self._checked(self._upload_model), methods=["POST"]),
            Route("/download/model", self._checked(self._download), methods=["GET"]),
            Route("/download/python", self._checked(self._download), methods=["GET"]),
            WebSocketRoute("/ws", self._socket),
        ]
        self.app: Any = Guard(Starlette(routes=routes), port=port)

    # -- files ----------------------------------------------------------------------------------------

    async def _file(self, request: Request) -> Response:
        """Answer a file of the closed list; the name in the address is compared, never opened."""
        path = request.scope["path"]
        name = "index.html" if path == "/" else path.removeprefix("/static/")
        if name == "/favicon.ico":
            return Response(status_code=204)
        found = self._files.get(name)
        if found is None:
            LOG.warning("refused: no such file (%r)", path[:80])
            return JSONResponse({"error": "There is no such file."}, 404)
        return Response(found[0], media_type=found[1])

    # -- the token ------------------------------------------------------------------------------------

    def _checked(self, answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
        """Turn refusals into one line of the log and an answer."""

        async def checked(request: Request) -> Response:
            try:
                response: Response = await answer(request)
            except _RefusedError as error:
                LOG.warning("refused: %s (%s)", error, request.scope["path"])
                return JSONResponse({"error": str(error)}, error.status)
            except ClientDisconnect:
                return Response(status_code=400)
            return response

        return checked

    async def _session(self, request: Request) -> Response:
        _check_type(request, "application/json")
        body = await _body(request, _PLAIN_BODY)
        try:
            token = json.loads(body)["token"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise _RefusedError(400, 'The body must be {"token": ...}.') from None
        key = self.gate.exchange(token) if isinstance(token, str) else None
        if key is None:
            raise _RefusedError(401, "The token is wrong or was used already. Start strata playground again.")
        return JSONResponse({"key": key})

    def _check_key(self, request: Request) -> Session:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not self.gate.knows(key):
            raise _RefusedError(401, "The key is wrong. Open the address that strata playground printed.")
        session = self.sessions.by_name.get(request.headers.get("x-strata-session", ""))
        if session is None:
            raise _RefusedError(404, "There is no such session. Reload the page.")
        return session

    # -- uploads and downloads ------------------------------------------------------------------------

    async def _upload_data(self, request: Request) -> Response:
        session = self._check_key(request)
        _check_type(request, "text/csv")
        return await self._hand_over(session, request, "data", LIMITS.data)

    async def _upload_model(self, request: Request) -> Response:
        session = self._check_key(request)
        _check_type(request, "application/zip")
        return await self._hand_over(session, request, "model", LIMITS.model)

    async def _hand_over(self, session: Session, request: Request, kind: str, most: int) -> Response:
        """Write a body to a temporary file, as far as it is allowed, and let the room read it."""
        _check_length(request, most)
        handle, path = tempfile.mkstemp(prefix="strata-upload-")
        try:
            with os.fdopen(handle, "wb") as file:
                size = 0
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > most:
                        raise _RefusedError(413, f"The body must be at most {most} bytes.")
                    file.write(chunk)
            try:
                answer, _ = await session.request({"do": f"upload {kind}", "path": path})
            except (TimeoutError, asyncio.CancelledError):
                raise _RefusedError(503, "The room did not answer.") from None
        finally:
            Path(path).unlink(missing_ok=True)
        if not answer.pop("ok"):
            raise _RefusedError(422, str(answer["error"]))
        return JSONResponse(answer)

    async def _download(self, request: Request) -> Response:
        session = self._check_key(request)
        kind = request.scope["path"].rsplit("/", 1)[1]
        try:
            answer, file = await session.request({"do": f"download {kind}"})
        except (TimeoutError, asyncio.CancelledError):
            raise _RefusedError(503, "The room did not answer.") from None
        if not answer["ok"]:
            raise _RefusedError(409, str(answer["error"]))
        types = {"model": ("application/zip", "model.zip"), "python": ("text/x-python", "playground.py")}
        media, name = types[kind]
        return Response(file, media_type=media, headers={"content-disposition": f'attachment; filename="{name}"'})

    # -- the page -------------------------------------------------------------------------------------

    async def _socket(self, websocket: WebSocket) -> None:
        offered = websocket.scope.get("subprotocols", [])
        keys = [name.removeprefix("key.") for name in offered if name.startswith("key.")]
        if "strata" not in offered or len(keys) != 1 or not self.gate.knows(keys[0]):
            LOG.warning("refused: wrong key (WebSocket)")
            await websocket.close(1008)
            return
        await websocket.accept(subprotocol="strata")
        try:
            await self.sessions.serve(websocket)
        except TooManyError as error:
            LOG.warning("refused: %s", error)
            await websocket.send_text(json.dumps({"event": "failed", "error": str(error)}))
            await websocket.close(1013)


def _closed_list() -> dict[str, tuple[bytes, str]]:
    """Return every file of the page by its name, read once."""
    found = {}
    for path in sorted(_STATIC.rglob("*")):
        kind = _KINDS.get(path.suffix)
        if kind is not None and path.is_file() and not path.is_symlink():
            found[path.relative_to(_STATIC).as_posix()] = (path.read_bytes(), kind)
    return found


def _check_type(request: Request, wanted: str) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != wanted:
        raise _RefusedError(415, f"The body must be of type {wanted}.")


def _check_length(request: Request, most: int) -> None:
    stated = request.headers.get("content-length")
    if stated is not None and (not stated.isdigit() or int(stated) > most):
        raise _RefusedError(413, f"The body must be at most {most} bytes.")


async def _body(request: Request, most: int) -> bytes:
    """Return a body of at most so many bytes; what is longer is not read to its end."""
    _check_length(request, most)
    parts, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise _RefusedError(413, f"The body must be at most {most} bytes.")
        parts.append(chunk)
    return b"".join(parts)


def serve(*, port: int = 0, ready: Callable[[str, uvicorn.Server], None]) -> None:
    """Serve on the loopback interface until stopped.

    Parameters
    ----------
    port : int, default=0
        0 takes a free one.
    ready : callable
        ``ready(address, server)`` is called when the server listens; the address holds the token.

    Raises
    ------
    OSError
        If the port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with listener:
        listener.bind(("127.0.0.1", port))
        port = listener.getsockname()[1]
        playground = Playground(port)
        config = uvicorn.Config(
            playground.app,
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,
            ws="websockets-sansio",
            ws_max_size=LIMITS.message,
            ws_per_message_deflate=False,
            limit_concurrency=4 * LIMITS.sessions + 32,
            server_header=False,
            timeout_graceful_shutdown=3,
            lifespan="off",
        )
        server = uvicorn.Server(config)
        address = f"http://127.0.0.1:{port}/#token={playground.gate.token}"

        async def announce() -> None:
            while not server.started:
                await asyncio.sleep(0.01)
            ready(address, server)

        async def run() -> None:
            announcing = asyncio.create_task(announce())
            playground.sessions.warm_up()
            await server.serve(sockets=[listener])
            announcing.cancel()

        asyncio.run(run())
