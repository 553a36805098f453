"""Pictures of every page: `python tests/views/shots.py URL OUTDIR [CUSTOMER_CODE]`.

Both languages, light and dark, desktop and phone. The server must show a demo instance.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

sys.path.insert(0, str(Path(__file__).parent))

from browser import chromium, open_context, settle, sign_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PAGES = {"customer": "account_manager", "receivables": "account_manager", "renewals": "account_manager"}
PAGES |= {"receivables?view=aging": "account_manager", "finance": "finance"}
PAGES |= {"finance?view=cash": "finance", "finance?view=ratios": "finance", "finance?view=books": "finance"}
PAGES |= {"overview": "leader", "sources": "integration"}
PAGES |= {
    f"trust?view={view}": "steward" for view in ("matches", "customer", "fields", "notices", "leavers", "quality")
}
PAGES |= {"trust?view=reconcile": "finance"}
# Pages whose charts are drawn after the page itself.
CHARTED = {"overview", "finance", "finance?view=cash"}


def users(browser: Browser, url: str) -> dict[str, str]:
    """Role → user id, read from the sign-in page."""
    context = open_context(browser)
    page = context.new_page()
    page.goto(f"{url}/?lang=en")
    page.locator(".door button").first.wait_for()
    found = {}
    for button in page.locator(".door button").all():
        role = button.locator("span").first.inner_text()
        found[role] = button.get_attribute("value") or ""
    context.close()
    names = {
        "account_manager": "Account manager",
        "finance": "Finance",
        "leader": "Sales leader",
        "integration": "Integration owner",
        "steward": "Data steward",
    }
    return {role: found[name] for role, name in names.items()}


def shoot(url: str, folder: Path, code: str | None, only: str | None = None) -> list[Path]:
    """Take every picture into `folder`; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = []
    with chromium() as browser:
        people = users(browser, url)
        for (size, (width, height)), scheme, role in itertools.product(
            SIZES.items(), SCHEMES, dict.fromkeys(PAGES.values())
        ):
            for language in ("zh", "en"):
                context = open_context(browser, width=width, height=height, scheme=scheme)
                page = context.new_page()
                page.goto(f"{url}/?lang={language}")
                page.locator(".door button").first.wait_for()
                stem = f"{size}-{scheme}-{language}"
                if role == "account_manager" and only in {None, "signin"}:
                    page.screenshot(path=folder / f"signin-{stem}.png")
                    taken.append(folder / f"signin-{stem}.png")
                sign_in(page, url, people[role], language)
                for name in [one for one, who in PAGES.items() if who == role and only in {None, one}]:
                    query = f"&customer={code}" if name in {"customer", "trust?view=customer"} and code else ""
                    page.goto(f"{url}/{name}{'&' if '?' in name else '?'}lang={language}{query}")
                    settle(page)
                    if name in CHARTED:
                        page.locator("[data-testid=stVegaLiteChart]").first.wait_for()
                        page.wait_for_timeout(1200)
                    path = folder / f"{name.replace('?view=', '-')}-{stem}.png"
                    if size == "phone":
                        # The page scrolls inside the host's main element: the picture shows all of it.
                        tall = page.locator("[data-testid=stMainBlockContainer]").evaluate("node => node.scrollHeight")
                        page.set_viewport_size({"width": width, "height": min(tall + 16, 3000)})
                        page.wait_for_timeout(400)
                    page.screenshot(path=path)
                    page.set_viewport_size({"width": width, "height": height})
                    taken.append(path)
                context.close()
    return taken


if __name__ == "__main__":
    arguments = sys.argv[1:]
    shoot(
        arguments[0].rstrip("/"),
        Path(arguments[1]),
        arguments[2] if len(arguments) > 2 else None,
        arguments[3] if len(arguments) > 3 else None,
    )
