"""A room behind a pipe, and a server on a real port; both are driven as a page drives them."""

import http.client
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from strata.playground.frames import unpack_frame

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = float(os.environ.get("PLAYGROUND_PATIENCE", "240"))


class Lab:
    """A room process and what a page would know of it."""

    def __init__(self) -> None:
        from strata.playground.room import run_room

        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["strata.playground.preload"])
        self.link, theirs = context.Pipe()
        self.process = context.Process(target=run_room, args=(theirs, "test"))
        self.process.start()
        theirs.close()
        self.number, self.events, self.answers = 0, [], []
        self.frame: Any = None
        self.acknowledges = True
        self.hello = self.wait(lambda kind, value: kind == "J" and value.get("event") == "hello")

    def send(self, **message: Any) -> None:
        self.link.send_bytes(b"P" + json.dumps(message).encode())

    def wait(self, wanted: Callable[[str, Any], bool], seconds: float = PATIENCE) -> Any:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.link.poll(0.05):
                continue
            data = self.link.recv_bytes()
            kind, value = data[:1].decode(), data[1:]
            if kind == "B":
                value = self.frame = unpack_frame(value)
                if self.acknowledges:
                    self.send(do="ack", id=0, frame=value[0]["frame"])
            elif kind == "J":
                value = json.loads(value)
                self.events.append(value)
            if wanted(kind, value):
                return value
        raise TimeoutError(f"nothing of the kind came in {seconds} s")

    def do(self, verb: str, **fields: Any) -> dict[str, Any]:
        self.number += 1
        number = self.number
        self.send(do=verb, id=number, **fields)
        return self.wait(lambda kind, value: kind == "J" and value.get("re") == number)

    def good(self, verb: str, **fields: Any) -> dict[str, Any]:
        answer = self.do(verb, **fields)
        assert answer["ok"], answer["error"]
        return answer

    def bad(self, verb: str, **fields: Any) -> str:
        answer = self.do(verb, **fields)
        assert not answer["ok"]
        return answer["error"]

    def event(self, name: str) -> dict[str, Any]:
        """Return the first event of a kind since the test began, waiting for it where it has not come."""
        for known in self.events:
            if known.get("event") == name:
                return known
        return self.wait(lambda kind, value: kind == "J" and value.get("event") == name)

    def ask(self, **request: Any) -> tuple[dict[str, Any], bytes]:
        self.link.send_bytes(b"I" + (1).to_bytes(8, "little") + json.dumps(request).encode())
        data = self.wait(lambda kind, value: kind == "R")
        answer, _, file = data[8:].partition(b"\0")
        return json.loads(answer), file

    def until(self, epoch: int) -> Any:
        return self.wait(lambda kind, value: kind == "B" and value[0]["epoch"] >= epoch)

    def step(self, epochs: int) -> Any:
        """Learn for exactly so many epochs, and return the frame that shows it."""
        before = self.good("step", epochs=epochs)["state"]["epoch"]
        return self.wait(
            lambda kind, value: kind == "B" and value[0]["epoch"] == before + epochs and not value[0]["running"]
        )

    def fresh(self, **changes: Any) -> dict[str, Any]:
        """Set a configuration whose other fields are the defaults."""
        return self.good("configure", changes={**self.hello["defaults"], **changes})

    def weights(self) -> list[Any]:
        arrays = self.frame[1]
        n_layers = sum(name.startswith("weights.") for name in arrays)
        return [arrays[f"{kind}.{layer}"] for kind in ("weights", "biases") for layer in range(n_layers)]

    def close(self) -> None:
        self.link.close()
        self.process.join(10)
        if self.process.is_alive():
            self.process.kill()


@pytest.fixture(scope="session")
def _lab() -> Iterator[Lab]:
    lab = Lab()
    yield lab
    lab.close()
    assert lab.process.exitcode == 0


@pytest.fixture
def lab(_lab: Lab) -> Lab:
    """One room for all tests, at its defaults, paused."""
    _lab.good("compare", b=None)
    _lab.good("speed", epochs_per_second=None)
    _lab.good("regenerate")
    _lab.fresh()
    _lab.events.clear()
    return _lab


class Server:
    """``strata playground`` in a process of its own."""

    def __init__(self, log: Path) -> None:
        self.log = log
        code = "import sys; from strata.cli import main; sys.exit(main(['playground', '--no-browser']))"
        with log.open("w") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            )
        assert self.process.stdout is not None
        address = self.process.stdout.readline().strip()
        self.base, self.token = address.split("/#token=")
        self.host = self.base.removeprefix("http://")
        self.port = int(self.host.rpartition(":")[2])
        self.key = ""

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Send a request with exactly these headers (underscores as hyphens); return status, headers, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.putrequest(method, path, skip_host="Host" in given, skip_accept_encoding=True)
        for name, value in given.items():
            connection.putheader(name, value)
        if body is not None and "Content-Length" not in given:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        try:
            if body is not None:
                connection.send(body)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = connection.getresponse()
        found = answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        connection.close()
        return found

    def post(self, path: str, body: bytes, kind: str = "application/json", **headers: str) -> tuple[int, Any, bytes]:
        return self.request("POST", path, body, Content_Type=kind, **{"Origin": self.base, **headers})

    def open(self, key: str | None = None, **options: Any) -> ClientConnection:
        key = self.key if key is None else key
        settings = {"subprotocols": ["strata", f"key.{key}"], "origin": self.base, "max_size": None, **options}
        return connect(f"ws://{self.host}/ws", open_timeout=PATIENCE, proxy=None, **settings)

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()

    def close(self) -> int:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(30)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server") / "log.txt")
    status, _, body = server.post("/session", json.dumps({"token": server.token}).encode())
    assert status == 200
    server.key = json.loads(body)["key"]
    yield server
    assert server.close() == 130
