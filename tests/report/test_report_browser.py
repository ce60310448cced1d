"""The report in a real browser: nothing cut off, nothing overlapping, readable in both schemes, no connection."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning

from strata.report import train

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("needs Debian's chromium: apt-get install chromium", allow_module_level=True)

LOOKING = (Path(__file__).parent / "looking.js").read_text()
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
LONG = "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch"


def hostile_table():
    """Twelve columns with names, words and holes that a page must survive."""
    random = np.random.RandomState(0)
    n = 160
    frame = pd.DataFrame({f"x{i}": random.normal(size=n) for i in range(6)})
    frame["<script>alert(1)</script>"] = random.choice(["<b>", "a & b", '"quoted"', LONG], n)
    frame[LONG * 2] = random.choice(["yes", "no"], n)
    frame["日本語の列"] = random.choice(["東京", "大阪"], n)
    frame["when"] = pd.date_range("2024-01-01", periods=n).astype(str)
    frame["</style><img src=x onerror=alert(2)>"] = random.normal(size=n) * 1e9
    labels = np.array(["<script>alert(3)</script>", LONG, "é\u202egnp", "4"])
    frame["'; DROP TABLE--"] = labels[(frame["x0"] > 0).astype(int) * 2 + (frame["x1"] > 0).astype(int)]
    frame.loc[::7, "x2"] = np.nan
    frame.loc[::5, "日本語の列"] = None
    return frame


def hostile_pictures(shapes, folder):
    """Pictures of kinds and files with names that a page must survive, one of them damaged."""
    names = {"bar": "</style><img src=x onerror=alert(1)>".replace("/", "∕"), "cross": LONG, "disc": "日本語の組"}
    for kind, name in names.items():
        shutil.copytree(shapes / kind, folder / name)
    (folder / LONG / f"{LONG}.png").write_bytes(b"")
    (folder / LONG / "00.png").rename(folder / LONG / f"<script>alert(2)<∕script>{LONG * 2}.png")
    return folder


@pytest.fixture(scope="module")
def pages(tmp_path_factory, shapes):
    folder = tmp_path_factory.mktemp("runs")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", UserWarning)
        train("infert", out=folder / "infert", params={"max_iter": 40}, seeds=2, learning_curve=True)
        train("digits", out=folder / "digits", params={"max_iter": 15})
        train("diabetes", out=folder / "diabetes", params={"max_iter": 40})
        hostile = hostile_table()
        train(hostile, target="'; DROP TABLE--", out=folder / "hostile", params={"max_iter": 10})
        named = hostile_pictures(shapes, tmp_path_factory.mktemp("named"))
        quick = {"max_iter": 2, "image_size": 16}
        train(named, model="resnet8", out=folder / "pictures", params=quick, skip_damaged=True)
    return folder


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


#: Tables of which a part would have to be scrolled into sight.
SCROLLED = """[...document.querySelectorAll(".scroll")].filter(box => box.scrollWidth > box.clientWidth)
              .map(box => box.getAttribute("aria-label"))"""


def look(browser, address, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    said, asked = [], []
    try:
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        found = {**page.evaluate(LOOKING), "scrolled": page.evaluate(SCROLLED)}
    finally:
        context.close()
    return found, said, [url for url in asked if url != address and not url.startswith("data:")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["infert", "digits", "diabetes", "hostile", "pictures"])
def test_a_report_looks_right(pages, browser, name, width, scheme):
    found, said, asked = look(browser, (pages / name / "report.html").as_uri(), width, scheme)
    assert found["n_texts"] > 100
    assert found["wrong"] == []
    assert name in ("hostile", "pictures") or found["scrolled"] == []
    assert said == [] and asked == []


def test_the_check_can_tell(browser, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text(
        "<!DOCTYPE html><body style='margin:0;background:#fff;color:#000'>"
        "<p style='color:#999'>faint</p><p style='width:3000px'>wide</p>"
        "<div style='overflow:hidden;width:40px;white-space:nowrap'>this is cut off somewhere</div>"
        "<p style='margin-bottom:-1.5em'>one</p><p>two</p><script>console.error('loud')</script>"
        "<img src='http://localhost:9/x.png'>"
    )
    found, said, asked = look(browser, page.as_uri(), 390, "light")
    whole = "\n".join(found["wrong"])
    for fault in ("scrolls sideways", "contrast 2.8", "clipped by DIV", "texts overlap", "neighbours overlap"):
        assert fault in whole
    assert any("loud" in each for each in said) and asked == ["http://localhost:9/x.png"]


def test_a_report_in_print_keeps_dark_ink_on_white(pages, browser):
    context = browser.new_context(viewport={"width": 794, "height": 1123}, color_scheme="dark")
    page = context.new_page()
    page.goto((pages / "infert" / "report.html").as_uri())
    page.emulate_media(media="print")
    found = page.evaluate(LOOKING)
    colors = page.evaluate("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
    context.close()
    assert colors == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]
    assert [each for each in found["wrong"] if "contrast" in each] == []
