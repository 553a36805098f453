"""Web entry: the Streamlit app, health, metrics and webhooks. Serve with `c360 serve` or `uvicorn app:app`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from model import serve
from ops.errors import C360Error
from ops.instance import Instance
from run import receiving
from views import session

if TYPE_CHECKING:
    from starlette.requests import Request

MEASURES = ("age_s", "rows_landed", "rows_staged", "rejected")
ROOT = Path(__file__).parent


def _status() -> dict[str, Any]:
    instance = Instance.load(session.home())
    operator = serve.sign_in(instance, "operator")
    return dict(serve.status(operator, serve.open_published(instance)))


def healthz(_request: Request) -> Response:
    """200 with the served build, 503 with the reason when there is none."""
    try:
        status = _status()
    except C360Error as error:
        return JSONResponse({"status": "down", "reason": str(error)}, status_code=503)
    return JSONResponse({"status": "ok", "build": status["build"]["version"]})


def metrics(_request: Request) -> Response:
    """Prometheus text: build and age, rows and rejects per source. No customer data."""
    try:
        status = _status()
    except C360Error:
        return PlainTextResponse("c360_up 0\n")
    lines = ["c360_up 1", f'c360_build_info{{version="{status["build"]["version"]}"}} 1']
    for row in status["sources"]:
        label = f'{{source="{row["source"]}"}}'
        known = [name for name in MEASURES if row.get(name) is not None]
        lines += [f"c360_source_{name}{label} {row[name]}" for name in known]
        lines.append(f"c360_source_fresh{label} {int(row['state'] == 'fresh')}")
    return PlainTextResponse("\n".join(lines) + "\n")


app = st.App(
    ROOT / "views" / "main.py",
    routes=[
        Route("/healthz", healthz),
        Route("/metrics", metrics),
        Route("/session", session.sign_in, methods=["POST"]),
        Route("/session/out", session.sign_out),
        Route("/hooks/{source}", receiving.hook, methods=["POST"]),
    ],
    middleware=[Middleware(session.DemoGuard)],
)

if __name__ == "__main__":
    app.run(config={"server.port": int(os.environ.get("C360_PORT", "8501"))})
