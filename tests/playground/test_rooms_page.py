"""The rooms Pictures and Codes in a real browser: draw by mouse and keys, the plane, filters that change."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the extra `playground` is not installed")
sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = Path("/usr/bin/chromium")
ROOT = Path(__file__).parents[2]
START = "import sys; from strata.cli import main; sys.exit(main(['playground', '--no-browser', '--port', '0']))"

pytestmark = [
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's Chromium is not installed"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    log = (tmp_path_factory.mktemp("server") / "log").open("w")
    server = subprocess.Popen([sys.executable, "-c", START], cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
    with log, server, sync_api.sync_playwright() as playwright:
        address = server.stdout.readline().strip()
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(240_000)
        page.complaints = []
        page.on("console", lambda m: page.complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(address.replace("#", "#pictures&"))
        page.wait_for_selector(".layers canvas")
        yield page
        browser.close()
        server.terminate()
        server.stdout.close()


def says(page, text):
    sync_api.expect(page.locator(".answer-said")).to_contain_text(text, timeout=60_000)


def test_a_seven_drawn_by_mouse_is_read(page):
    box = page.locator("canvas.pad").bounding_box()
    at = [(0.25, 0.2), (0.75, 0.2), (0.6, 0.5), (0.48, 0.88)]
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in at]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()
    says(page, "reads 7")
    page.click(".bar[data-digit='1']")
    sync_api.expect(page.locator(".bar[data-digit='1']")).to_have_attribute("aria-pressed", "true", timeout=60_000)
    sync_api.expect(page.locator(".two-tiles")).to_contain_text("What it would take for a 1")


def test_a_one_drawn_by_keys_is_read(page):
    page.focus("canvas.pad")
    page.keyboard.press("Delete")
    says(page, "Draw a digit")
    for _ in range(12):
        page.keyboard.press("ArrowUp")
    page.keyboard.down(" ")
    for _ in range(24):
        page.keyboard.press("ArrowDown")
    page.keyboard.up(" ")
    says(page, "reads 1")


@pytest.mark.parametrize("network", ["live_mlp", "live_lenet5"])
def test_a_network_learns_in_the_page_and_reads_what_is_drawn(page, network):
    page.get_by_label("Network", exact=True).select_option(network)
    sync_api.expect(page.locator(".epoch-number")).to_have_text("0", timeout=60_000)
    sync_api.expect(page.locator(".facts")).to_contain_text("are held out", timeout=60_000)
    page.click(".play")
    sync_api.expect(page.locator(".epoch-number")).to_have_text(re.compile(r"^\d\d+$"), timeout=120_000)
    page.click(".play")
    score = page.locator(".score")
    sync_api.expect(score).to_contain_text("of the held-out digits right")
    right = float(re.search(r"[\d.]+", score.inner_text())[0])
    assert right > 80, score.inner_text()
    page.locator(".example[title='Take a held-out 0']").click()
    says(page, "reads 0")


@pytest.mark.parametrize("width", [390, 1280, 2560])
def test_nothing_is_cut(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.set_viewport_size({"width": 1280, "height": 900})


def test_the_plane_is_moved_in_and_filters_form(page):
    page.goto(page.url.split("#")[0] + "#codes&n_components=3")
    page.wait_for_selector(".sweeps canvas")
    sync_api.expect(page.locator(".message.note")).to_be_hidden()  # "Opening the room" goes when it is open
    sync_api.expect(page.locator(".sweeps canvas")).to_have_count(3, timeout=60_000)
    page.wait_for_selector(".sweeps canvas")
    page.focus("canvas.plane")
    before = page.inner_text("#cursor-title")
    page.keyboard.press("ArrowRight")
    sync_api.expect(page.locator("#cursor-title")).not_to_have_text(before, timeout=60_000)
    page.select_option(".presets .kind select", "machine")
    page.wait_for_selector(".machine-columns .filters canvas:visible")
    picture = "canvas => canvas.toDataURL()"
    filters = page.locator(".machine-columns .filters canvas")
    first = filters.evaluate(picture)
    page.click(".play")
    sync_api.expect(page.locator(".epoch-number")).not_to_have_text("0", timeout=120_000)
    page.wait_for_timeout(1500)
    assert filters.evaluate(picture) != first
    page.click(".play")
    page.click("#room-neurons")
    page.wait_for_selector(".unit")
    assert page.complaints == []
