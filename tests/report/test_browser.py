"""The page in a real browser, opened from disk: quiet, self-contained, readable everywhere."""

import base64
import json
from pathlib import Path

import pytest

from rareevent.report.page import write_report
from tests.browsers import needs_browser, start_browser

pytestmark = [pytest.mark.slow, needs_browser]
HOSTILE = ["<script>window.hacked=1</script>", '"><img src=x onerror=window.hacked=1>']
PHONE, DESKTOP = 390, 1280


class Browser:
    """A page at a width and in a colour scheme, and everything it asked for or complained of."""

    def __init__(self, driver):
        self.driver = driver

    def show(self, path: Path, width: int = DESKTOP, scheme: str = "light", media: str = ""):
        self.driver.get_log("performance")
        self.driver.get_log("browser")
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.cdp("Emulation.setEmulatedMedia", media=media, features=[feature])
        metrics = {"width": width, "height": 850, "mobile": width < 600}
        self.cdp("Emulation.setDeviceMetricsOverride", deviceScaleFactor=1, **metrics)
        self.driver.get(path.as_uri())

    def cdp(self, command: str, **parameters):
        return self.driver.execute_cdp_cmd(command, parameters)

    def js(self, script: str, *values):
        return self.driver.execute_script(script, *values)

    def requested(self) -> list[str]:
        messages = [json.loads(m["message"])["message"] for m in self.driver.get_log("performance")]
        sent = [m for m in messages if m["method"] == "Network.requestWillBeSent"]
        return [m["params"]["request"]["url"] for m in sent]

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def screenshot(self, path: Path) -> bytes:
        height = self.js("return document.documentElement.scrollHeight")
        width = self.js("return document.documentElement.clientWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self.cdp("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))
        return path.read_bytes()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    driver = start_browser(tmp_path_factory.mktemp("profile"))
    yield Browser(driver)
    driver.quit()


@pytest.fixture(scope="module")
def pages(sample, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    reports = {
        "one": sample(events=60, rows=3600),
        "hundred": sample(assets=100, events=60, rows=300),
        "cycles": sample(assets=20, events=20, rows=240, dated=False),
        "empty": sample(events=0, rows=300, baselines={}),
        "leaky": sample(events=12, rows=600, leaky=True),
        "hostile": sample(
            events=9, rows=300, names=[n + 40 * "x" for n in HOSTILE], name=HOSTILE[0]
        ),
    }
    return {name: write_report(report, folder / f"{name}.html") for name, report in reports.items()}


NAMES = ["one", "hundred", "cycles", "empty", "leaky", "hostile"]


@pytest.mark.parametrize("name", NAMES)
def test_page_asks_for_nothing_and_complains_of_nothing(browser, pages, name):
    browser.show(pages[name])
    asked = [url for url in browser.requested() if not url.startswith("data:")]
    assert asked == [pages[name].as_uri()]
    assert browser.complaints() == []
    assert browser.js("return window.hacked") is None


@pytest.mark.parametrize("name", NAMES)
def test_nothing_overflows_sideways(browser, pages, name):
    root = "document.documentElement"
    for width in (320, PHONE, 768, DESKTOP):
        browser.show(pages[name], width)
        beyond = browser.js(f"return {root}.scrollWidth - {root}.clientWidth")
        assert beyond <= 0, width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_page_can_be_pictured_whole(browser, pages, width, scheme, tmp_path):
    browser.show(pages["one"], width, scheme)
    assert len(browser.screenshot(tmp_path / f"one-{width}-{scheme}.png")) > 50_000


def test_dark_and_light_follow_the_system(browser, pages):
    colours = []
    for scheme in ("light", "dark"):
        browser.show(pages["one"], scheme=scheme)
        colours.append(browser.js("return getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(255, 255, 255)", "rgb(20, 23, 27)"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser, pages, scheme):
    """WCAG 2.2, 1.4.3: a contrast of at least 4.5 for text."""
    browser.show(pages["leaky"], scheme=scheme)
    worst = browser.js(
        """
        const light = (c) => {
          const part = c.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
            .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
          return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
        };
        const ground = (node) => {
          for (let at = node; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (!/, 0\\)$/.test(colour)) return colour;
          }
          return "rgb(255, 255, 255)";
        };
        let worst = [99, ""];
        for (const node of document.querySelectorAll("body *:not(script)")) {
          if (![...node.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim())) continue;
          const style = getComputedStyle(node);
          const ink = node.closest("svg") ? style.fill : style.color;
          const pair = [light(ink), light(ground(node))];
          const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
          if (ratio < worst[0]) worst = [ratio, node.outerHTML.slice(0, 120)];
        }
        return worst;
        """
    )
    assert worst[0] >= 4.5, worst


def test_phone_and_desktop_each_get_their_own_timeline(browser, pages):
    for width, seen in ((PHONE, "narrow"), (DESKTOP, "wide")):
        browser.show(pages["one"], width)
        displayed = browser.js(
            "return [...document.querySelectorAll('.wide, .narrow')]"
            ".filter((e) => e.offsetWidth > 0).map((e) => e.className)"
        )
        assert displayed == [seen]


def test_chart_text_is_large_enough_to_read_on_a_phone(browser, pages):
    browser.show(pages["one"], PHONE)
    sizes = browser.js(
        """
        return [...document.querySelectorAll("svg text")].filter((t) => t.getClientRects().length)
          .map((t) => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a);
        """
    )
    assert min(sizes) >= 10


def test_clicking_a_head_sorts_by_number_not_by_text(browser, pages):
    browser.show(pages["hundred"])
    rows = "[...document.querySelectorAll('#assets tbody tr')]"
    column = f"return {rows}.map((r) => +r.cells[1].innerText)"
    click = "document.querySelectorAll('#assets th button')[1].click()"
    before = browser.js(column)
    browser.js(click)
    assert browser.js(column) == sorted(before, reverse=True)
    browser.js(click)
    assert browser.js(column) == sorted(before)


def test_touching_a_mark_tells_what_it_is(browser, pages):
    from selenium.webdriver.common.by import By

    browser.show(pages["one"], PHONE)
    mark = browser.driver.find_element(By.CSS_SELECTOR, ".narrow .event.caught")
    browser.js("arguments[0].scrollIntoView({block: 'center'})", mark)
    mark.click()
    tip = browser.driver.find_element(By.ID, "tip")
    assert tip.is_displayed()
    assert tip.text.startswith("Event caught, announced")
    assert browser.js("return arguments[0].getBoundingClientRect().right", tip) <= PHONE


def test_printing_unfolds_everything_on_white(browser, pages):
    browser.show(pages["one"], scheme="dark", media="print")
    assert browser.js("return getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    browser.js("dispatchEvent(new Event('beforeprint'))")
    assert browser.js("return document.querySelectorAll('details:not([open])').length") == 0
    printed = base64.b64decode(browser.cdp("Page.printToPDF", printBackground=True)["data"])
    assert printed.startswith(b"%PDF")


def test_page_reads_without_its_script(browser, pages):
    browser.cdp("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.show(pages["one"])
        assert "events were announced" in browser.driver.page_source
        assert browser.driver.page_source.count("<title>Event ") > 0
    finally:
        browser.cdp("Emulation.setScriptExecutionDisabled", value=False)
