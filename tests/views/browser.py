"""Drive the app in an installed Chromium: sign in through the page, open pages, wait until they are still."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

if TYPE_CHECKING:
    from typing import Literal

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def executable() -> str | None:
    """An installed browser, or None for Playwright's own."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser, closed at the end."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable(), args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        try:
            yield browser
        finally:
            browser.close()


def open_context(
    browser: Browser, *, width: int = 1440, height: int = 900, scheme: Literal["light", "dark"] = "light"
) -> BrowserContext:
    """A fresh browser profile of the given size and colour scheme."""
    return browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        locale="zh-CN",
        timezone_id="Asia/Shanghai",
        device_scale_factor=1,
    )


def sign_in(page: Page, url: str, user: str, language: str = "zh") -> None:
    """Choose a persona on the sign-in page."""
    page.goto(f"{url}/?lang={language}")
    page.locator(f'.door button[value="{user}"]').click()
    page.locator(".c360bar .who").wait_for()


def settle(page: Page, selector: str = ".stHtml .panel, .stHtml .notice, .stHtml .head") -> None:
    """Wait until the page has content and the host reports no running script."""
    page.locator(selector).first.wait_for()
    page.wait_for_function(
        "() => document.querySelector('.stApp')?.getAttribute('data-test-script-state') !== 'running'"
    )
    page.wait_for_timeout(250)
