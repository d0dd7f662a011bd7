"""A reader of review pages: answers them in headless Chromium, as a person would."""

import shutil
import time
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def open_browser():
    """Yield headless Chromium; skip the test where Playwright or Chromium is missing."""
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs Chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def open_page(context, file):
    """Open a page, and return it with a list of what must not happen.

    It takes errors, messages of the console, and requests to anything but the file itself.
    """
    page, address = context.new_page(), Path(file).absolute().as_uri()
    faults = []
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("console", lambda message: faults.append(f"console: {message.text}"))
    own = (address, "data:", "blob:")
    page.on("request", lambda r: r.url.startswith(own) or faults.append(f"request: {r.url}"))
    page.goto(address)
    return page, faults


def wait_for(page, condition):
    """Wait for a condition, which `wait_for_function` cannot: the page forbids it to use eval."""
    end = time.monotonic() + 30
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(10)


def press_labels(page, labels):
    """Label cells by key presses, in the order of the page.

    Parameters
    ----------
    page : playwright page
        With all cells shown, and the first one in turn.
    labels : dict of str to str
        Path, as in corrections.csv, -> label; cells that are not named are passed over.
    """
    for path in page.evaluate("cells.map((cell) => cell.path)"):
        if path in labels:
            code = page.evaluate("classes").index(str(labels[path]))
            page.keyboard.press(page.evaluate("KEYS")[code])  # goes on to the next cell
        else:
            page.keyboard.press("ArrowRight")


def save_table(page, folder):
    """Press "Save", and return the path of corrections.csv in a folder."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Save corrections.csv").click()
    path = Path(folder, download.value.suggested_filename)
    download.value.save_as(path)
    return path


def answer_page(browser, file, labels, folder):
    """Answer a review page, and save its table.

    Parameters
    ----------
    browser : playwright browser
        Of `open_browser`.
    file : str or path-like
        Page of `skblood.review`.
    labels : dict of str to str
        Absolute path -> label.
    folder : str or path-like
        Takes the table.

    Returns
    -------
    pathlib.Path
        corrections.csv.
    """
    context = browser.new_context()
    page, faults = open_page(context, file)
    press_labels(page, labels)
    path = save_table(page, folder)
    assert faults == []
    context.close()
    return path
