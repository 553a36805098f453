"""Drive the app in an installed Chromium: sign in through the page, open pages, wait until they are still."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

if TYPE_CHECKING:
    from typing import Literal

# Every visible text with less than 4.5 : 1 to what lies behind it (WCAG 2.2, 1.4.3), and how many texts were measured.
CONTRAST = """() => {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    context.clearRect(0, 0, 1, 1); context.fillStyle = colour; context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const behind = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3]) layers.unshift(colour);
      if (colour[3] > 0.99) break;
    }
    return layers.reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = { texts: 0, weak: {} };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode.textContent.trim(), node = walk.currentNode.parentElement;
    if (!text || !node || node.closest("script, style, noscript, svg")) continue;
    const box = node.getBoundingClientRect(), style = getComputedStyle(node);
    if (box.width < 2 || box.height < 2 || style.visibility === "hidden" || style.fontSize === "0px") continue;
    const back = behind(node), [a, b] = [light(over(rgba(style.color), back)), light(back)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    found.texts += 1;
    if (ratio < 4.5) found.weak[text.slice(0, 40)] = ratio.toFixed(2);
  }
  return found;
}"""
# a limit, not a wait: on a busy machine a page may take longer than the usual five seconds
expect.set_options(timeout=60_000)
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
    """Wait until the page and its top bar have content and the host reports no running script."""
    page.locator(".c360bar .in").wait_for()
    page.locator(selector).first.wait_for()
    page.wait_for_function(
        "() => document.querySelector('.stApp')?.getAttribute('data-test-script-state') !== 'running'"
    )
    page.wait_for_timeout(250)
