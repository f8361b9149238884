// The page: its two views, what runs, and what is shown of it.
import { announce, closeButton, dialog, h, icon } from "./dom.js";
import { Failure, ask, askJson, askReadiness, hasKey, useKey } from "./api.js";
import { STATES, isDicom, isPicture, jobsOf, sorted } from "./jobs.js";
import { answerView } from "./answer.js";
import { besides, dropZone, riskForm, symptomForm } from "./forms.js";
import { developerDrawer } from "./developer.js";
import { Session } from "./session.js";
import { viewer } from "./viewer.js";

const AT_ONCE = 3;
const PICTURES = "image/jpeg,image/png,image/webp,image/bmp,image/tiff,.jpg,.jpeg,.png,.webp,.bmp,.tif,.tiff,application/dicom,.dcm";
const page = document.getElementById("main");
const session = new Session(open, stop);
const panels = new Map();
const queue = [];
let jobs = {};
let samples = new Map();
let running = 0;
let counting = null;

const current = () => jobs[decodeURIComponent(location.hash.replace(/^#\/?/, ""))] ?? null;
const sampleButton = (job) => samples.has(job.name) && h("button", { type: "button", class: "quiet", "aria-label": `Try a sample: ${job.title}`, onclick: () => trySample(job) }, "Try a sample");

async function load() {
  try {
    const [about, readiness, models, listed] = await Promise.all([askJson("."), askReadiness(), askJson("models"), askJson("samples")]);
    jobs = jobsOf(models.models, readiness.models);
    samples = new Map(listed.samples.map((sample) => [sample.diagnosis, sample]));
    document.getElementById("version").textContent = `Version ${about.version}`;
    render();
    if (Object.values(jobs).some((job) => job.state === "loading")) setTimeout(load, 1000);
  } catch (error) {
    page.replaceChildren(h("div", { class: "empty" }, h("h1", {}, error.title ?? "Something went wrong"), h("p", {}, error.detail ?? String(error)),
      h("button", { type: "button", class: "main", onclick: error.status === 401 ? askForKey : load }, error.status === 401 ? "Enter the API key" : "Try again")));
    if (error.status === 401) askForKey();
  }
}

function render() {
  const job = current();
  document.title = job ? `${job.title} · MediDiagnose-AI` : "MediDiagnose-AI";
  page.replaceChildren(...(job ? jobView(job) : home()), session.node);
  page.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  if (job) showResult(panelOf(job));
}

function home() {
  return [
    h("div", { class: "hero" }, h("h1", {}, "What shall be read?"),
      h("p", {}, "A picture, an ECG, symptoms in your own words, or a form. The answer says how likely, how urgent, and what it can’t tell."),
      dropZone({ take: takeFiles, camera: true, hint: "JPEG, PNG, WebP, BMP, TIFF, DICOM, or .hea with .dat. Several at once are fine.", large: true })),
    h("ul", { class: "cards" }, Object.values(jobs).map(card),
      h("li", { class: "card note" }, icon("shield"), h("h2", {}, "What happens to it"),
        h("p", {}, "It is read in this server’s memory, and gone with the answer. Nothing is stored or logged, and this page asks no other host."))),
  ];
}

function card(job) {
  return h("li", { class: "card" },
    icon(job.own ? "own" : job.name),
    h("h2", {}, h("a", { href: `#/${encodeURIComponent(job.name)}` }, job.title)),
    h("p", {}, job.takes),
    h("p", { class: "small figure-words" }, job.words ?? (job.model ? "Its card tells how it was measured." : "No trained model is installed.")),
    h("div", { class: "row spread" }, stateOf(job), sampleButton(job)));
}

function stateOf(job) {
  return h("span", { class: `state ${job.state}` }, `${STATES[job.state] ?? job.state}${job.model ? ` · ${job.model.version}` : ""}`);
}

function jobView(job) {
  const panel = panelOf(job);
  return [
    h("nav", { class: "tabs", "aria-label": "What to read" }, h("a", { href: "#/", class: "back" }, "All"),
      Object.values(jobs).map((each) => h("a", { href: `#/${encodeURIComponent(each.name)}`, "aria-current": each === job ? "page" : null }, icon(each.own ? "own" : each.name), each.title))),
    h("div", { class: "heading" }, h("div", {}, h("h1", {}, job.title), h("p", {}, job.takes, ". ", job.words ?? "")),
      h("div", { class: "row" }, stateOf(job), sampleButton(job), job.model && h("button", { type: "button", class: "quiet", onclick: () => showCard(job) }, "Model card"))),
    h("div", { class: "work" }, h("div", { class: "input" }, panel.input), panel.picture, panel.output),
  ];
}

/** What belongs to a job, made once, so that a form keeps its values. */
function panelOf(job) {
  if (!panels.has(job.name)) {
    const panel = { job, result: null, picture: h("div", { class: "picture" }), output: h("div", { class: "output" }) };
    if (job.kind === "symptoms") {
      panel.form = symptomForm((body) => start(jobs[job.name], [{ path: `${job.path}?explain=true`, json: body, text: body.text, label: labelOf(body) }]));
      panel.input = panel.form;
    } else if (job.kind === "risk") {
      panel.form = riskForm((body) => start(jobs[job.name], [{ path: job.path, json: body, label: `${body.age} years, ${body.sex}` }]));
      panel.input = panel.form;
    } else {
      panel.beside = besides(job.name);
      panel.input = h("div", { class: "stack" }, dropZone({ take: takeFiles, camera: isPicture(job), hint: job.hint, accept: isPicture(job) ? PICTURES : ".hea,.dat,application/dicom,.dcm" }), panel.beside.node);
    }
    panels.set(job.name, panel);
  }
  return panels.get(job.name);
}

const labelOf = (body) => {
  const words = body.text?.trim() || body.symptoms.join(", ");
  return words.length > 60 ? `${words.slice(0, 57)}…` : words;
};

async function trySample(job) {
  const sample = samples.get(job.name);
  location.hash = `#/${encodeURIComponent(job.name)}`;
  try {
    const files = await Promise.all(sample.files.map(async (file) => {
      const answer = await ask(`samples/${encodeURIComponent(file.name)}`, { accept: "*/*" });
      return new File([await answer.blob()], file.name, { type: file.media_type });
    }));
    const panel = panelOf(job);
    if (panel.form) {
      panel.form.fill(JSON.parse(await files[0].text()));
      panel.form.requestSubmit();
    } else if (job.kind === "record") {
      send(job, { records: [{ header: files[0], signal: files[1] }] });
    } else {
      send(job, { pictures: files });
    }
  } catch (error) {
    fail(error);
  }
}

function takeFiles(files) {
  const { records, lonely, pictures } = sorted(files);
  const job = current();
  if (lonely.length) tell("A file is missing", `A record is two files of one name, .hea and .dat. Alone here: ${lonely.map((file) => file.name).join(", ")}. Choose or drop both together.`);
  if (records.length) send(jobs.heart_record, { records });
  if (!pictures.length) return;
  if (job?.kind === "record" && pictures.every(isDicom)) send(job, { objects: pictures });
  else if (job && isPicture(job)) send(job, { pictures });
  else chooseJob(pictures);
}

function send(job, { records = [], objects = [], pictures = [] }) {
  const said = panelOf(job).beside.values();
  const path = `${job.path}?explain=true`;
  start(job, [
    ...records.map(({ header, signal }) => ({ path, parts: [["header", header], ["signal", signal], ...said], label: header.name })),
    ...objects.map((object) => ({ path, parts: [["dicom", object], ...said], label: object.name })),
    ...pictures.map((picture) => ({ path, parts: [["image", picture], ...said], label: picture.name, picture })),
  ]);
  location.hash = `#/${encodeURIComponent(job.name)}`;
}

function start(job, requests) {
  const results = requests.map((request) => ({ job, request, label: request.label, state: "waiting", answer: null, failure: null, stop: new AbortController() }));
  session.add(results);
  queue.push(...results);
  open(results[0], { alone: results.length === 1 });
  while (running < AT_ONCE && queue.length) work();
}

async function work() {
  running += 1;
  while (queue.length) await read(queue.shift());
  running -= 1;
}

async function read(result) {
  result.state = "running";
  result.failure = null;
  changed(result);
  const many = session.results.filter((each) => ["waiting", "running"].includes(each.state)).length > 1;
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        result.answer = await post(result);
        break;
      } catch (error) {
        if (!many || !error.wait || attempt === 6) throw error;
        await pause(error.wait, result.stop.signal);
      }
    }
    result.state = result.answer.reliability.accepted ? "done" : "refused";
  } catch (error) {
    result.failure = error.name === "AbortError" ? stopped() : asFailure(error);
    result.state = "failed";
  }
  changed(result);
}

/** Ends what runs, and takes what waits out of the queue: it is not sent any more. */
function stop(result) {
  result.stop.abort();
  const place = queue.indexOf(result);
  if (place < 0) return;
  queue.splice(place, 1);
  result.failure = stopped();
  result.state = "failed";
  changed(result);
}

function pause(seconds, signal) {
  return new Promise((resume) => {
    const timer = setTimeout(resume, 1000 * seconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resume();
    }, { once: true });
  });
}

const stopped = () => new Failure("Stopped", "You stopped it before there was an answer.");
const asFailure = (error) => (error instanceof Failure ? error : new Failure("The answer can’t be shown", String(error)));

async function post({ request, stop }) {
  if (request.json) {
    return askJson(request.path, { method: "POST", body: JSON.stringify(request.json), headers: { "Content-Type": "application/json" }, signal: stop.signal });
  }
  const body = new FormData();
  for (const [name, value] of request.parts) body.append(name, value);
  return askJson(request.path, { method: "POST", body, signal: stop.signal });
}

function changed(result) {
  session.render();
  const panel = panels.get(result.job.name);
  if (panel?.result !== result) return;
  showResult(panel);
  if (["waiting", "running"].includes(result.state)) return;
  announce(result.failure ? result.failure.title : result.state === "refused" ? "Not read" : "The answer is there");
  if (current() !== result.job) return;
  panel.output.querySelector("h2")?.focus({ preventScroll: true });
  if (matchMedia("(max-width: 900px)").matches) panel.output.scrollIntoView(); // to its top, where dangers stand
}

function open(result) {
  session.shown = result;
  if (!result) {
    for (const panel of panels.values()) panel.result = null;
    render();
    return;
  }
  const panel = panelOf(result.job);
  panel.result = result;
  session.render();
  if (current() === result.job) showResult(panel);
  else location.hash = `#/${encodeURIComponent(result.job.name)}`;
}

function showResult(panel) {
  clearInterval(counting);
  const { result, output } = panel;
  if (panel.seen !== result?.request || result?.answer) showPicture(panel);
  if (!result) {
    output.replaceChildren(h("div", { class: "empty" }, icon(panel.job.own ? "own" : panel.job.name), h("p", {}, "The answer will stand here."), h("p", {}, sampleButton(panel.job))));
  } else if (result.failure) {
    output.replaceChildren(failureView(result));
  } else if (result.answer) {
    output.replaceChildren(answerView(result, { onSymptom: (symptom) => {
      panel.form.add(symptom);
      panel.form.requestSubmit();
    } }), actions(result), developerDrawer(result, showCard));
  } else {
    output.replaceChildren(h("div", { class: "empty busy" }, h("span", { class: "spinner" }), h("p", {}, `Reading ${result.label}…`),
      h("button", { type: "button", class: "quiet", onclick: () => stop(result) }, "Stop")));
  }
}

async function showPicture(panel) {
  const { result } = panel;
  panel.seen = result?.request;
  const { explanation, probabilities } = result?.answer ?? {};
  const name = probabilities?.find((each) => each.code === explanation?.code)?.name;
  const shown = result?.request.picture ? await viewer(result.request.picture, explanation, name) : "";
  if (panel.result === result) panel.picture.replaceChildren(shown);
}

function actions(result) {
  const read = new Date().toLocaleString();
  return h("div", { class: "row actions" },
    h("button", { type: "button", class: "quiet", onclick: printed }, "Print a report"),
    h("p", { class: "print-only" }, `MediDiagnose-AI, ${result.job.title}: ${result.label}. ${read}. Model ${result.answer.model.name} ${result.answer.model.version}, request ${result.answer.request_id}. Not a medical device.`));
}

function printed() {
  for (const source of page.querySelectorAll(".banner details")) source.open = true;
  window.print();
}

function failureView(result) {
  const { failure } = result;
  const again = h("button", { type: "button", class: "main", onclick: () => {
    result.state = "waiting";
    result.stop = new AbortController();
    queue.push(result);
    if (running < AT_ONCE) work();
  } }, "Try again");
  if (failure.wait) countDown(again, failure.wait);
  return h("div", { class: "failure", role: "alert" }, icon("alert"), h("div", {}, h("h2", { tabindex: "-1" }, failure.title), h("p", {}, failure.detail),
    failure.fields.length > 1 ? h("ul", { class: "dots" }, failure.fields.map((field) => h("li", {}, field.message))) : null,
    h("div", { class: "row" }, again, failure.status === 401 && h("button", { type: "button", class: "quiet", onclick: askForKey }, "Enter the API key")),
    failure.requestId && h("p", { class: "small" }, `Request ${failure.requestId}`)));
}

function countDown(button, seconds) {
  let left = Math.ceil(seconds);
  const say = () => {
    button.disabled = left > 0;
    button.textContent = left > 0 ? `Try again in ${left} s` : "Try again";
    if (left <= 0) clearInterval(counting);
    left -= 1;
  };
  say();
  counting = setInterval(say, 1000);
}

function tell(title, text) {
  dialog(title, h("p", {}, text), closeButton());
}

const fail = (error) => tell(error.title ?? "Something went wrong", error.detail ?? String(error));

function chooseJob(pictures) {
  const box = dialog("What does it show?", h("p", {}, pictures.length === 1 ? pictures[0].name : `${pictures.length} pictures`),
    h("div", { class: "choices" }, Object.values(jobs).filter((job) => isPicture(job) || (job.kind === "record" && pictures.every(isDicom))).map((job) => h("button", { type: "button", onclick: () => {
      box.close();
      send(job, isPicture(job) ? { pictures } : { objects: pictures });
    } }, icon(job.own ? "own" : job.name), job.title))), closeButton("Cancel"));
}

async function showCard(job) {
  try {
    const text = await (await ask(`models/${encodeURIComponent(job.name)}/card`, { accept: "text/markdown" })).text();
    dialog(`Model card: ${job.title}`, h("p", {}, h("a", { href: `models/${encodeURIComponent(job.name)}/card`, target: "_blank", rel: "noopener" }, "As a page of its own")), h("pre", { class: "model-card", tabindex: "0" }, text), closeButton());
  } catch (error) {
    fail(error);
  }
}

function askForKey() {
  if (document.querySelector("dialog[open]")) return;
  const input = h("input", { type: "password", id: "key-value", autocomplete: "off", spellcheck: "false" });
  const box = dialog("API key", h("form", { class: "stack", onsubmit: (event) => {
    event.preventDefault();
    useKey(input.value);
    box.close();
    document.getElementById("key").classList.toggle("on", hasKey());
    load();
  } }, h("label", { for: "key-value" }, "Sent with each request, kept in this page’s memory until you close it."), input, h("button", { class: "main" }, "Use it")), closeButton("Cancel"));
}

const THEMES = ["", "light", "dark"];

function nextTheme() {
  const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme ?? "") + 1) % THEMES.length];
  document.documentElement.dataset.theme = next;
  document.getElementById("theme").textContent = next ? `Theme: ${next}` : "Theme";
}

document.getElementById("theme").addEventListener("click", nextTheme);
document.getElementById("key").addEventListener("click", askForKey);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  page.focus();
});
window.addEventListener("hashchange", () => {
  render();
  if (!panels.get(current()?.name)?.result) page.focus({ preventScroll: true });
});
window.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragging");
});
window.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dragging");
});
window.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  if (event.dataTransfer.files.length) takeFiles([...event.dataTransfer.files]);
});
window.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (files.length) takeFiles(files);
});

load();
