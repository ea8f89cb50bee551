"""Photograph every page of a running application with headless Chromium: wide, 390 px narrow, and dark.

Start the application first. The questions are really asked, and the pictures show what came back.
"""

from pathlib import Path
from typing import Any

from app.domain.errors import InvalidInput
from pipelines import command_line

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LOOKS: dict[str, dict[str, Any]] = {
    "": {"viewport": {"width": 1280, "height": 800}},
    "-narrow": {"viewport": {"width": 390, "height": 844}},
    "-dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
}
QUESTIONS = {
    "en-GB": ("chat", ["What does my debit card cost abroad?", "What about withdrawing cash abroad?"]),
    "zh-CN": ("chat-zh", ["我的卡丢了，怎么办？", "补一张新卡要多少钱？"]),
}
# Pages behind the sign-in, and the tabs of each.
TABS = {
    "analyst": (
        "Overview", "Trends", "Articles", "Alerts", "Watchlist", "Sources", "Recipients", "Rules", "Classify",
    ),
    "agent": (),
    "operations": (
        "Accounts", "API keys", "Jobs", "Models", "Knowledge base", "Settings", "Storage", "Audit log",
    ),
}  # fmt: skip
PATIENCE_MS = 120_000


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.add_argument("--address", default="http://127.0.0.1:7860", help="of the running application")
    parser.add_argument("--username", default="analyst")
    parser.add_argument("--password", help="of an administrator, changed since the first start")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    arguments = parser.parse_args()
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as error:
        raise InvalidInput("Playwright is missing: pip install -r requirements-dev.txt") from error
    arguments.output.mkdir(parents=True, exist_ok=True)
    try:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=arguments.chromium, args=ARGUMENTS)
            for suffix, look in LOOKS.items():
                photograph_chat(browser, look, suffix, arguments)
                if arguments.password:
                    photograph_signed_in(browser, look, suffix, arguments)
    except Error as error:
        raise InvalidInput(f"The pages could not be photographed: {str(error).splitlines()[0]}") from error


def photograph_chat(browser: Any, look: dict[str, Any], suffix: str, arguments: Any) -> None:
    """The customers' page in both languages: the first view, and a conversation with an open source."""
    for locale, (name, questions) in QUESTIONS.items():
        page = browser.new_context(**look, locale=locale).new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(arguments.address)
        page.wait_for_selector("#question textarea")
        page.wait_for_timeout(1500)
        save(page, arguments.output / f"{name}-start{suffix}.png")
        for number, question in enumerate(questions, 1):
            page.fill("#question textarea", question)
            page.press("#question textarea", "Enter")
            page.locator("#transcript article").nth(number - 1).locator(".feedback").wait_for()
        sources = page.locator("#transcript article summary")
        if sources.count():
            sources.last.click()
        page.wait_for_timeout(800)
        save(page, arguments.output / f"{name}{suffix}.png")
        page.context.close()


def photograph_signed_in(browser: Any, look: dict[str, Any], suffix: str, arguments: Any) -> None:
    """The sign-in page, and each page and tab behind it."""
    page = browser.new_context(**look, locale="en-GB").new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{arguments.address}/analyst")
    save(page, arguments.output / f"sign-in{suffix}.png")
    page.get_by_label("User name").fill(arguments.username)
    page.get_by_label("Password").fill(arguments.password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("tab", name="Overview").wait_for()
    for name, tabs in TABS.items():
        page.goto(f"{arguments.address}/{name}/")
        page.wait_for_timeout(3000)
        for tab in tabs:
            open_tab(page, tab)
            page.wait_for_timeout(2500)
            save(page, arguments.output / f"{name}-{tab.lower().replace(' ', '-')}{suffix}.png")
        if not tabs:
            save(page, arguments.output / f"{name}{suffix}.png")
    page.context.close()


def open_tab(page: Any, name: str) -> None:
    """Choose a tab; narrow screens fold the last ones into a menu."""
    opened = page.get_by_role("tab", name=name, exact=True)
    if not opened.is_visible():
        page.locator(".overflow-menu button").first.click()
        opened = page.locator(".overflow-dropdown button", has_text=name)
    opened.click()


def save(page: Any, path: Path) -> None:
    """Write the picture of what is in view and say where."""
    page.screenshot(path=str(path))
    command_line.print_json({"picture": str(path)})


if __name__ == "__main__":
    command_line.run(main)
