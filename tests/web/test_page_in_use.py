"""The page in a real browser when things go wrong, with many files, with keys, and by keyboard alone."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.server import running_server
from models.samples import FILES
from tests.app.test_own_pictures import make_own_bundle
from tests.pictures import encode, noise, plain
from tests.web.conftest import PHONE, OpenPage

KEY = "a-key-of-sixteen-characters"


def file(name: str, data: bytes | None = None) -> dict[str, Any]:
    """A file to choose; a sample's where no data are given."""
    return {"name": name, "mimeType": "", "buffer": FILES[name].content() if data is None else data}


def choose(page: Any, *files: dict[str, Any]) -> None:
    """Choose files as with the button."""
    page.locator('input[type="file"]').first.set_input_files(list(files))


def drop(page: Any, *files: dict[str, Any]) -> None:
    """Drop files on the page."""
    sent = [[each["name"], list(each["buffer"])] for each in files]
    page.evaluate(
        """(sent) => {
          const dropped = new DataTransfer();
          for (const [name, bytes] of sent) dropped.items.add(new File([new Uint8Array(bytes)], name));
          window.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, cancelable: true }));
        }""",
        sent,
    )


def test_many_files_make_a_table_that_sorts_filters_and_goes_out(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page("/ui#/skin")
    choose(page, file("skin-lesion.jpg"), file("=noise.png", encode(noise())), file("notes.txt", b"no picture"))
    page.get_by_text("3 of 3 read").wait_for()
    rows = page.locator(".session tbody tr")
    assert rows.count() == 3
    states = dict(zip(["skin-lesion.jpg", "=noise.png", "notes.txt"], ["read", "not accepted", "failed"], strict=True))
    for name, state in states.items():
        assert page.locator(".session tr", has_text=name).locator("td").last.inner_text() == state
    page.locator(".session").get_by_role("button", name="File").click()
    names = [name.lower() for name in page.locator(".session tbody button").all_inner_texts()]
    assert names == sorted(names)
    page.get_by_label("Filter the readings").fill("notes")
    assert rows.count() == 1
    with page.expect_download() as saved:
        page.locator(".session").get_by_role("button", name="CSV").click()
    lines = Path(saved.value.path()).read_text().splitlines()
    assert len(lines) == 4
    assert any(line.startswith("'=noise.png,") for line in lines)
    with page.expect_download() as saved:
        page.locator(".session").get_by_role("button", name="JSON").click()
    kept = json.loads(Path(saved.value.path()).read_text())
    assert {each["name"]: bool(each["answer"]) for each in kept} == {
        "skin-lesion.jpg": True,
        "=noise.png": True,
        "notes.txt": False,
    }
    page.locator(".session").get_by_role("button", name="Forget all").click()
    assert page.locator(".session").is_hidden()


def test_what_waits_is_not_sent_once_it_is_stopped_or_forgotten(open_page: OpenPage) -> None:
    page = open_page("/ui#/skin")
    sent: list[Any] = []
    page.route("**/analyze/skin*", lambda route: sent.append(route))
    choose(page, *(file(f"{number}.png", encode(plain((90, 90, 90)))) for number in range(8)))
    page.get_by_text("0 of 8 read").wait_for()
    page.locator(".session").get_by_role("button", name="7.png").click()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("heading", name="Stopped").wait_for()
    page.get_by_text("1 of 8 read").wait_for()
    page.locator(".session").get_by_role("button", name="Forget all").click()
    choose(page, file("next.png", encode(plain((90, 90, 90)))))
    page.get_by_text("Reading next.png").wait_for()
    assert len(sent) == 4  # three of the eight at once, and the next


def test_a_row_keeps_the_focus_while_others_are_read(open_page: OpenPage) -> None:
    page = open_page("/ui#/skin")
    sent: list[Any] = []
    page.route("**/analyze/skin*", lambda route: sent.append(route))
    choose(page, *(file(f"{number}.png", encode(plain((90, 90, 90)))) for number in range(5)))
    waiting = page.locator(".session").get_by_role("button", name="4.png")
    waiting.focus()
    page.wait_for_function("document.querySelectorAll('.session tbody tr').length === 5")
    sent[1].fulfill(status=400, json={"title": "No picture", "detail": "It is none."})
    page.get_by_text("1 of 5 read").wait_for()
    assert waiting.evaluate("button => button === document.activeElement")


def test_a_record_finds_its_other_half_and_half_a_record_is_told(open_page: OpenPage) -> None:
    page = open_page()
    page.locator(".card").first.wait_for()
    drop(page, file("ecg-record.dat"), file("ecg-record.hea"))
    page.locator(".answer").wait_for()
    assert page.url.endswith("#/heart_record")
    drop(page, file("ecg-record.dat"))
    assert "ecg-record.dat" in page.get_by_role("dialog").inner_text()


def test_a_picture_dropped_at_the_start_is_asked_what_it_shows(open_page: OpenPage) -> None:
    page = open_page()
    page.locator(".card").first.wait_for()
    drop(page, file("ecg-sheet.png"))
    page.get_by_role("dialog").get_by_role("button", name="ECG on paper").click()
    page.locator(".answer").wait_for()
    assert page.url.endswith("#/heart_image")


def test_an_error_is_a_sentence(open_page: OpenPage) -> None:
    page = open_page("/ui#/xray")
    choose(page, file("notes.txt", b"no picture"))
    page.get_by_role("heading", name="Invalid file type").wait_for()
    assert "JPEG, PNG" in page.locator(".failure").inner_text()


def test_a_busy_service_is_waited_for_and_asked_again(open_page: OpenPage) -> None:
    page = open_page("/ui#/xray")
    busy = {"title": "Too many requests under way", "detail": "Try again shortly.", "instance": "x", "errors": []}
    answers = [
        {"status": 503, "headers": {"Retry-After": "2", "Content-Type": "application/json"}, "body": json.dumps(busy)}
    ]
    page.route("**/analyze/xray*", lambda route: route.fulfill(**answers.pop()) if answers else route.continue_())
    choose(page, file("chest-xray.jpg"))
    again = page.locator(".failure button.main")
    assert re.fullmatch(r"Try again in \d s", again.inner_text())
    assert again.is_disabled()
    page.get_by_role("button", name="Try again", exact=True).click()
    page.locator(".answer").wait_for()


def test_without_a_connection_it_says_so_and_goes_on_afterwards(open_page: OpenPage) -> None:
    page = open_page("/ui#/skin")
    page.locator(".drop").wait_for()
    page.context.set_offline(True)
    choose(page, file("skin-lesion.jpg"))
    page.get_by_role("heading", name="The service can't be reached").wait_for()
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    page.locator(".finding").wait_for()


def test_by_keyboard_alone(open_page: OpenPage) -> None:
    page = open_page()
    page.locator(".card").first.wait_for()
    _tab_to(page, "Try a sample: Skin lesion")
    page.keyboard.press("Enter")
    page.locator(".finding h2:focus").wait_for()
    _tab_to(page, "Symptoms", back=True)
    page.keyboard.press("Enter")
    _tab_to(page, "Or choose symptoms")
    page.keyboard.type("head")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    chosen = page.locator('[role="option"][aria-selected="true"]').inner_text()
    page.keyboard.press("Enter")
    assert page.get_by_role("button", name=f"Remove {chosen}").is_visible()
    _tab_to(page, "Ask")
    page.keyboard.press("Enter")
    page.locator(".answer h2:focus").wait_for()


def _tab_to(page: Any, name: str, *, back: bool = False) -> None:
    for _ in range(60):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        focused = page.evaluate(
            "document.activeElement.ariaLabel || document.activeElement.labels?.[0]?.innerText"
            " || document.activeElement.innerText"
        )
        if (focused or "").strip() == name:
            return
    raise AssertionError(f"{name} is not reached by Tab")


def test_on_a_phone_the_dangers_are_in_sight_before_the_finding(open_page: OpenPage) -> None:
    page = open_page("/ui#/disease", size=PHONE)
    page.get_by_label("In your own words").fill("Crushing chest pain that spreads into my left arm, and I am sweating.")
    page.get_by_role("button", name="Ask").click()
    page.locator(".answer h2:focus").wait_for()
    first, header = page.locator(".banner").first.bounding_box(), page.locator(".top").bounding_box()
    assert header["height"] <= first["y"] < PHONE[1] / 2
    assert page.locator(".banner summary").first.inner_text() == "Source"


def test_what_a_model_says_is_text_and_never_markup(open_page: OpenPage) -> None:
    page = open_page("/ui#/skin")
    evil = "<img src=x onerror=alert(1)><b>bold</b>"

    def poisoned(route: Any) -> None:
        answer = route.fetch().json()
        answer["prediction"]["name"] = answer["urgency"]["timeline"] = answer["not_assessed"][0] = evil
        answer["alerts"] = [{"name": evil, "evidence": evil, "urgency": answer["urgency"], "source": evil}]
        route.fulfill(json=answer)

    page.route("**/analyze/skin*", poisoned)
    choose(page, file("skin-lesion.jpg"))
    page.locator(".answer").wait_for()
    assert page.locator(".answer").inner_text().count(evil) >= 5
    assert page.locator(".answer img, .answer b").count() == 0


def test_a_service_with_keys_asks_for_one_and_keeps_it_in_memory_only(browser: Any, open_page: OpenPage) -> None:
    with running_server({"MEDIDIAGNOSE_API_KEYS": KEY}) as server:
        page = open_page(origin=server.url)
        page.get_by_role("dialog").get_by_label("Sent with each request").fill(KEY)
        page.get_by_role("button", name="Use it").click()
        page.get_by_role("button", name="Try a sample: Skin lesion").click()
        page.locator(".finding").wait_for()
        assert page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length") == 0
        page.reload()
        page.get_by_role("dialog").wait_for()


def test_a_diagnosis_of_ones_own_appears_beside_the_others(open_page: OpenPage, tmp_path: Path) -> None:
    make_own_bundle(tmp_path, "retina")
    with running_server({"MEDIDIAGNOSE_BUNDLES": str(tmp_path)}) as server:
        page = open_page(origin=server.url)
        page.get_by_role("link", name="retina").click()
        choose(page, file("eye.png", encode(noise())))
        page.locator(".answer").wait_for()
        assert page.get_by_role("heading", name="How likely").is_visible() or page.locator(".refusal").is_visible()


def test_a_fixed_sample_is_called_one(open_page: OpenPage, tmp_path: Path) -> None:
    with running_server({"MEDIDIAGNOSE_BUNDLES": str(tmp_path), "MEDIDIAGNOSE_DEMO_MODE": "true"}) as server:
        page = open_page(origin=server.url)
        page.locator(".state.demo").first.wait_for()
        assert page.locator(".state.demo").count() == 7
        page.locator(".card button").first.click()
        page.get_by_text("A fixed sample, not a reading.").wait_for()


def test_a_report_prints_the_answer_without_the_tools(open_page: OpenPage) -> None:
    page = open_page("/ui#/skin")
    choose(page, file("skin-lesion.jpg"))
    page.locator(".finding").wait_for()
    page.emulate_media(media="print")
    for gone in (".tools", ".drop", ".tabs", ".developer"):
        assert page.locator(gone).first.is_hidden()
    assert page.locator(".print-only").is_visible()
    assert page.get_by_text("Not a medical device.").first.is_visible()


def test_nothing_turns_where_less_motion_is_asked_for(open_page: OpenPage) -> None:
    page = open_page("/ui#/skin", reduced_motion="reduce")
    page.route("**/analyze/skin*", lambda route: None)
    choose(page, file("plain.png", encode(plain((90, 90, 90)))))
    spinner = page.locator(".spinner")
    spinner.wait_for()
    assert spinner.evaluate("spinner => getComputedStyle(spinner).animationName") == "none"
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("heading", name="Stopped").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_developers_drawer_repeats_the_request(open_page: OpenPage, scheme: str) -> None:
    page = open_page("/ui#/breast", color_scheme=scheme)
    page.get_by_text("What you know of the patient").click()
    page.get_by_label("Why the picture was taken").select_option("screening")
    choose(page, file("breast-ultrasound.jpg"))
    page.locator(".answer").wait_for()
    page.locator(".developer summary").click()
    for language, words in {
        "curl": "-F 'setting=screening'",
        "Python": '"setting": "screening"',
        "TypeScript": 'form.append("setting", "screening")',
    }.items():
        page.locator(".developer").get_by_role("button", name=language).click()
        assert words in page.locator(".developer pre").inner_text()


def test_a_map_lies_over_the_part_of_the_picture_that_it_is_of_and_fades(open_page: OpenPage) -> None:
    layer = "data:image/png;base64," + base64.b64encode(encode(plain((255, 0, 0)))).decode()
    explained = {
        "kind": "map",
        "method": "learned occlusion",
        "code": "pneumonia",
        "values": [],
        "box": [0.25, 0.0, 0.75, 1.0],
        "map": layer,
        "overlay": layer,
        "weights": [],
        "parts": [],
        "limits": "Coarse.",
    }
    page = open_page("/ui#/xray")
    asked: list[str] = []

    def answer(route: Any) -> None:
        asked.append(route.request.url)
        sent = route.fetch()
        body = {**sent.json(), "explanation": explained, "prediction_set_says": "Nothing can be ruled out."}
        body["reliability"] = {"accepted": True, "reason": None}
        route.fulfill(response=sent, body=json.dumps(body))

    page.route("**/analyze/xray*", answer)
    choose(page, file("chest-xray.jpg"))
    page.locator(".layer").wait_for()
    assert asked[0].endswith("?explain=true")
    sheet, shown = (page.locator(each).bounding_box() for each in (".sheet", ".layer"))
    assert shown["width"] == pytest.approx(sheet["width"] / 2, abs=1)
    assert shown["x"] - sheet["x"] == pytest.approx(sheet["width"] / 4, abs=1)
    slider = page.get_by_label("What spoke for Pneumonia")
    slider.fill("20")
    assert page.locator(".layer").evaluate("(layer) => layer.style.opacity") == "0.2"
    assert "Coarse." in page.locator(".viewer").inner_text()
    assert "Nothing can be ruled out." in page.locator(".answer").inner_text()


def test_what_speaks_for_and_against_a_disease_is_told(open_page: OpenPage) -> None:
    page = open_page("/ui#/disease")
    page.locator("textarea").first.fill("fever and a cough, no rash")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_role("heading", name="What spoke for and against").wait_for()
    told = page.locator("section", has=page.get_by_role("heading", name="What spoke for and against")).inner_text()
    assert "fever" in told
    assert re.search(r"(for|against), \d+(\.\d)? times", told)
