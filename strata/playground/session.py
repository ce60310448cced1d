"""One page: its WebSocket on one side, its room process on the other."""

from __future__ import annotations

import asyncio
import itertools
import json
import multiprocessing
import secrets
import struct
import time
from contextlib import suppress
from importlib import import_module
from multiprocessing import forkserver
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from strata.playground.guard import LOG
from strata.playground.limits import LIMITS

__all__ = ["Session", "Sessions", "TooManyError"]

_PRELOAD = ["strata.playground.preload"]
_MOST_OUT = 512


class TooManyError(RuntimeError):
    """More pages are open than are allowed."""


class Session:
    """The bridge between a page and its room.

    Parameters
    ----------
    context : multiprocessing context
        Starts the room.

    Attributes
    ----------
    name : str
        What the page calls it by in its requests over HTTP.
    """

    def __init__(self, context: Any) -> None:
        self.name = secrets.token_urlsafe(16)
        self._link, theirs = context.Pipe()
        self._process = context.Process(target=_start_room, args=(theirs, self.name))
        self._process.start()
        theirs.close()
        self._out: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._in: asyncio.Queue[bytes | None] = asyncio.Queue(LIMITS.waiting)
        self._requests: dict[int, asyncio.Future[bytes]] = {}
        self._numbers = itertools.count(1)
        self._frames_out = 0

    async def serve(self, socket: WebSocket) -> None:
        """Carry messages both ways until one side is gone."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._link.fileno(), self._from_room)
        tasks = [
            asyncio.create_task(work) for work in (self._to_page(socket), self._to_room(), self._from_page(socket))
        ]
        try:
            _, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in rest:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            loop.remove_reader(self._link.fileno())
            await self.close()
            with suppress(RuntimeError, WebSocketDisconnect):
                await socket.close(1001)

    async def close(self) -> None:
        """End the room; kill it where it does not end by itself."""
        for future in self._requests.values():
            future.cancel()
        self._link.close()
        await asyncio.to_thread(self._process.join, 3.0)
        if self._process.is_alive():
            self._process.kill()
            await asyncio.to_thread(self._process.join, 3.0)

    # -- room to page ---------------------------------------------------------------------------------

    def _from_room(self) -> None:
        """Take one message of the room; it is called by the loop when there is one."""
        try:
            data = self._link.recv_bytes()
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._link.fileno())
            self._out.put_nowait(None)
            return
        if data[:1] == b"R":
            (number,) = struct.unpack("<Q", data[1:9])
            future = self._requests.pop(number, None)
            if future is not None and not future.done():
                future.set_result(data[9:])
            return
        if self._out.qsize() >= _MOST_OUT:
            LOG.warning("refused: a page that does not read its answers")
            self._out.put_nowait(None)
            return
        self._out.put_nowait(data)

    async def _to_page(self, socket: WebSocket) -> None:
        while (data := await self._out.get()) is not None:
            try:
                if data[:1] == b"B":
                    await socket.send_bytes(data[1:])
                else:
                    await socket.send_text(data[1:].decode())
            except (WebSocketDisconnect, RuntimeError):
                return

    # -- page to room ---------------------------------------------------------------------------------

    async def _from_page(self, socket: WebSocket) -> None:
        allowance, last = 2.0 * LIMITS.messages, time.monotonic()
        while True:
            try:
                message = await socket.receive()
            except RuntimeError:
                return
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if text is None or len(text) > LIMITS.message:
                LOG.warning("refused: a message that is no text of at most %d characters", LIMITS.message)
                await socket.close(1009 if text else 1003)
                return
            now = time.monotonic()
            allowance = min(2.0 * LIMITS.messages, allowance + (now - last) * LIMITS.messages) - 1
            last = now
            if allowance < 0 or self._in.full():
                LOG.warning("refused: a page that sends more than %d messages a second", LIMITS.messages)
                await socket.close(1008)
                return
            self._in.put_nowait(b"P" + text.encode("utf-8", "replace"))

    async def _to_room(self) -> None:
        while (data := await self._in.get()) is not None:
            try:
                await asyncio.to_thread(self._link.send_bytes, data)
            except OSError:
                return

    async def request(self, value: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Ask the room for something over HTTP's side.

        Parameters
        ----------
        value : dict
            Plain values with ``do``.

        Returns
        -------
        answer : dict
            With ``ok``, and ``error`` where that is False.
        file : bytes
            Where one was asked for.
        """
        number = next(self._numbers)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._requests[number] = future
        await self._in.put(b"I" + struct.pack("<Q", number) + json.dumps(value).encode())
        try:
            answer, _, file = (await asyncio.wait_for(future, 60.0)).partition(b"\0")
        finally:
            self._requests.pop(number, None)
        return json.loads(answer), file


class Sessions:
    """All pages, as many as are allowed.

    Attributes
    ----------
    by_name : dict of str to Session
        Those that are open.
    """

    def __init__(self) -> None:
        self.by_name: dict[str, Session] = {}
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_PRELOAD)
        self._opening = 0

    def warm_up(self) -> None:
        """Start the fork server, which loads the library while nobody waits for it yet."""
        forkserver.ensure_running()

    async def serve(self, socket: WebSocket) -> None:
        """Open a session for a WebSocket that was accepted, and serve it to its end.

        Raises
        ------
        TooManyError
            If too many pages are open.
        """
        if len(self.by_name) + self._opening >= LIMITS.sessions:
            raise TooManyError(f"At most {LIMITS.sessions} pages can be open at a time. Close another one.")
        self._opening += 1
        try:
            session = await asyncio.to_thread(Session, self._context)
        finally:
            self._opening -= 1
        self.by_name[session.name] = session
        try:
            await session.serve(socket)
        finally:
            self.by_name.pop(session.name, None)


def _start_room(connection: Any, name: str) -> None:
    """Run in the new process, where the room's modules are loaded already; the server itself never loads them."""
    import_module("strata.playground.room").run_room(connection, name)
