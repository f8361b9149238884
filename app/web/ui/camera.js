// A picture from the camera, seen live before it is taken. Nothing leaves the page until it is used, and the camera is
// switched off with the dialog.
import { announce, closeButton, dialog, h } from "./dom.js";

const REFUSED = {
  NotAllowedError: "The camera may not be used here. The browser’s settings for this page allow it; or choose a file.",
  NotFoundError: "No camera was found. Connect one and try again, or choose a file.",
  NotReadableError: "Another program uses the camera. Close it and try again, or choose a file.",
};
const SIZE = { width: { ideal: 2560 }, height: { ideal: 1440 } };

/** Whether a live picture can be asked for: browsers show cameras to pages of HTTPS and of this device alone. */
export const seesLive = () => isSecureContext && Boolean(navigator.mediaDevices?.getUserMedia);

/** Opens the dialog; `take` gets a list of the one file where a picture is used. */
export function openCamera(take, hint) {
  let stream = null;
  let facing = "environment";
  const video = h("video", { "aria-label": "What the camera sees", playsinline: true });
  const still = h("canvas", { role: "img", "aria-label": "The picture that was taken", hidden: true });
  const problem = h("p", { class: "field-problem", role: "alert" });
  const shutter = h("button", { type: "button", class: "main", disabled: true, onclick: () => freeze(true) }, "Take the picture");
  const use = h("button", { type: "button", class: "main", hidden: true, onclick: () => send() }, "Use it");
  const again = h("button", { type: "button", class: "quiet", hidden: true, onclick: () => freeze(false) }, "Take another");
  const turn = h("button", { type: "button", class: "quiet", hidden: true, onclick: () => {
    facing = facing === "user" ? "environment" : "user";
    start();
  } }, "Other camera");
  const box = dialog("Camera", hint && h("p", { class: "small" }, hint), h("div", { class: "seen" }, video, still), problem,
    h("div", { class: "row" }, shutter, use, again, turn, closeButton("Cancel")));
  box.addEventListener("close", stop);
  video.muted = true;

  function stop() {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
  }

  async function start() {
    stop();
    shutter.disabled = true;
    problem.textContent = "";
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: facing, ...SIZE } });
      if (!box.open) {
        stop();
        return;
      }
      video.srcObject = stream;
      await video.play();
      turn.hidden = (await navigator.mediaDevices.enumerateDevices()).filter((each) => each.kind === "videoinput").length < 2;
      shutter.disabled = false;
      shutter.focus();
    } catch (error) {
      if (box.open) problem.textContent = REFUSED[error.name] ?? "The camera can’t be used. Choose a file instead.";
    }
  }

  function freeze(taken) {
    if (taken) {
      still.width = video.videoWidth;
      still.height = video.videoHeight;
      still.getContext("2d").drawImage(video, 0, 0);
      announce("The picture was taken");
    }
    for (const node of [video, shutter]) node.hidden = taken;
    for (const node of [still, use, again]) node.hidden = !taken;
    (taken ? use : shutter).focus();
  }

  function send() {
    still.toBlob((blob) => {
      box.close();
      take([new File([blob], `camera-${new Date().toISOString().slice(0, 19).replace(/\D/g, "")}.jpg`, { type: blob.type })]);
    }, "image/jpeg", 0.95);
  }

  start();
}
