"""The page of the playground in a real browser, with the real server: every control, by mouse and by keyboard."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.playground.test_script import run

pytest.importorskip("starlette", reason="the extra `playground` is not installed")
sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = Path("/usr/bin/chromium")
ROOT = Path(__file__).parents[2]
START = "import sys; from strata.cli import main; sys.exit(main(['playground', '--no-browser', '--port', '0']))"
#: Milliseconds; a busy machine needs most of them to start the first room.
PATIENCE = 240_000
SPIRAL = (
    "neurons&dataset=spiral&features=x1,x2,x1%5E2,x2%5E2,x1x2,sin%20x1,sin%20x2&hidden=8,8,8,8,8,8"
    "&activations=tanh,tanh,tanh,tanh,tanh,tanh"
)

pytestmark = [
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's Chromium is not installed"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Start a server of its own and give the address that it prints."""
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("w") as said:
        server = subprocess.Popen(
            [sys.executable, "-c", START], cwd=ROOT, stdout=subprocess.PIPE, stderr=said, text=True
        )
    with server:
        yield server.stdout.readline().strip()
        server.terminate()
    server.stdout.close()


@pytest.fixture(scope="module")
def context(address):
    """A browser that has spent the token; its pages share the key."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(60_000)
        sync_api.expect.set_options(timeout=60_000)
        first = context.new_page()
        first.goto(address)
        first.wait_for_selector(".unit", timeout=PATIENCE)
        assert "token" not in first.url
        first.close()
        yield context
        browser.close()


@pytest.fixture
def opened(context, address):
    """Open pages at a state; none of them may complain in the console."""
    complaints, pages = [], []

    def open_at(state="neurons", *, size=(1280, 900)):
        page = context.new_page()
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        pages.append(page)
        page.goto(address.split("#")[0] + "#" + state)
        page.wait_for_selector(".unit", timeout=PATIENCE)
        settle(page)
        return page

    open_at.complaints = complaints
    yield open_at
    for page in pages:
        page.close()
    assert complaints == []


def settle(page):
    """Wait until frames have come: a loss is shown."""
    sync_api.expect(page.locator(".figure.test dd")).not_to_have_text(re.compile("^(–|)$"))
    page.wait_for_timeout(300)


def epoch(page):
    return int(re.sub(r"\D", "", page.locator(".epoch-number").inner_text()))


def expect_epoch(page, number):
    sync_api.expect(page.locator(".epoch-number")).to_have_text(str(number))


def weights_of(page, title="Unit 1 of layer 1"):
    """Read the bias and the incoming weights of a unit to the last digit, in its window."""
    page.locator(f'.unit[aria-label="{title}"]').click()
    found = page.locator(".popover input[type=number]").evaluate_all("boxes => boxes.map(box => box.value)")
    page.keyboard.press("Escape")
    return [float(value) for value in found]


def panel(page, name):
    page.locator(f'[data-panel="{name}"]').click()
    page.wait_for_selector(f"#panel-{name}")


def test_play_pause_step_reset_and_new_seed(opened):
    page = opened()
    at_start = weights_of(page)
    assert len(at_start) == 3
    for count in (1, 2):
        page.get_by_role("button", name="One epoch").click()
        expect_epoch(page, count)
    assert weights_of(page) != at_start
    page.get_by_role("button", name="Play", exact=True).click()
    sync_api.expect(page.locator(".epoch-number")).to_have_text(re.compile(r"^(\d\d+)$"))
    page.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(800)
    stopped = epoch(page)
    page.wait_for_timeout(500)
    assert epoch(page) == stopped >= 10
    page.get_by_role("button", name="Reset").click()
    expect_epoch(page, 0)
    assert weights_of(page) == at_start
    page.get_by_role("button", name="New seed").click()
    page.wait_for_timeout(800)
    assert weights_of(page) != at_start
    assert "seed=1" in page.url


CHOICES = [
    ("Problem", "classification", "problem=classification"),
    ("Learning rate", "0.3", "learning_rate=0.3"),
    ("Activation", "relu", "activations=relu,relu"),
    ("Penalty", "l1", "l1=0.003"),
    ("Penalty", "l2", "l2=0.003"),
    ("Real data", "iris", "dataset=iris"),
    ("Epochs / s", "5", "speed=5"),
]


def test_each_choice_of_the_bar_goes_to_the_address(opened):
    page = opened()
    for label, value, entry in CHOICES:
        page.get_by_label(label, exact=True).first.select_option(value)
        sync_api.expect(page).to_have_url(re.compile(re.escape(entry)))
        assert page.locator(".message.bad").is_hidden(), entry


def test_data_sets_sliders_and_inputs(opened):
    page = opened()
    for name in ("xor", "spiral", "gaussians", "plane", "gaussian-bumps", "circles"):
        page.locator(f'.dataset[data-name="{name}"]').click()
        sync_api.expect(page.locator(f'.dataset[data-name="{name}"]')).to_have_attribute("aria-pressed", "true")
    for label, keys, entry in (
        ("Noise", 3, "noise=15"),
        ("Share to train on", 2, "train_ratio=70"),
        ("Batch size", 5, "batch_size=15"),
    ):
        page.get_by_label(label).focus()
        for _ in range(keys):
            page.keyboard.press("ArrowRight")
        sync_api.expect(page).to_have_url(re.compile(entry))
    page.locator('.unit[aria-label="Input x₁²"]').click()
    sync_api.expect(page.locator('.unit[aria-label="Input x₁²"]')).to_have_attribute("aria-pressed", "true")
    assert "features=x1,x2,x1%5E2" in page.url
    page.get_by_role("button", name="New sample").click()
    sync_api.expect(page).to_have_url(re.compile("data_seed=1"))


def test_layers_and_units_are_added_and_removed_and_a_layer_has_its_own_settings(opened):
    page = opened()
    page.get_by_role("button", name="Add a hidden layer").click()
    sync_api.expect(page.locator(".layer-count")).to_have_text("3 hidden layers")
    page.get_by_role("button", name="Add a unit to layer 3").click()
    sync_api.expect(page).to_have_url(re.compile("hidden=4,2,3"))
    page.get_by_role("button", name="Remove a unit from layer 1").click()
    sync_api.expect(page).to_have_url(re.compile("hidden=3,2,3"))
    page.get_by_role("button", name="Settings of hidden layer 2: tanh").click()
    page.locator(".popover select").select_option("relu")
    sync_api.expect(page).to_have_url(re.compile("activations=tanh,relu,tanh"))
    page.keyboard.press("Escape")
    for _ in range(3):
        page.get_by_role("button", name="Remove the last hidden layer").click()
        page.wait_for_timeout(300)
    sync_api.expect(page.locator(".layer-count")).to_have_text("no hidden layer")
    sync_api.expect(page).to_have_url(re.compile("hidden=-"))


def test_an_address_reproduces_a_run_exactly(opened):
    state = "neurons&dataset=xor&noise=10&hidden=3,2&learning_rate=0.3&l2=0.001&seed=7"
    found = []
    for _ in range(2):
        page = opened(state)
        for count in range(1, 4):
            page.keyboard.press("s")
            expect_epoch(page, count)
        page.wait_for_timeout(400)
        found.append((page.url, weights_of(page)))
    assert found[0] == found[1]
    assert set(found[0][0].split("#")[1].split("&")) == set(state.split("&"))


def test_an_address_pasted_into_an_open_page_is_taken(opened, address):
    page = opened("neurons&hidden=3")
    page.goto(address.split("#")[0] + "#neurons&hidden=5&dataset=xor")  # the same page but for the state
    sync_api.expect(page.locator('.unit[aria-label="Unit 5 of layer 1"]')).to_be_visible(timeout=PATIENCE)
    sync_api.expect(page.locator('.dataset[data-name="xor"]')).to_have_attribute("aria-pressed", "true")


def test_a_weight_and_a_bias_are_edited(opened):
    page = opened()
    page.locator('.unit[aria-label="Unit 2 of layer 1"]').click()
    boxes = page.locator(".popover input[type=number]")
    for at, value in enumerate(("0.125", "-1.5", "2.25")):
        boxes.nth(at).fill(value)
        boxes.nth(at).press("Enter")
    page.wait_for_timeout(500)
    page.keyboard.press("Escape")
    assert weights_of(page, "Unit 2 of layer 1") == [0.125, -1.5, 2.25]
    middle = page.locator(".link").first.evaluate(
        """path => {
          const middle = path.getPointAtLength(path.getTotalLength() / 2);
          const box = path.ownerSVGElement.getBoundingClientRect();
          return [box.x + middle.x, box.y + middle.y];
        }"""
    )
    page.mouse.click(*middle)
    box = page.locator(".popover input[type=number]")
    assert "Weight from" in page.locator(".popover .label").inner_text()
    box.fill("3.5")
    box.press("Enter")
    page.wait_for_timeout(500)


def test_the_run_is_scrubbed_back_and_goes_on_as_a_branch(opened):
    page = opened()
    seen = {0: weights_of(page)}
    for count in range(1, 6):
        page.get_by_role("button", name="One epoch").click()
        expect_epoch(page, count)
        page.wait_for_timeout(200)
        seen[count] = weights_of(page)
    bar = page.get_by_label("Go to epoch")
    bar.focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect_epoch(page, 2)
    page.wait_for_timeout(500)
    assert weights_of(page) == seen[2]
    page.keyboard.press(",")
    expect_epoch(page, 1)
    page.keyboard.press(".")
    expect_epoch(page, 2)


def test_own_table_is_pasted(opened):
    page = opened()
    rows = "\n".join(f"{k},{(k * 7) % 11},{(k * 5) % 13},{'yes' if k % 11 > 5 else 'no'}" for k in range(60))
    page.get_by_role("button", name="Own table").click()
    page.get_by_label("Table as CSV").fill("age,height,weight,ill\n" + rows)
    page.get_by_role("button", name="Read it").click()
    sync_api.expect(page.locator(".own-columns")).to_contain_text("60 rows, 4 columns.")
    page.get_by_label("Column to foretell").select_option("ill")
    page.get_by_role("button", name="Use this table").click()
    sync_api.expect(page.locator('.unit[aria-label="Input height"]')).to_be_visible()
    sync_api.expect(page.locator(".legend")).to_contain_text("class yes")
    page.get_by_label("Across").select_option("height")
    page.get_by_role("button", name="One epoch").click()
    expect_epoch(page, 1)


def test_a_bad_table_is_refused_in_words(opened):
    page = opened()
    page.get_by_role("button", name="Own table").click()
    page.get_by_label("Table as CSV").fill("only one line")
    page.get_by_role("button", name="Read it").click()
    sync_api.expect(page.locator(".dialog .error")).to_contain_text("no rows follow")
    assert "422" in opened.complaints.pop(), "the browser notes the refusal"


def test_points_are_drawn_by_mouse_and_by_keys_in_three_classes(opened):
    page = opened()
    page.get_by_role("button", name="Draw points").click()
    pad = page.locator("canvas.map")
    box = pad.bounding_box()
    for label in range(3):
        page.get_by_role("button", name=f"Class {label}").click()
        for k in range(4):
            page.mouse.click(box["x"] + 80 + 70 * label + 6 * k, box["y"] + 60 + 50 * k)
    pad.focus()
    for key in ("2", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert "13 points" in pad.get_attribute("aria-label")
    page.get_by_role("button", name="Use these points").click()
    sync_api.expect(page.locator(".legend")).to_contain_text("class 2")
    sync_api.expect(page.locator(".unit.output")).to_have_count(3)


def test_keyboard_only(opened):
    page = opened()
    page.locator('.unit[tabindex="0"]').focus()
    steps = []
    for key in ("ArrowDown", "ArrowRight", "ArrowDown", "ArrowRight", "ArrowRight", "Home"):
        page.keyboard.press(key)
        steps.append(page.evaluate("document.activeElement.getAttribute('aria-label')"))
    assert steps[0] == "Input x₂"
    assert steps[1].startswith("Unit") and steps[1].endswith("layer 1")
    assert steps[3].endswith("layer 2")
    assert steps[4] == "Output"
    assert steps[5] == "Input x₁"
    assert page.locator('.nodes [tabindex="0"]').count() == 1, "one tab stop for the network"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.type") == "number"
    page.keyboard.type("0.75")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.classList.contains('unit')"), "the focus goes back"
    page.keyboard.press("s")
    expect_epoch(page, 1)
    page.keyboard.press("d")
    sync_api.expect(page.get_by_label("Discretize")).to_be_checked()
    page.keyboard.press("?")
    sync_api.expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")


GOLDEN = {
    "forward": {
        "z.0": [-0.44, 1.53, -1.62],
        "a.0": [0.3917409693, 0.8220063142, 0.1652048702],
        "z.1": [-0.03337058],
        "a.1": [0.4916581291],
    },
    "backward": {
        "delta.1": [-0.1270500938],
        "delta.0": [-0.0151367471, 0.007435578, -0.0052565282],
        "gradW.1": [-0.0497707269, -0.1044359794, -0.0209892943],
        "gradb.1": [-0.1270500938],
        "gradW.0": [-0.0151367471, -0.0075683735, 0.0227051206, 0.007435578, 0.003717789, -0.0111533669,
                    -0.0052565282, -0.0026282641, 0.0078847923],
    },
    "update": {
        "afterW.1": [0.5248853635, -0.3477820103, 0.3104946471],
        "afterb.1": [0.1135250469],
        "afterW.0": [0.1075683735, -0.1962158132, 0.2886474397, 0.396282211, 0.4981411055, -0.5944233165,
                     -0.6973717359, 0.8013141320, 0.8960576039],
        "afterb.0": [0.0175683735, -0.023717789, 0.0326282641],
    },
}  # fmt: skip


def shown(page, key, wanted):
    """Read a matrix of the panel in full; it may take a moment to follow the last change."""
    found = []
    for _ in range(100):
        cells = page.locator(f'[data-key="{key}"] [data-value]')
        found = cells.evaluate_all("cells => cells.map(cell => +cell.dataset.value)")
        if found == pytest.approx(wanted, abs=6e-11):
            break
        page.wait_for_timeout(200)
    return found


def test_inside_one_step_shows_the_worked_example_of_the_lecture(opened):
    page = opened()
    panel(page, "lessons")
    page.locator('[data-lesson="backpropagation"]').click()
    page.wait_for_selector("#panel-step .matrix", timeout=PATIENCE)
    page.get_by_label("Decimals").select_option("10")
    for stage, tables in GOLDEN.items():
        page.locator(f'[data-stage="{stage}"]').click()
        for key, golden in tables.items():
            page.wait_for_selector(f'[data-key="{key}"]')
            assert shown(page, key, golden) == pytest.approx(golden, abs=6e-11), (stage, key)
    assert "0.1292057289" in page.locator(".step-loss").inner_text()
    assert "0.1139865866" in page.locator(".step-loss").inner_text()


def test_a_lesson_sets_the_playground_and_asks(opened):
    page = opened()
    panel(page, "lessons")
    assert page.locator(".lesson-card").count() == 13
    page.locator('[data-lesson="xor"]').click()
    sync_api.expect(page.locator(".lesson")).to_contain_text("Why XOR fails")
    sync_api.expect(page.locator(".layer-count")).to_have_text("no hidden layer")
    page.wait_for_url(re.compile("lesson=xor.*dataset=xor|dataset=xor.*lesson=xor"))
    page.get_by_role("button", name="Show the answer").click()
    sync_api.expect(page.locator(".lesson .answer")).to_be_visible()
    page.get_by_role("button", name="Next lesson").click()
    sync_api.expect(page.locator(".lesson h2")).to_contain_text("A hidden layer")


def test_the_copied_script_and_the_saved_model_have_the_weights_of_the_page(opened, tmp_path):
    page = opened("neurons&hidden=3&panel=home")
    for number in range(1, 4):
        page.keyboard.press("s")
        expect_epoch(page, number)
    page.get_by_role("button", name="Copy as Python").click()
    sync_api.expect(page.locator(".script")).to_contain_text("MLPClassifier")
    w1, _, b1, _ = run(page.locator(".script").inner_text(), tmp_path, alone=True)
    shown_weights = weights_of(page)
    assert sorted(shown_weights) == sorted([b1[0], *w1[:, 0]])
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save model").click()
    assert saved.value.suggested_filename.endswith(".zip")
    saved.value.save_as(tmp_path / "model.zip")
    page.get_by_role("button", name="New seed").click()
    expect_epoch(page, 0)
    assert weights_of(page) != shown_weights
    page.get_by_label("Open model").set_input_files(tmp_path / "model.zip")
    sync_api.expect(page.locator(".home-panel .note")).to_have_text("The model is open.")
    page.wait_for_timeout(500)
    assert weights_of(page) == shown_weights
    (tmp_path / "model.zip").write_bytes((tmp_path / "model.zip").read_bytes()[:-300])
    page.get_by_label("Open model").set_input_files(tmp_path / "model.zip")
    sync_api.expect(page.locator(".messages")).to_contain_text("refused")
    assert "422" in opened.complaints.pop(), "the browser notes the refusal"


def test_a_fault_is_diagnosed_proven_and_cured(opened):
    page = opened("neurons&hidden=4&activations=relu&initializer=zeros&max_epochs=30&panel=diagnosis")
    page.keyboard.press(" ")
    verdict = page.locator('[data-verdict="symmetric_initialization"]')
    sync_api.expect(verdict).to_contain_text("Evidence", ignore_case=True)  # it comes by itself
    verdict.get_by_role("button", name="Prove it").click()
    sync_api.expect(verdict.locator(".proof tbody tr").nth(1)).to_be_visible(timeout=PATIENCE)
    verdict.get_by_role("button", name="Fix it").click()
    sync_api.expect(page.locator(".messages")).to_contain_text("is applied")
    assert "initializer=zeros" not in page.url


def test_a_table_is_dropped_on_the_page(opened):
    page = opened()
    rows = "a,b,kind\\n" + "\\n".join(f"{k % 7},{k % 5},{'xy'[k % 2]}" for k in range(30))
    page.evaluate(
        f"""() => {{
          const held = new DataTransfer();
          held.items.add(new File(["{rows}"], "own.csv", {{ type: "text/csv" }}));
          document.body.dispatchEvent(new DragEvent("drop", {{ dataTransfer: held, bubbles: true, cancelable: true }}));
        }}"""
    )
    sync_api.expect(page.locator(".own-columns")).to_contain_text("30 rows, 3 columns.")


def test_diagnosis_compare_and_surface(opened):
    page = opened("neurons&hidden=3&panel=diagnosis")
    page.keyboard.press("s")
    expect_epoch(page, 1)
    page.get_by_role("button", name="Look now").click()
    sync_api.expect(page.locator(".verdicts > *").first).to_be_visible()
    panel(page, "compare")
    page.get_by_role("button", name="Start with a copy as B").click()
    sync_api.expect(page.locator(".compare-sides")).to_be_visible()
    panel(page, "surface")
    page.get_by_role("button", name="Draw the surface").click()
    sync_api.expect(page.locator(".surface-picture")).to_be_visible()


FAULTS = """() => {
  const out = [], wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > wide) out.push(`the page is ${document.documentElement.scrollWidth} wide`);
  const name = (e) => (e.getAttribute("aria-label") || e.textContent || e.className).trim().slice(0, 40);
  const what = "button, select, input, .unit, .figure, h2, .epoch, .field, .label, canvas.map, svg.curve";
  const seen = [...document.querySelectorAll(what)]
    .filter((e) => e.getClientRects().length && !e.closest(".tabs, dialog, .scroller"));
  for (const e of seen) {
    const b = e.getBoundingClientRect();
    if (b.left < -0.5 || b.right > wide + 0.5)
      out.push(`${name(e)} is cut at ${b.left.toFixed()}..${b.right.toFixed()}`);
    const fixed = e.matches("button:not(.unit):not(.head-kind), .figure dd, .label, h2");
    if (fixed && e.scrollWidth > e.clientWidth + 1)
      out.push(`${name(e)} does not fit`);
  }
  const solid = seen.filter((e) => e.matches("button, select, .epoch, canvas.map, svg.curve"));
  for (let i = 0; i < solid.length; i += 1) for (let j = i + 1; j < solid.length; j += 1) {
    if (solid[i].contains(solid[j]) || solid[j].contains(solid[i])) continue;
    if (solid[i].closest(".topbar") !== solid[j].closest(".topbar")) continue; // the bar stays above what scrolls
    const a = solid[i].getBoundingClientRect(), b = solid[j].getBoundingClientRect();
    const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    if (width > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1)
      out.push(`${name(solid[i])} overlaps ${name(solid[j])}`);
  }
  return out;
}"""


@pytest.mark.parametrize("size", [(390, 844), (780, 1000), (1280, 900), (2560, 1300)])
def test_nothing_is_cut_and_nothing_overlaps_while_the_spiral_trains(opened, size):
    page = opened(SPIRAL, size=size)
    page.keyboard.press("Space")
    sync_api.expect(page.locator(".epoch-number")).not_to_have_text("0")
    assert page.locator(".unit").count() == 7 + 48 + 1
    assert page.evaluate(FAULTS) == []
    before = page.locator(".column, .figure, .unit").evaluate_all(
        "all => all.map(e => [e.offsetLeft, e.offsetTop, e.offsetWidth])"
    )
    page.wait_for_timeout(1500)
    after = page.locator(".column, .figure, .unit").evaluate_all(
        "all => all.map(e => [e.offsetLeft, e.offsetTop, e.offsetWidth])"
    )
    assert before == after, "nothing moves while numbers change"


def test_light_and_dark_can_be_switched_and_are_kept(opened):
    page = opened()
    page.get_by_role("button", name="Dark colours").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    page.wait_for_selector(".unit", timeout=PATIENCE)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.get_by_role("button", name="Light colours").click()


def test_a_wrong_value_is_refused_in_words_and_the_page_shows_what_holds(opened):
    page = opened("neurons&learning_rate=1000000")
    sync_api.expect(page.locator(".message.bad:visible")).to_contain_text("learning_rate")
