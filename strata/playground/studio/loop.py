"""The loop of these rooms: what the page says, what the training process says, and a frame when it is time."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from pydantic import ValidationError

from strata.playground.frames import pack_frame
from strata.playground.messages import MessageError, explain, parse_message, say
from strata.playground.studio.codes import Codes
from strata.playground.studio.messages import ADAPTER, OpenRoom
from strata.playground.studio.pictures import Pictures
from strata.playground.studio.studio import Studio

__all__ = ["asks_for_room", "run_studio"]

_ROOMS: dict[str, type[Studio]] = {"pictures": Pictures, "codes": Codes}
_EXPECTED = (ValueError, TypeError, LookupError, ArithmeticError, OSError)


def asks_for_room(body: bytes) -> bool:
    """Whether a message of the page asks for another room; it is checked when that opens.

    Parameters
    ----------
    body : bytes
        JSON.

    Returns
    -------
    asks : bool
        True for the verb ``open``.

    Examples
    --------
    >>> asks_for_room(b'{"do": "open", "id": 1, "room": "codes"}'), asks_for_room(b'{"do": "play", "id": 1}')
    (True, False)
    """
    if len(body) > 200:
        return False
    with suppress(MessageError):
        return isinstance(parse_message(body, ADAPTER), OpenRoom)
    return False


def run_studio(connection: Connection, body: bytes) -> None:
    """Serve one of these rooms until the page leaves.

    Parameters
    ----------
    connection : Connection
        To the server, as of :func:`strata.playground.room.run_room`.
    body : bytes
        The message that asked for the room.
    """
    loop = _Loop(connection, body)
    with suppress(EOFError, OSError):
        loop.go()
    loop.room.close()


class _Loop:
    def __init__(self, connection: Connection, body: bytes) -> None:
        self.connection = connection
        self.number = 0
        self.next: bytes | None = None
        self._enter(body)

    def _enter(self, body: bytes) -> None:
        message = parse_message(body, ADAPTER)
        self.room: Studio = _ROOMS[message.room]((self.connection,))
        self.say({"re": message.id, "ok": True, "room": message.room, **self.room.hello(), **self.room.view()})

    def say(self, value: dict[str, Any]) -> None:
        """Send JSON to the page."""
        self.connection.send_bytes(b"J" + say(value))

    def go(self) -> None:
        """Take whatever comes, and draw when it is time."""
        while True:
            room = self.room
            ready = wait(
                [self.connection, room.trainer.link], timeout=room.pace.rest(time.monotonic()) if room.busy else None
            )
            if room.trainer.link in ready:
                self._take()
            if self.connection in ready:
                self._hear(self.connection.recv_bytes())
            self._draw()

    def _take(self) -> None:
        try:
            message = self.room.trainer.link.recv()
        except (EOFError, OSError):
            self.room.revive()
            self.say({"event": "failed", "error": "The training process ended. It was started anew."})
        else:
            before = (self.room.running, self.room.over)
            if told := self.room.take(message):
                self.say(told)
            if before == (self.room.running, self.room.over):
                return  # frames carry the epoch
        self.say({"event": "state", "side": "a", "state": self.room.state()})

    def _draw(self) -> None:
        now = time.monotonic()
        room = self.room
        if room.dirty and room.pace.may_send(now):
            self.number += 1
            header, arrays = room.frame(self.number)
            room.pace.sent(self.number, now)
            self.connection.send_bytes(b"B" + pack_frame(header, arrays))
        room.gather(now)

    def _hear(self, data: bytes) -> None:
        kind, body = data[:1], data[1:]
        if kind == b"I":
            refusal = {"ok": False, "error": "This room takes no files. Open the room Neurons."}
            self.connection.send_bytes(b"R" + body[:8] + say(refusal) + b"\0")
            return
        number: int | None = None
        try:
            message = parse_message(body, ADAPTER)
            number = message.id
            if isinstance(message, OpenRoom):
                self.room.close()
                self._enter(body)
                return
            if message.do == "ack":
                self.room.acknowledge(message.frame)
                return
            answer = {"re": number, "ok": True, **self._answer(message)}
        except MessageError as error:
            answer = {"re": error.id, "ok": False, "error": str(error)}
        except ValidationError as error:
            answer = {"re": number, "ok": False, "error": explain(error)}
        except _EXPECTED as error:
            answer = {"re": number, "ok": False, "error": " ".join(str(error).split())[:1000]}
        except Exception as error:  # the room must outlive a fault of its own
            answer = {"re": number, "ok": False, "error": f"A fault of strata: {type(error).__name__}: {error}"[:1000]}
        self.say(answer)

    def _answer(self, message: Any) -> dict[str, Any]:
        room = self.room
        verbs: dict[str, Callable[[], dict[str, Any]]] = {
            "configure": lambda: room.configure(message.changes),
            "play": room.play,
            "pause": room.pause,
            "step": lambda: room.step(message.epochs),
            "reset": lambda: room.reset(new_seed=message.new_seed),
            "speed": lambda: room.limit(message.epochs_per_second),
        }
        if message.do in verbs:
            return verbs[message.do]()
        return room.own_verb(message)
