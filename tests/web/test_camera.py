"""The camera of the page, with devices that Chromium makes up: seen live, taken, sent; off afterwards; and refused."""

from typing import Any

import pytest

from tests.web.conftest import PHONE, OpenPage

LIVE = """() => {
  const video = document.querySelector("dialog video");
  return video.srcObject?.active && video.videoWidth > 0 && !video.paused;
}"""
KEEP = """() => {
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  window.streams = [];
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    window.streams.push(await ask(wanted));
    return window.streams.at(-1);
  };
}"""
RUNNING = "window.streams.flatMap((each) => each.getTracks()).filter((each) => each.readyState === 'live').length"
OFF = f"() => {RUNNING} === 0 && !document.querySelector('dialog')"


def open_camera(page: Any) -> Any:
    """The camera's dialog of a page, once a picture is seen."""
    page.evaluate(KEEP)
    page.get_by_role("button", name="Use the camera").click()
    page.wait_for_function(LIVE)
    return page.get_by_role("dialog", name="Camera")


@pytest.mark.parametrize("reached", ["pointer", "keyboard"])
def test_a_picture_is_seen_live_taken_and_sent(open_page: OpenPage, reached: str) -> None:
    page = open_page("/ui#/skin", permissions=["camera"])

    def press(name: str) -> None:
        button = page.get_by_role("dialog").get_by_role("button", name=name)
        if reached == "keyboard":
            page.wait_for_function("(name) => document.activeElement.textContent === name", arg=name)
            page.keyboard.press("Enter")
        else:
            button.click()

    open_camera(page)
    press("Take the picture")
    assert page.locator("#status").inner_text() == "The picture was taken"
    with page.expect_response("**/analyze/skin*") as answered:
        press("Use it")
    assert answered.value.status == 200
    page.locator(".answer").wait_for()
    assert "camera-" in page.locator("figcaption").inner_text()
    page.wait_for_function("() => document.querySelector('.sheet canvas')?.offsetHeight > 100")
    page.wait_for_function(OFF)


def test_another_picture_can_be_taken_with_another_camera(open_page: OpenPage) -> None:
    page = open_page("/ui#/skin", permissions=["camera"], size=PHONE)
    dialog = open_camera(page)
    dialog.get_by_role("button", name="Take the picture").click()
    dialog.get_by_role("button", name="Take another").click()
    dialog.get_by_role("button", name="Other camera").click()
    page.wait_for_function(f"() => window.streams.length === 2 && {RUNNING} === 1")
    page.wait_for_function(LIVE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def test_it_is_off_where_it_was_cancelled(open_page: OpenPage) -> None:
    page = open_page(permissions=["camera"])
    open_camera(page)
    page.keyboard.press("Escape")
    page.wait_for_function(OFF)


def test_a_picture_taken_at_the_start_is_asked_what_it_shows(open_page: OpenPage) -> None:
    page = open_page(permissions=["camera"])
    dialog = open_camera(page)
    dialog.get_by_role("button", name="Take the picture").click()
    dialog.get_by_role("button", name="Use it").click()
    page.get_by_role("dialog", name="What does it show?").get_by_role("button", name="Skin lesion").click()
    page.locator(".answer, .failure").first.wait_for()


@pytest.mark.parametrize(("error", "words"), [("NotAllowedError", "settings"), ("NotFoundError", "No camera")])
def test_a_camera_that_may_not_be_used_is_told_in_a_sentence(open_page: OpenPage, error: str, words: str) -> None:
    page = open_page("/ui#/skin")
    fails = f"navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', '{error}'))"
    page.evaluate(f"() => {{ {fails} }}")
    page.get_by_role("button", name="Use the camera").click()
    assert words in page.get_by_role("dialog").get_by_role("alert").inner_text()
    assert page.get_by_role("button", name="Take the picture").is_disabled()


@pytest.mark.parametrize(("touch", "shown"), [(True, 1), (False, 0)], ids=["telephone", "desktop"])
def test_without_a_secure_context_a_telephone_opens_its_own_camera(
    browser: Any, service: str, touch: bool, shown: int
) -> None:
    context = browser.new_context(has_touch=touch, is_mobile=touch)
    context.add_init_script("Object.defineProperty(window, 'isSecureContext', { value: false })")
    page = context.new_page()
    page.goto(f"{service}/ui#/skin")
    page.get_by_role("button", name="Choose files").wait_for()
    button = page.get_by_role("button", name="Use the camera")
    assert button.count() == shown
    if shown:
        with page.expect_file_chooser() as chosen:
            button.click()
        assert chosen.value.element.get_attribute("capture") == "environment"
    context.close()
