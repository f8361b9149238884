// Elements without markup in strings: whatever a model or its bundle says arrives as text.

export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const PATHS = {
  skin: "M4 15c2-1 3 1 5 0s3-1 5 0 3 1 6 0M4 20c2-1 3 1 5 0s3-1 5 0 3 1 6 0M12 4a3.5 3.5 0 0 1 3.5 3.500c0 2-1.5 3.5-3.5 3.500S8.5 9.5 8.5 7.5 10 4 12 4z",
  heart_image: "M4 4h16v16H4zM6 13h3l1.5-5 3 9 1.5-4h3",
  heart_record: "M2 12h4l2.5-8 5 16 3-8h5.5",
  breast: "M9 3h6v4l5 12a14 14 0 0 1-16 0L9 7zM9.5 13.500c1.5-1 3.5-1 5 0",
  xray: "M12 3v9M12 8c-2 0-3-2-4.5-2C5 6 3 12 3 17c0 2 1 3 2.5 3 3 0 5-1.5 5-4v-4l1.5-2 1.5 2v4c0 2.5 2 4 5 4 1.5 0 2.5-1 2.5-3 0-5-2-11-4.5-11C15 6 14 8 12 8z",
  disease: "M4 5h16v11H11l-5 4v-4H4zM8 9h8M8 12.500h5",
  heart_risk: "M12 20S4 15 4 9.500A4.2 4.2 0 0 1 12 7.5 4.2 4.2 0 0 1 20 9.500C20 15 12 20 12 20z",
  own: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9h.01",
  drop: "M12 16V4M7 9l5-5 5 5M4 16v4h16v-4",
  shield: "M12 3l8 3v6c0 5-3.5 8-8 9-4.5-1-8-4-8-9V6zM9 12l2 2 4-4",
  alert: "M12 3l10 18H2zM12 10v5M12 18h.01",
  stop: "M8 3h8l5 5v8l-5 5H8l-5-5V8zM8 12h8",
  clock: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7v5l3 2",
  camera: "M3 7h4l2-3h6l2 3h4v12H3zM12 9.500a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7z",
};
const SVG = "http://www.w3.org/2000/svg";

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", PATHS[name] ?? PATHS.own);
  svg.append(path);
  return svg;
}

export function announce(text) {
  document.getElementById("status").textContent = text;
}

export function dialog(title, ...content) {
  const box = h("dialog", { "aria-label": title, onclose: () => box.remove() }, h("h2", {}, title), content);
  document.body.append(box);
  box.showModal();
  return box;
}

export const closeButton = (text = "Close") => h("form", { method: "dialog" }, h("button", { class: "quiet" }, text));

export const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)} %`;

export function list(items, kind = "plain") {
  return items?.length ? h("ul", { class: kind }, items.map((item) => h("li", {}, item))) : null;
}

export function section(title, ...children) {
  const shown = children.flat().filter(Boolean);
  return shown.length ? h("section", {}, h("h3", {}, title), shown) : null;
}

export function download(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = h("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

export function copyButton(text) {
  const button = h("button", { type: "button", class: "quiet", onclick: async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select the text and copy it";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  } }, "Copy");
  return button;
}
