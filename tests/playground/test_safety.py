"""Attacks on the local server: refused, logged in one line, and the server still serves."""

import json
import time

import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus


def alive(server) -> bool:
    return server.request("GET", "/")[0] == 200


def talk(page, messages):
    """Send messages, then listen until the page is closed."""
    for message in messages:
        page.send(message)
    while True:
        page.recv(timeout=60)


@pytest.mark.parametrize(
    "host", ["evil.com", "127.0.0.1.evil.com", "127.0.0.1", "a/?x=", "127.0.0.1:1", "localhost", "[::1]", ""]
)
def test_another_host_is_refused(server, host):
    before = len(server.lines())
    status, headers, _ = server.request("GET", "/", Host=host)
    assert status in (400, 403)
    assert "content-security-policy" in headers or status == 400
    assert len(server.lines()) - before <= 1
    assert alive(server)


@pytest.mark.parametrize(
    "origin", ["http://evil.com", "null", "{base}.evil.com", "https://{host}", "{base}/", "{base}0"]
)
def test_another_origin_is_refused(server, origin):
    origin = origin.format(base=server.base, host=server.host)
    assert server.post("/session", b'{"token": "x"}', Origin=origin)[0] == 403
    assert server.request("GET", "/", Origin=origin)[0] == 403
    with pytest.raises(InvalidStatus) as error:
        server.open(origin=origin)
    assert error.value.response.status_code == 403
    assert "refused: foreign origin" in server.lines()[-1]
    assert alive(server)


def test_a_change_without_an_origin_is_refused(server):
    assert server.request("POST", "/session", b"{}", Content_Type="application/json")[0] == 403
    assert server.request("DELETE", "/", b"", Origin=server.base)[0] == 403


def test_the_token_works_once_and_a_wrong_one_never(server):
    for token in (server.token, "x", "", "ü" * 40, server.token[:-1]):
        status, _, body = server.post("/session", json.dumps({"token": token}).encode())
        assert (status, b"key" in body) == (401, False)
    for body in (b"", b"[]", b'{"token": 3}', b"[" * 4000):
        assert server.post("/session", body)[0] in (400, 401)
    assert server.post("/session", b"token=x", kind="text/plain")[0] == 415
    assert server.post("/session", b"{}" + b" " * 5000)[0] == 413


@pytest.mark.parametrize("key", ["", "x", "x" * 43])
def test_a_wrong_key_is_refused(server, key):
    with pytest.raises(InvalidStatus):
        server.open(key=key or "none")
    for path in ("/download/model", "/download/python"):
        assert server.request("GET", path, Authorization=f"Bearer {key}")[0] == 401
    assert server.post("/upload/data", b"a,b\n", kind="text/csv", Authorization=f"Bearer {key}")[0] == 401
    with pytest.raises(InvalidStatus):
        server.open(subprotocols=[f"key.{server.key}"])


@pytest.mark.parametrize(
    "path",
    ["/static/../server.py", "/static/%2e%2e/server.py", "/static/..%5cserver.py", "/static//etc/passwd",
     "/static/..%2f..%2f..%2fetc%2fpasswd", "/etc/passwd", "/static/", "/static/%00", "/static/index.html%00.js"],
)  # fmt: skip
def test_no_path_leads_out_of_the_page(server, path):
    status, _, body = server.request("GET", path)
    assert status in (400, 404)
    assert b"import" not in body
    assert b"root:" not in body


def test_ranges_and_long_headers_do_no_harm(server):
    ranges = "bytes=" + ",".join(f"{i}-{i + 1}" for i in range(2000))
    assert server.request("GET", "/", Range=ranges)[0] in (200, 400)
    assert alive(server)


def test_every_answer_has_safe_headers(server):
    for path in ("/", "/static/index.html", "/nothing"):
        _, headers, _ = server.request("GET", path)
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers
        assert not any(name.startswith("access-control") for name in headers)


def test_uploads_larger_than_allowed_are_not_read(server):
    with server.open() as page:
        session = json.loads(page.recv())["session"]
        known = {"Authorization": f"Bearer {server.key}", "X-Strata-Session": session}
        begun = time.monotonic()
        stated = {"Content-Length": str(100 << 20), **known}
        assert server.post("/upload/model", b"PK", kind="application/zip", **stated)[0] == 413
        assert server.post("/upload/data", b"a,b\n" * (2 << 20), kind="text/csv", **known)[0] == 413
        assert server.post("/upload/model", b"not a zip", kind="application/zip", **known)[0] == 422
        assert server.post("/upload/data", b"a;b\n1", kind="text/csv", **known)[0] == 422
        assert server.post("/upload/data", b"a,b", kind="application/json", **known)[0] == 415
        assert server.request("GET", "/download/python", **{**known, "X-Strata-Session": "x"})[0] == 404
        assert time.monotonic() - begun < 60
        status, headers, body = server.request("GET", "/download/model", **known)
        assert (status, headers["content-type"], body[:2]) == (200, "application/zip", b"PK")
        status, _, answer = server.post("/upload/model", body, kind="application/zip", **known)
        assert status == 200, answer
        assert json.loads(answer)["configuration"]["hidden"] == [4, 2]
    assert alive(server)


def test_malformed_messages_are_answered_and_floods_end_the_page(server):
    with server.open() as page:
        page.recv()
        for text in ("{", "[]", '{"do": "exec", "id": 5}', "null", '{"do":"points","id":1,"points":[[NaN,1,1]]}'):
            page.send(text)
        answers = []
        while len(answers) < 5:
            data = page.recv(timeout=60)
            if isinstance(data, str) and '"re"' in data:
                answers.append(json.loads(data))
        assert not any(answer["ok"] for answer in answers)
        with pytest.raises(ConnectionClosed):
            talk(page, ['{"do": "ack", "id": 0, "frame": 0}'] * 20_000)
    assert alive(server)
    assert any("messages a second" in line for line in server.lines())


def test_a_message_of_17_megabytes_ends_the_page(server):
    with server.open() as page:
        page.recv()
        with pytest.raises(ConnectionClosed):
            talk(page, ['{"do": "points", "id": 1, "points": [' + "[0,0,0]," * (17 << 17) + "[0,0,0]]}"])
    assert alive(server)


def test_reconnecting_leaves_nothing_behind(server):
    process = psutil.Process(server.process.pid)
    deadline = time.monotonic() + 30
    for _ in range(5):
        with server.open() as page:
            page.recv()
    while time.monotonic() < deadline:
        rooms = [child for child in process.children(recursive=True) if child.ppid() != process.pid]
        if len(rooms) == 0:
            break
        time.sleep(0.2)
    assert rooms == []
    assert alive(server)
