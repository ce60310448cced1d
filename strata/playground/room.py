"""The room process: one for each page, between the server and the training process."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

import torch
from pydantic import ValidationError

from strata.playground.exchange import exchange
from strata.playground.frames import pack_frame
from strata.playground.looking import look, surface
from strata.playground.messages import MessageError, explain, parse_message, say
from strata.playground.neurons import Neurons
from strata.playground.proving import Work, start_proof
from strata.playground.side import Side
from strata.playground.studio.loop import asks_for_room, run_studio

__all__ = ["run_room"]

#: What a user can be told about; anything else is a fault of strata.
_EXPECTED = (ValueError, TypeError, LookupError, ArithmeticError, OSError)


def run_room(connection: Connection, session: str) -> None:
    """Serve one page until the server closes the connection.

    Parameters
    ----------
    connection : Connection
        Takes ``P`` + JSON of the page and ``I`` + number + JSON of the server; gives ``J`` + JSON and ``B`` + a frame
        for the page, and ``R`` + number + an answer for the server.
    session : str
        Name of the session.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    with suppress(EOFError, OSError):
        room = _Room(connection, session)
        try:
            room.go()
        finally:
            room.close()
        if room.next_room is not None:
            run_studio(connection, room.next_room)


class _Room:
    def __init__(self, connection: Connection, session: str) -> None:
        self.connection = connection
        self.neurons = Neurons((connection,), self.event)
        self.number = 0
        self.next_room: bytes | None = None  # the page's wish for another room
        self.work: Work | None = None
        self.waiting: list[tuple[int, int]] = []
        self.event({"event": "hello", "session": session, **self.neurons.hello(), **self.neurons.view()})

    def close(self) -> None:
        """End all processes of the room."""
        if self.work is not None:
            self.work.close()
        self.neurons.close()

    # -- speaking -------------------------------------------------------------------------------------

    def event(self, value: dict[str, Any]) -> None:
        """Tell the page something that it did not ask for."""
        self.connection.send_bytes(b"J" + say(value))

    def state(self, side: Side) -> None:
        """Tell the page whether a side runs and where it stands."""
        self.event({"event": "state", "side": side.name, "state": {**side.state(), "speed": self.neurons.speed}})

    # -- the loop -------------------------------------------------------------------------------------

    def go(self) -> None:
        """Take whatever comes, and draw when it is time."""
        while self.next_room is None:
            sides = {side.trainer.link: side for side in self.neurons.sides.values()}
            judges = {side.trainer.verdicts: side for side in self.neurons.sides.values()}
            works = [] if self.work is None else [self.work.connection]
            now = time.monotonic()
            rests = [side.pace.rest(now) for side in sides.values() if side.dirty or side.running]
            for ready in wait([self.connection, *sides, *judges, *works], timeout=min(rests, default=None)):
                if ready is self.connection:
                    self._hear(self.connection.recv_bytes())
                elif ready in sides:
                    self._take(sides[ready])
                elif ready in judges:
                    self._judged(judges[ready])
                elif ready in works:
                    self._worked()
            self._draw()

    def _draw(self) -> None:
        now = time.monotonic()
        for side in list(self.neurons.sides.values()):
            if side.dirty and side.pace.may_send(now):
                self.number += 1
                header, arrays = side.frame(self.number, self.neurons.show, self.neurons.shown())
                side.pace.sent(self.number, now)
                self.connection.send_bytes(b"B" + pack_frame(header, arrays))
        self.neurons.gather(now)
        generation = self.neurons.a.trainer.generation
        for number, asked in [each for each in self.waiting if each[1] != generation]:
            self.waiting.remove((number, asked))
            self.event({"re": number, "ok": False, "error": "The run changed while it was being judged. Ask again."})

    def _take(self, side: Side) -> None:
        """Take a message of a training process."""
        if not side.trainer.link.poll():
            return
        try:
            message = side.trainer.link.recv()
        except (EOFError, OSError):
            side.revive()
            self.event(
                {"event": "failed", "side": side.name, "error": "The training process ended. It was started anew."}
            )
            self.state(side)
            return
        try:
            kind = side.take(message)
        except Exception as error:  # a fault of drawing must not end the room
            side.halt()
            kind, side.told = "failed", f"A fault of strata: {type(error).__name__}: {error}"[:1000]
        if kind in ("ended", "failed"):
            key = "reason" if kind == "ended" else "error"
            self.event({"event": kind, "side": side.name, "epoch": side.epoch, key: side.told})
        if kind is not None:
            self.state(side)

    def _judged(self, side: Side) -> None:
        if not side.trainer.verdicts.poll():  # never wait here: the page must be answered
            return
        try:
            generation, verdicts, error = side.trainer.verdicts.recv()
        except (EOFError, OSError):
            return  # the training process has ended, which its other connection tells too
        if generation != side.trainer.generation:
            return
        waiting, self.waiting = (self.waiting, []) if side is self.neurons.a else ([], self.waiting)
        for number, _ in waiting:
            known = (
                {"ok": True, "verdicts": verdicts} if verdicts else {"ok": False, "error": error or "Nothing was seen."}
            )
            self.event({"re": number, **known})
        if verdicts:
            side.verdicts = verdicts
            self.event({"event": "verdicts", "side": side.name, "epoch": side.epoch, "verdicts": verdicts})

    def _diagnose(self, number: int) -> None:
        """Ask the training process for its verdicts; the answer comes when they do."""
        side = self.neurons.a
        if not side.painter.is_network:
            raise ValueError("The diagnosis is for networks. Choose the mode 'network'.")
        if side.epoch == 0 or not side.live:
            raise ValueError("There is nothing to judge yet at this place. Let the network learn first.")
        if side.over is not None:
            self.event({"re": number, "ok": True, "verdicts": side.verdicts})
            return
        self.waiting.append((number, side.trainer.generation))
        side.trainer.ask_verdicts()

    def _prove(self, code: str, number: int) -> None:
        """Begin a proof; the answer comes when it is done."""
        if self.work is not None:
            raise ValueError("Another proof is running. Wait for its table.")
        self.work = start_proof(self.neurons.a, code, number, (self.connection,))

    def _worked(self) -> None:
        """Take what a proof says."""
        work = self.work
        if work is None:
            return
        try:
            kind, value = work.connection.recv()
        except (EOFError, OSError):
            kind, value = "failed", "The proof ended before its time."
        if kind == "progress":
            self.event({"event": "progress", "what": value, "share": None})
            return
        answer = {"ok": True, **value} if kind == "done" else {"ok": False, "error": value}
        self.event({"re": work.number, **answer})
        work.close()
        self.work = None

    # -- verbs ----------------------------------------------------------------------------------------

    def _hear(self, data: bytes) -> None:
        kind, body = data[:1], data[1:]
        if kind == b"I":
            self.connection.send_bytes(b"R" + body[:8] + exchange(self.neurons, body[8:]))
            return
        if asks_for_room(body):
            self.next_room = body
            return
        number: int | None = None
        try:
            message = parse_message(body)
            number = message.id
            if message.do == "ack":
                self.neurons.acknowledge(message.frame)
                return
            found = self._answer(message)
            if found is None:  # the answer comes when the work is done
                return
            answer = {"re": number, "ok": True, **found}
        except MessageError as error:
            answer = {"re": error.id, "ok": False, "error": str(error)}
        except ValidationError as error:
            answer = {"re": number, "ok": False, "error": explain(error)}
        except _EXPECTED as error:
            text = str(error) if not isinstance(error, KeyError) else f"Unknown: {error}."
            answer = {"re": number, "ok": False, "error": " ".join(text.split())[:1000]}
        except Exception as error:  # the room must outlive a fault of its own
            answer = {"re": number, "ok": False, "error": f"A fault of strata: {type(error).__name__}: {error}"[:1000]}
        self.event(answer)

    def _answer(self, message: Any) -> dict[str, Any] | None:
        neurons = self.neurons
        verbs: dict[str, Callable[[], dict[str, Any] | None]] = {
            "configure": lambda: neurons.configure(message.changes),
            "play": neurons.play,
            "pause": neurons.pause,
            "step": lambda: neurons.step(message.epochs),
            "reset": lambda: neurons.reset(new_seed=message.new_seed),
            "regenerate": neurons.regenerate,
            "speed": lambda: neurons.limit(message.epochs_per_second),
            "edit": lambda: neurons.edit(message.layer, message.from_, message.to, message.value),
            "seek": lambda: neurons.seek(message.epoch),
            "show": lambda: neurons.choose(message.model_dump(exclude={"do", "id"})),
            "points": lambda: neurons.draw(message.points, message.problem),
            "data": lambda: neurons.open_data(message),
            "compare": lambda: neurons.compare(message.b),
            "script": lambda: {"script": neurons.script()},
            "look": lambda: look(neurons.a, message),
            "diagnose": lambda: self._diagnose(message.id),
            "prove": lambda: self._prove(message.code, message.id),
            "apply": lambda: neurons.apply(message.code),
            "surface": lambda: surface(neurons.a, message.span, message.grid),
        }
        if message.do not in verbs:
            raise ValueError(f"`do` {message.do!r} is not available here.")
        answer = verbs[message.do]()
        for side in neurons.sides.values():
            if message.do in ("play", "pause", "step", "reset", "configure", "seek", "edit"):
                self.state(side)
        return answer
