"""Each job in a real browser: from the sample to the answer, refused or read, and what is shown of it."""

import json
from typing import Any

import pytest

from models.samples import SAMPLES, Sample
from tests.web.conftest import PHONE, SMALL_PHONE, OpenPage


def press_sample(page: Any, sample: Sample) -> Any:
    """Press the sample of a card; returns what the service answered, once it is shown."""
    card = page.locator(".card", has=page.locator(f'a[href="#/{sample.diagnosis}"]'))
    with page.expect_response(
        lambda response: sample.path in response.url and response.request.method == "POST"
    ) as got:
        card.get_by_role("button").click()
    page.locator(".answer").wait_for()
    return got.value.json()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_sample_is_answered_and_shown_in_reading_order(open_page: OpenPage, sample: Sample) -> None:
    page = open_page()
    page.locator(".card").first.wait_for()
    answer = press_sample(page, sample)
    shown = page.locator(".answer").inner_text()
    expected = [answer["urgency"]["timeline"]] if "urgency" in answer else []
    if answer["reliability"]["accepted"]:
        named = answer["prediction"]
        expected.append(named.get("name") or named.get("disease") or named["condition"])
    else:
        expected.insert(0, answer["reliability"]["reason"])
    expected += answer["not_assessed"]
    places = [shown.find(text) for text in expected]
    assert -1 not in places, [text for text in expected if text not in shown]
    assert places == sorted(places)
    assert answer["disclaimer"] in shown
    assert page.locator("h2:focus").count() == 1
    assert page.get_by_text("Not a medical device.").first.is_visible()


@pytest.mark.parametrize("name", ["skin", "ecg-sheet"])
def test_bars_carry_the_operating_thresholds(open_page: OpenPage, name: str) -> None:
    sample = next(each for each in SAMPLES if each.name == name)
    page = open_page()
    answer = press_sample(page, sample)
    models = page.evaluate("fetch('models').then((answer) => answer.json())")["models"]
    codes = {each["code"] for each in answer["probabilities"]}
    points = [
        point
        for point in next(model for model in models if model["name"] == sample.diagnosis)["operating_points"]
        if point["code"] in codes  # others are of several classes together
    ]
    marks = page.locator(".bars .mark").evaluate_all("marks => marks.map((mark) => parseFloat(mark.style.left))")
    assert sorted(marks) == pytest.approx(sorted(100 * point["threshold"] for point in points), abs=0.01)
    fills = page.locator(".bars .fill").evaluate_all("fills => fills.map((fill) => parseFloat(fill.style.width))")
    likely = sorted((max(100 * each["probability"], 0.4) for each in answer["probabilities"]), reverse=True)
    assert fills == pytest.approx(likely, abs=0.01)


def test_a_refusal_takes_the_answers_place(open_page: OpenPage) -> None:
    page = open_page("/ui#/skin")
    grey = page.evaluate(
        "new Promise((done) => {const c = new OffscreenCanvas(300, 300);"
        "c.getContext('2d').fillRect(0, 0, 300, 300); c.convertToBlob().then((b) => b.arrayBuffer())"
        ".then((b) => done([...new Uint8Array(b)]))})"
    )
    page.locator('input[type="file"]').first.set_input_files(
        {"name": "black.png", "mimeType": "image/png", "buffer": bytes(grey)}
    )
    page.get_by_role("heading", name="Not read").wait_for()
    assert page.locator(".bars, .finding, .birads").count() == 0
    assert page.get_by_role("heading", name="What to do").is_visible()


def test_an_ecg_shows_the_traces_read_and_what_was_measured(open_page: OpenPage) -> None:
    page = open_page()
    answer = press_sample(page, next(each for each in SAMPLES if each.name == "ecg-sheet"))
    layer = page.locator(".layer")
    layer.wait_for()
    assert layer.get_attribute("src") == answer["explanation"]["overlay"]
    page.get_by_label("What was read").fill("20")
    assert layer.evaluate("layer => layer.style.opacity") == "0.2"
    rate = page.locator(".measures div", has_text="Rate").first.inner_text()
    assert str(round(answer["measurements"]["rate"]["value"])) in rate
    assert page.locator(".leads div").count() == 12


def test_the_picture_can_be_zoomed_and_inverted(open_page: OpenPage) -> None:
    page = open_page()
    press_sample(page, next(each for each in SAMPLES if each.name == "skin"))
    canvas = page.locator(".sheet canvas")
    canvas.wait_for()
    width = canvas.bounding_box()["width"]
    page.get_by_role("button", name="Zoom in").click()
    assert canvas.bounding_box()["width"] == pytest.approx(1.5 * width, rel=0.02)
    page.get_by_role("button", name="Zoom out").click()
    page.get_by_role("button", name="Enlarge").click()
    assert canvas.bounding_box()["width"] > 2 * width
    page.get_by_role("button", name="Invert").click()
    assert canvas.evaluate("canvas => getComputedStyle(canvas).filter") == "invert(1)"


def test_a_form_shows_what_each_value_adds(open_page: OpenPage) -> None:
    page = open_page()
    answer = press_sample(page, next(each for each in SAMPLES if each.name == "heart-risk"))
    rows = page.locator(".waterfall .bar-row")
    assert rows.count() == len(answer["contributions"]) + 2
    assert rows.last.inner_text().split()[-2:] == [f"{100 * answer['prediction']['probability']:.1f}", "%"]
    assert f"{100 * answer['ten_year_risk']['total_cvd']:.1f} %" in page.locator(".answer").inner_text()


def test_a_text_is_marked_with_what_was_understood(open_page: OpenPage) -> None:
    page = open_page("/ui#/disease")
    page.get_by_label("In your own words").fill("A 😀 stif neck and a feverr, no chest pain, a flurbling knee.")
    page.get_by_role("button", name="Ask").click()
    page.locator(".said").wait_for()
    answer = json.loads(_raw(page))
    for span in answer["understood"]:
        mark = page.locator(f".said mark.{span['kind']}", has_text=span["text"])
        assert mark.count() >= 1, span
    assert page.locator(".said mark.denied", has_text="chest pain").count() == 1


def test_a_suggestion_is_a_button_that_asks_again(open_page: OpenPage) -> None:
    page = open_page("/ui#/disease")
    page.get_by_label("Or choose symptoms").fill("xheadachq")
    page.keyboard.press("Enter")
    page.get_by_label("In your own words").fill("a cough")
    page.get_by_role("button", name="Ask").click()
    page.locator(".answer").wait_for()
    suggestions = json.loads(_raw(page))["suggestions"]
    assert suggestions
    first = next(iter(suggestions.values()))[0]
    with page.expect_response("**/predict-disease*") as again:
        page.locator(".answer button.tag", has_text=first).first.click()
    assert first in again.value.json()["symptoms_analyzed"]


def _raw(page: Any) -> str:
    """The raw answer, as the developer's drawer shows it."""
    page.locator(".developer summary").click()
    page.locator(".developer").get_by_role("button", name="JSON").click()
    return str(page.locator(".developer pre").inner_text())


@pytest.mark.parametrize("size", [PHONE, SMALL_PHONE], ids=["phone", "small phone"])
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_on_a_phone_nothing_is_wider_than_the_screen(
    open_page: OpenPage, sample: Sample, size: tuple[int, int]
) -> None:
    page = open_page(size=size)
    page.locator(".card").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    press_sample(page, sample)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_each_model_that_ships_is_said_to_be_as_good_as_was_measured(open_page: OpenPage) -> None:
    page = open_page()
    page.locator(".card").first.wait_for()
    words = page.locator(".card .figure-words").all_inner_texts()
    assert len(words) == len(SAMPLES)
    assert all(any(digit.isdigit() for digit in each) for each in words), words
    models = page.evaluate("fetch('models').then((answer) => answer.json())")["models"]
    served = next(model for model in models if model["name"] == "skin")["as_served"]["sets"]
    found = served["HAM10000, a tenth of the lesions"]["balanced accuracy"]
    assert f"right in {round(100 * found['value'])} % of {found['n']:,} pictures" in words[0]
