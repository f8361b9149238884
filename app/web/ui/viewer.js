// The picture that was sent, with zoom, inversion, and what was read, or what spoke for the answer, laid over it. It never
// leaves the page by itself.
import { h } from "./dom.js";

const STEPS = [1, 1.5, 2, 3, 4, 6];

export async function viewer(file, explanation = null, name = explanation?.code) {
  const canvas = await drawn(file);
  if (!canvas) return h("p", { class: "empty" }, `${file.name}: this browser can't show such a picture; the service may read it all the same.`);
  let step = 0;
  const sheet = h("div", { class: "sheet" }, canvas);
  const frame = h("div", { class: "frame", tabindex: "0", role: "img", "aria-label": `Picture ${file.name}` }, sheet);
  const zoom = (by) => {
    step = Math.min(Math.max(step + by, 0), STEPS.length - 1);
    sheet.style.width = `${100 * STEPS[step]}%`;
    closer.disabled = step === STEPS.length - 1;
    farther.disabled = step === 0;
  };
  const closer = h("button", { type: "button", class: "quiet", "aria-label": "Zoom in", onclick: () => zoom(1) }, "+");
  const farther = h("button", { type: "button", class: "quiet", "aria-label": "Zoom out", onclick: () => zoom(-1) }, "−");
  const invert = h("button", { type: "button", class: "quiet", "aria-pressed": "false", onclick: () => {
    invert.setAttribute("aria-pressed", String(frame.classList.toggle("inverted")));
  } }, "Invert");
  const large = h("button", { type: "button", class: "quiet enlarge", "aria-pressed": "false", onclick: () => {
    large.setAttribute("aria-pressed", String(large.closest(".work").classList.toggle("wide")));
  } }, "Enlarge");
  const tools = h("div", { class: "row" }, farther, closer, invert, large);
  const layer = explanation?.map ?? explanation?.overlay;
  if (layer) tools.append(fader(sheet, layer, explanation, name));
  zoom(0);
  return h("figure", { class: "viewer" }, frame, tools,
    h("figcaption", {}, file.name, layer && explanation.limits && h("span", { class: "limits" }, explanation.limits)));
}

function fader(sheet, overlay, { kind, map, box }, name) {
  const layer = h("img", { class: "layer", src: overlay, alt: "" });
  if (map && box) {
    const [left, top, right, bottom] = box.map((edge) => 100 * edge);
    Object.assign(layer.style, { left: `${left}%`, top: `${top}%`, width: `${right - left}%`, height: `${bottom - top}%` });
  }
  const slider = h("input", { type: "range", min: "0", max: "100", value: "70", oninput: () => {
    layer.style.opacity = slider.value / 100;
  } });
  layer.style.opacity = 0.7;
  sheet.append(layer);
  return h("label", { class: "fader" }, map ? `What spoke for ${name}` : kind === "leads" ? `What was read, and spoke for ${name}` : "What was read", slider);
}

async function drawn(file) {
  try {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, 2400 / Math.max(picture.width, picture.height));
    const canvas = h("canvas", { width: Math.round(picture.width * scale), height: Math.round(picture.height * scale) });
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    picture.close();
    return canvas;
  } catch {
    return null;
  }
}
