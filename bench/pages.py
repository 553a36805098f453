"""A server process with pre-serialised pages: `python -m bench.pages RECORDS PAGE` prints its address."""

from __future__ import annotations

import json
import socket
import sys
from typing import Any

import uvicorn


def record(number: int) -> dict[str, Any]:
    """One customer document of a little more than 1 KB (1,024 bytes) without any blank."""
    return {
        "id": f"A{number:08d}",
        "name": f"样例精密仪器（苏州）有限公司{number}",
        "code": f"C-{number:07d}",
        "phone": f"+86 512 {60000000 + number % 9999999}",
        "email": f"office{number}@example.com",
        "industry": ("装备制造", "生物医药", "电子")[number % 3],
        "city": ("苏州", "上海", "深圳", "成都")[number % 4],
        "credit": f"{number % 1000 * 1000}.00",
        "created_at": f"2025-{number % 12 + 1:02d}-{number % 28 + 1:02d}T08:00:00Z",
        "updated_at": f"2026-{number % 10 + 1:02d}-{number % 28 + 1:02d}T09:30:00Z",
        "custom": {f"field_{index}": f"value {number % 97} of custom field {index}" for index in range(19)},
    }


def main() -> None:
    """Serialise every page, then serve them."""
    count, page = int(sys.argv[1]), int(sys.argv[2])
    pages = []
    for start in range(0, count, page):
        records = [record(number) for number in range(start, min(start + page, count))]
        last = start + page >= count
        pages.append(json.dumps({"records": records, "has_more": not last}, ensure_ascii=False).encode())

    async def app(scope: dict[str, Any], _receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        query = dict(part.split("=") for part in scope["query_string"].decode().split("&") if "=" in part)
        number = int(query.get("page", "1"))
        # nothing has changed since the last reading; a reading of everything asks since the beginning
        is_empty = number > len(pages) or query.get("since", "1970") > "2000"
        body = b'{"records": [], "has_more": false}' if is_empty else pages[number - 1]
        headers = [
            (b"content-type", b"application/json"),
            (b"x-last", b"1" if number >= len(pages) else b"0"),
        ]
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off")).run([listener])


if __name__ == "__main__":
    main()
