// The same request in three languages, and the answer as it came.
import { copyButton, h } from "./dom.js";
import { hasKey } from "./api.js";

const address = (request) => new URL(request.path, document.baseURI).href;
const shell = (text) => `'${String(text).replaceAll("'", "'\\''")}'`;
const literal = (text) => JSON.stringify(text);
const isFile = (value) => value instanceof File;

function curlCommand(request) {
  const lines = hasKey() ? ['-H "X-API-Key: $MEDIDIAGNOSE_KEY"'] : [];
  if (request.json) lines.push("-H 'Content-Type: application/json'", `-d ${shell(JSON.stringify(request.json))}`);
  for (const [name, value] of request.parts ?? []) lines.push(`-F ${shell(isFile(value) ? `${name}=@${value.name}` : `${name}=${value}`)}`);
  return ["curl", ...lines, shell(address(request))].join(" \\\n  ");
}

function python(request) {
  const parts = request.parts ?? [];
  const files = parts.filter(([, value]) => isFile(value)).map(([name, value]) => `${literal(name)}: open(${literal(value.name)}, "rb")`);
  const fields = parts.filter(([, value]) => !isFile(value)).map(([name, value]) => `${literal(name)}: ${literal(value)}`);
  const written = (value) => JSON.stringify(value, null, 4).replace(/: true\b/g, ": True").replace(/: false\b/g, ": False").replace(/: null\b/g, ": None");
  return [
    "import httpx", ...(hasKey() ? ["import os"] : []), "",
    "answer = httpx.post(", `    ${literal(address(request))},`,
    ...(request.json ? [`    json=${written(request.json).replaceAll("\n", "\n    ")},`] : []),
    ...(files.length ? [`    files={${files.join(", ")}},`] : []),
    ...(fields.length ? [`    data={${fields.join(", ")}},`] : []),
    ...(hasKey() ? ['    headers={"X-API-Key": os.environ["MEDIDIAGNOSE_KEY"]},'] : []),
    "    timeout=30,", ")", "answer.raise_for_status()", 'print(answer.json()["prediction"])',
  ].join("\n");
}

function typeScript(request) {
  const headers = [...(request.json ? ['"Content-Type": "application/json"'] : []), ...(hasKey() ? ['"X-API-Key": key'] : [])];
  const form = (request.parts ?? []).map(([name, value]) => (isFile(value)
    ? `form.append(${literal(name)}, file, ${literal(value.name)}); // a File or Blob` : `form.append(${literal(name)}, ${literal(value)});`));
  return [
    ...(request.json ? [] : ["const form = new FormData();", ...form]),
    `const response = await fetch(${literal(address(request))}, {`, '  method: "POST",',
    ...(headers.length ? [`  headers: { ${headers.join(", ")} },`] : []),
    request.json ? `  body: JSON.stringify(${JSON.stringify(request.json, null, 2).replaceAll("\n", "\n  ")}),` : "  body: form,",
    "});", "if (!response.ok) throw new Error((await response.json()).detail);", "const answer = await response.json();",
  ].join("\n");
}

function shortened(answer) {
  return JSON.stringify(answer, (_, value) => (typeof value === "string" && value.length > 400 && value.startsWith("data:") ? `${value.slice(0, 60)}… (${value.length} characters)` : value), 2);
}

export function developerDrawer(result, showCard) {
  const texts = { curl: curlCommand(result.request), Python: python(result.request), TypeScript: typeScript(result.request), JSON: shortened(result.answer ?? result.failure?.body ?? {}) };
  const shown = h("pre", { tabindex: "0", "aria-label": "Text to copy" }, h("code", {}, texts.curl));
  let current = "curl";
  const tabs = Object.keys(texts).map((name) => h("button", { type: "button", class: "quiet", "aria-pressed": String(name === current), onclick: () => {
    current = name;
    shown.firstChild.textContent = texts[name];
    for (const tab of tabs) tab.setAttribute("aria-pressed", String(tab.textContent === name));
  } }, name));
  const { model, request_id: requestId } = result.answer ?? { request_id: result.failure?.requestId };
  return h("details", { class: "developer" }, h("summary", {}, "Developer"),
    h("div", { class: "row" }, tabs, copyButton(() => texts[current])), shown,
    h("p", { class: "small" }, model && `Model ${model.name} ${model.version}, ${model.precision}. `, requestId && `Request ${requestId}.`),
    result.job.model && h("button", { type: "button", class: "quiet", onclick: () => showCard(result.job) }, "Model card"));
}
