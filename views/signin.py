"""Sign-in: demo personas on a demo instance; on a live one it says what is missing."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

import streamlit as st

from model import serve
from views import state
from views.parts import bar, notice
from views.parts.html import h, tag

look = state.look(None)
bar.show_signed_out(look)
instance = state.instance()
if instance.config.mode == "demo":
    buttons = [
        tag(
            "button",
            tag("b", h(persona["name"])),
            tag("span", look.t(f"role.{persona['role']}")),
            tag("span", look.t(f"role_help.{persona['role']}")),
            type="submit",
            name="user",
            value=persona["user"],
        )
        for persona in serve.personas(instance)
    ]
    # Where the visitor wanted to go travels with the form; the server accepts its own pages only.
    wanted = urlsplit(st.context.url or "")
    hidden = [
        tag("input", type="hidden", name="page", value=wanted.path.strip("/")),
        tag("input", type="hidden", name="query", value=urlencode(st.query_params.to_dict())),
    ]
    st.html(
        tag(
            "div",
            tag("div", tag("h1", look.t("signin.title")), class_="head"),
            tag("p", look.t("signin.demo", company=instance.config.company), class_="muted"),
            tag("form", *hidden, *buttons, method="post", action="/session"),
            class_="door",
        )
    )
else:
    st.html(
        tag(
            "div",
            notice.notice(look.t("signin.live"), look.t("signin.live_help"), tone="amber"),
            class_="door",
        )
    )
