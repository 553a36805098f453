"""The group robots of WeCom, DingTalk and Feishu on a real socket, as strict as the vendors say they are.

Every answer is HTTP 200 with the vendor's own result code. Signatures are recomputed and refused when they differ or
their time is more than an hour off; sizes are judged in UTF-8 bytes; DingTalk blocks for ten minutes once its rate is
exceeded. `clock` gives the time in seconds, so that a simulated quarter has simulated minutes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

HOUR = 3600.0
DINGTALK_BLOCK_S = 600.0


@dataclass(frozen=True)
class Taken:
    """One message a robot accepted."""

    kind: str
    title: str
    text: str
    at: float


@dataclass
class Robot:
    """One robot: its token in the address, and the security settings of its owner."""

    kind: str
    token: str
    secret: str | None = None
    keyword: str | None = None
    sends: deque[float] = field(default_factory=deque)
    blocked_until: float = 0.0


class RobotServer:
    """All robots on one loopback port. `mode` per kind: ok, busy (throttled), broken (HTTP 500), mute (no answer)."""

    def __init__(self, *robots: Robot, clock: Callable[[], float] = time.time) -> None:
        self.robots = {robot.token: robot for robot in robots}
        self.clock = clock
        self.taken: list[Taken] = []
        self.refused: list[tuple[str, int]] = []
        self.mode: dict[str, str] = defaultdict(lambda: "ok")
        self.on_taken: Callable[[Taken], None] = lambda _: None
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer._answer(self, body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> RobotServer:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, token: str) -> str:
        """The webhook address that the vendor shows for this robot."""
        base = f"http://127.0.0.1:{self._server.server_port}"
        paths = {
            "wecom": f"/cgi-bin/webhook/send?key={token}",
            "dingtalk": f"/robot/send?access_token={token}",
            "feishu": f"/open-apis/bot/v2/hook/{token}",
        }
        return base + paths[self.robots[token].kind]

    def _answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        parts = urlsplit(handler.path)
        kind, token = _whose(parts.path, parse_qs(parts.query))
        mode = self.mode[kind]
        if mode == "broken":
            handler.send_error(500)
            return
        with self._lock:
            robot = self.robots.get(token)
            code = 93000 if kind == "wecom" else 19001 if kind == "feishu" else 300001
            taken = None
            if robot is not None and robot.kind == kind:
                code, taken = self._judge(robot, parse_qs(parts.query), body, throttled=mode == "busy")
            if taken is None:
                self.refused.append((kind, code))
            else:
                self.taken.append(taken)
        if taken is not None:
            self.on_taken(taken)
            if mode == "mute":
                handler.connection.close()
                return
        answer = json.dumps(_said(kind, code)).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json; charset=utf-8")
        handler.send_header("Content-Length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)

    def _judge(
        self, robot: Robot, query: dict[str, list[str]], body: bytes, *, throttled: bool
    ) -> tuple[int, Taken | None]:
        now = self.clock()
        if throttled or _too_fast(robot, now):
            return {"wecom": 45009, "dingtalk": 130101, "feishu": 11232}[robot.kind], None
        try:
            message = json.loads(body)
        except ValueError:
            return {"wecom": 40058, "dingtalk": 310000, "feishu": 9499}[robot.kind], None
        judge = {"wecom": _wecom, "dingtalk": _dingtalk, "feishu": _feishu}[robot.kind]
        code, title, text = judge(robot, message, query, len(body), now)
        return code, Taken(robot.kind, title, text, now) if code == 0 else None


def _whose(path: str, query: dict[str, list[str]]) -> tuple[str, str]:
    if path == "/cgi-bin/webhook/send":
        return "wecom", query.get("key", [""])[0]
    if path == "/robot/send":
        return "dingtalk", query.get("access_token", [""])[0]
    return "feishu", path.removeprefix("/open-apis/bot/v2/hook/")


def _said(kind: str, code: int) -> dict[str, Any]:
    if kind == "feishu":
        if code == 0:
            return {"code": 0, "msg": "success", "data": {}, "StatusCode": 0, "StatusMessage": "success"}
        return {"code": code, "msg": "refused", "data": {}}
    return {"errcode": code, "errmsg": "ok" if code == 0 else "refused"}


def _too_fast(robot: Robot, now: float) -> bool:
    while robot.sends and robot.sends[0] <= now - 60:
        robot.sends.popleft()
    per_minute = 100 if robot.kind == "feishu" else 20
    in_second = sum(at > now - 1 for at in robot.sends)
    if now < robot.blocked_until:
        return True
    if len(robot.sends) >= per_minute or (robot.kind == "feishu" and in_second >= 5 and now % 1):
        if robot.kind == "dingtalk":
            robot.blocked_until = now + DINGTALK_BLOCK_S
        return True
    robot.sends.append(now)
    return False


def _wecom(
    robot: Robot, message: dict[str, Any], _query: dict[str, list[str]], _size: int, _now: float
) -> tuple[int, str, str]:
    kind = message.get("msgtype")
    if kind not in {"text", "markdown"}:
        return 40058, "", ""
    content = str(message[kind].get("content", ""))
    if not content or len(content.encode()) > (2048 if kind == "text" else 4096):
        return 40058, "", ""
    return 0, content.splitlines()[0], content


def _dingtalk(
    robot: Robot, message: dict[str, Any], query: dict[str, list[str]], size: int, now: float
) -> tuple[int, str, str]:
    if robot.secret is not None:
        stamp, sign = query.get("timestamp", ["0"])[0], query.get("sign", [""])[0]
        made = hmac.new(robot.secret.encode(), f"{stamp}\n{robot.secret}".encode(), hashlib.sha256).digest()
        if abs(int(stamp) / 1000 - now) > HOUR or base64.b64encode(made).decode() != sign:
            return 310000, "", ""
    shown = message.get(message.get("msgtype", ""), {})
    title, text = str(shown.get("title", "")), str(shown.get("text") or shown.get("content") or "")
    if robot.keyword and robot.keyword not in title + text:
        return 310000, "", ""
    return (0, title, text) if text and size <= 20_000 else (40035, "", "")


def _feishu(
    robot: Robot, message: dict[str, Any], _query: dict[str, list[str]], size: int, now: float
) -> tuple[int, str, str]:
    if robot.secret is not None:
        stamp = str(message.get("timestamp", "0"))
        made = hmac.new(f"{stamp}\n{robot.secret}".encode(), b"", hashlib.sha256).digest()
        if abs(int(stamp) - now) > HOUR or base64.b64encode(made).decode() != message.get("sign"):
            return 19021, "", ""
    if size > 20 * 1024:
        return 9499, "", ""
    if message.get("msg_type") == "text":
        title, text = "", str(message["content"]["text"])
    elif message.get("msg_type") == "interactive":
        card = message["card"]
        title = str(card["header"]["title"]["content"])
        text = "\n".join(str(one["content"]) for one in card["elements"] if one["tag"] == "markdown")
    else:
        return 9499, "", ""
    if robot.keyword and robot.keyword not in title + text:
        return 19024, "", ""
    return 0, title, text
