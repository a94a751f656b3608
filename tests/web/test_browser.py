"""The pages in a real browser: axe, keyboard, narrow screens, dark and light, with script and without."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from web.conftest import Running
from web.fixtures import FakeSource

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PAGES = ("/", "/herzieningen", "/tijdlijn", "/poort/om?state=metered", "/poort/om/gedaan?state=closed&was=open", "/weg")
PAGES += ("/herstel/achterstanden/wat-als",)
PAGES += ("/uitwisseling", "/uitwisseling/om", "/uitwisseling/justid/gat-melden")
PAGES += ("/herstel",)
PAGES += ("/herstel/besluiten", "/herstel/besluiten/om/om-disconnect", "/herstel/doen/om/dossier-aantekening")
PAGES += ("/herstel/plan", "/herstel/doen/om/plan-besluit?stage=mail")
PAGES += ("/herstel/achterstanden", "/herstel/achterstanden/om/om-paper", "/herstel/achterstanden/om/om-calls")
PAGES += ("/herstel/prognoses",)
PAGES += ("/herstel/diensten", "/herstel/doen/om/dienst-melden", "/stand")
Serving = Callable[[FakeSource], Running]


@pytest.fixture
def running(serving: Serving) -> Running:
    return serving(FakeSource("cut"))


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens pages in contexts of their own; all are closed with the test, and errors in a page fail it."""
    contexts: list[Any] = []
    errors: list[str] = []

    def open_page(url: str, width: int = 1280, **settings: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 800}, **{"locale": "en", **settings})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if "Security Policy" in message.text else None)
        page.goto(url, wait_until="load")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


STANDARDS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


def violations(page: Any, rules: tuple[str, ...] = STANDARDS) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"runOnly": list(rules)}).response["violations"]
    return [f"{each['id']}: {node['target']} {node['failureSummary']}" for each in found for node in each["nodes"]]


def overflow(page: Any) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def focused(page: Any) -> str:
    return str(page.evaluate("document.activeElement.id || document.activeElement.name || ''"))


def tab_to(page: Any, wanted: str, most: int = 90) -> None:
    for _step in range(most):
        if focused(page) == wanted:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{wanted} is not reached by the keyboard; the focus is on {focused(page)!r}")


@pytest.mark.parametrize(("language", "scheme", "other"), [("nl", "light", "dark"), ("en", "dark", "light")])
def test_axe_finds_nothing(running: Running, opened: Any, language: str, scheme: str, other: str) -> None:
    for path in PAGES:
        page = opened(running.url + path, locale=language, color_scheme=scheme, reduced_motion="reduce")
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
        assert page.get_attribute("html", "lang") == language
        assert violations(page) == [], path
        page.emulate_media(color_scheme=other)
        assert violations(page, ("wcag2aa",)) == [], path


@pytest.mark.parametrize("situation", ["calm", "returning", "lossy"])
def test_axe_finds_nothing_in_other_states_of_the_chain(serving: Serving, opened: Any, situation: str) -> None:
    page = opened(serving(FakeSource(situation)).url, color_scheme="dark" if situation == "calm" else "light")
    assert violations(page) == []


@pytest.mark.parametrize("width", [320, 768, 1280])
@pytest.mark.parametrize("language", ["nl", "en"])
def test_no_page_is_wider_than_its_screen(running: Running, opened: Any, language: str, width: int) -> None:
    page = opened(running.url, width=width, locale=language)
    for path in PAGES:
        page.goto(running.url + path)
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
        assert overflow(page) == 0, path


def test_a_small_screen_gets_the_narrow_picture_with_letters_that_can_be_read(running: Running, opened: Any) -> None:
    page = opened(running.url, width=320)
    assert page.is_visible(".picture--narrow")
    assert not page.is_visible(".picture--wide")
    heights = page.eval_on_selector_all(".picture--narrow text", "(all) => all.map((e) => e.getBoundingClientRect())")
    assert min(min(each["width"], each["height"]) for each in heights) >= 11
    frame = page.eval_on_selector(".picture--narrow", "(e) => e.getBoundingClientRect()")
    assert all(frame["left"] - 1 <= each["left"] and each["right"] <= frame["right"] + 1 for each in heights)


@pytest.mark.parametrize(("width", "shown"), [(320, "narrow"), (1280, "wide")])
@pytest.mark.parametrize("language", ["nl", "en"])
def test_texts_in_the_picture_stay_in_their_boxes(
    running: Running, opened: Any, language: str, width: int, shown: str
) -> None:
    page = opened(running.url, width=width, locale=language)
    outside = page.evaluate(
        """(size) => {
          const all = (css) => [...document.querySelectorAll(`.picture--${size} ${css}`)];
          const boxes = all(".picture-box").map((box) => box.getBoundingClientRect());
          const texts = all(":is(.picture-name, .picture-note)");
          return texts.filter((text) => {
            const t = text.getBoundingClientRect();
            return !boxes.some((b) => t.left >= b.left && t.right <= b.right && t.top >= b.top && t.bottom <= b.bottom);
          }).map((text) => text.textContent);
        }""",
        shown,
    )
    assert outside == []


def test_the_first_screen_says_what_a_crisis_manager_must_know(running: Running, opened: Any) -> None:
    page = opened(running.url)
    for selector in ("#headline-title", ".lede", ".account", ".picture--wide", 'a.button[href="#gates-title"]'):
        box = page.locator(selector).first.bounding_box()
        assert box["y"] + box["height"] <= 800, selector


def test_a_gate_is_closed_with_the_keyboard_alone(running: Running, opened: Any) -> None:
    page = opened(running.url, java_script_enabled=True)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip-link"
    tab_to(page, "close-om")
    page.keyboard.press("Enter")
    page.wait_for_url("**/poort/om?state=closed")
    tab_to(page, "state-closed")
    tab_to(page, "who")
    page.keyboard.type("Crisis manager")
    tab_to(page, "stap")
    page.keyboard.press("Enter")
    page.wait_for_selector("#summary")
    assert focused(page) == "summary"
    assert page.input_value("#who") == "Crisis manager"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert focused(page) == "why"
    page.keyboard.type("Advisory of the NCSC")
    tab_to(page, "stap")
    page.keyboard.press("Enter")
    page.wait_for_selector(".consequences")
    tab_to(page, "stap")
    page.keyboard.press("Enter")
    page.wait_for_url("**/gedaan?*")
    assert focused(page) == "page-title"
    assert running.source.orders[0][1]["why"] == "Advisory of the NCSC"


def test_a_gate_is_closed_and_opened_again_without_script(running: Running, opened: Any) -> None:
    page = opened(running.url, java_script_enabled=False, locale="nl")
    assert page.is_visible("text=Deze pagina verversen")
    assert not page.is_visible("#live-state button")
    page.click("#close-politie")
    page.fill("#who", "Crisismanager")
    page.fill("#why", "Advies van het NCSC")
    page.click("text=Verder: zien wat er gaat gebeuren")
    page.click("text=Sluit de sluisdeur nu")
    assert page.inner_text("h1") == "De sluisdeur van Politie is gesloten"
    page.click("text=Weer openen")
    assert [order["state"] for _organisation, order in running.source.orders] == ["closed", "open"]
    page.click("text=Naar het overzicht")
    page.click("text=Pauze")
    assert running.source.controls == [{"action": "pause"}]


def test_the_error_and_confirmation_pages_are_accessible_too(running: Running, opened: Any) -> None:
    page = opened(running.url + "/poort/om?state=metered")
    page.click("button[name=stap]")
    page.wait_for_selector("#summary")
    assert violations(page) == []
    page.fill("#rate", "300")
    page.fill("#who", "Crisis manager")
    page.fill("#why", "Coming back in stages")
    page.click("button[value=kijk]")
    page.wait_for_selector(".consequences")
    assert violations(page) == []
    assert overflow(page) == 0


def test_the_page_follows_the_log_by_itself_and_leaves_the_reader_alone(running: Running, opened: Any) -> None:
    page = opened(running.url)
    page.wait_for_selector(".live-state--now")
    page.click("#samples-summary")
    page.focus("#close-om")
    running.source.all[3]["decisions"]["provisional"] += 1_000
    running.source.position += 1
    page.wait_for_selector("text=12,230")
    assert page.evaluate("document.getElementById('samples').open")
    assert focused(page) == "close-om"


def test_a_reader_who_stops_following_is_left_alone_until_following_again(running: Running, opened: Any) -> None:
    page = opened(running.url)
    page.wait_for_selector(".live-state--now")
    page.click("#live-state button")
    assert page.is_visible("text=You stopped following")
    running.source.all[3]["decisions"]["provisional"] += 1_000
    running.source.position += 1
    time.sleep(1.5)
    assert not page.is_visible("text=12,230")
    page.click("#live-state button")
    page.wait_for_selector("text=12,230")


def test_a_page_that_lost_its_connection_says_so(serving: Serving, opened: Any) -> None:
    """P7, on the page itself: it does not go on looking fresh."""
    running = serving(FakeSource("cut"))
    page = opened(running.url)
    page.wait_for_selector(".live-state--now")
    assert running.stop(), "the server waits for a reader who only looks"
    page.wait_for_selector("text=No connection: this page stands still")


@pytest.mark.parametrize("settings", [{"forced_colors": "active"}, {"contrast": "more"}, {"reduced_motion": "reduce"}])
def test_readers_with_other_settings_see_the_same(running: Running, opened: Any, settings: dict[str, str]) -> None:
    page = opened(running.url, **settings)
    assert page.is_visible(".picture--wide")
    assert violations(page) == []
    moving = "(all) => all.filter((e) => parseFloat(getComputedStyle(e).transitionDuration) > 0).length"
    if "reduced_motion" in settings:
        assert page.eval_on_selector_all("*", moving) == 0


def test_on_paper_the_tables_are_there_and_the_buttons_are_not(running: Running, opened: Any) -> None:
    page = opened(running.url)
    page.emulate_media(media="print")
    assert page.is_visible(".picture--wide")
    assert page.is_visible(".figure__count >> nth=0")
    assert not page.is_visible("#close-om")
