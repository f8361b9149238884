// What is sent: the two forms, and what may be said beside a picture.
import { announce, h, icon } from "./dom.js";
import { askJson } from "./api.js";
import { openCamera, seesLive } from "./camera.js";

const YES_NO = [["", "not known"], ["true", "yes"], ["false", "no"]];
const NUMBER = (name, label, unit, min, max, more = {}) => ({ name, label, unit, min, max, type: "number", ...more });
const CHOICE = (name, label, options, more = {}) => ({ name, label, options, ...more });
const ANSWER = (name, label) => CHOICE(name, label, YES_NO, { answer: true });
const SEX = CHOICE("sex", "Sex", [["", "choose"], ["female", "female"], ["male", "male"]], { required: true });
const KNOWN_SEX = CHOICE("sex", "Sex", [["", "not known"], ["female", "female"], ["male", "male"]]);
const AGE = NUMBER("age", "Age", "years", 0, 120);

const RISK = [
  ["", [
    NUMBER("age", "Age", "years", 18, 120, { required: true }), SEX,
    NUMBER("blood_pressure", "Systolic blood pressure, at rest", "mm Hg", 50, 300, { required: true }),
    NUMBER("cholesterol", "Total cholesterol", "mg/dL", 50, 700, { required: true }),
    CHOICE("chest_pain", "Chest pain", [["", "choose"], ["typical angina", "typical angina"], ["atypical angina", "atypical angina"], ["non-anginal pain", "another pain"], ["asymptomatic", "none"]], { required: true }),
    NUMBER("max_heart_rate", "Highest heart rate in exercise", "beats/min", 40, 250, { required: true }),
  ]],
  ["For the ten-year risk (PREVENT)", [
    NUMBER("hdl_cholesterol", "HDL cholesterol", "mg/dL", 5, 200), NUMBER("egfr", "eGFR", "mL/min/1.73 m²", 1, 250),
    NUMBER("bmi", "Body mass index", "kg/m²", 10, 100), ANSWER("diabetes", "Diabetes"), ANSWER("smoker", "Smokes now"),
    ANSWER("blood_pressure_treatment", "Takes pills for blood pressure"), ANSWER("statin", "Takes a statin"),
  ]],
  ["Tests of the heart, if known", [
    ANSWER("referred", "Referred for tests of the heart"),
    CHOICE("resting_ecg", "Resting ECG", [["", "not known"], ["normal", "normal"], ["st-t abnormality", "ST-T abnormality"], ["left ventricular hypertrophy", "left ventricular hypertrophy"]]),
    ANSWER("exercise_angina", "Angina in exercise"), NUMBER("st_depression", "ST depression in exercise", "mm", -5, 10),
    ANSWER("fasting_blood_sugar", "Fasting blood sugar over 120 mg/dL"),
  ]],
];

const BESIDE = {
  heart_image: ["What you know of the sheet", [AGE, KNOWN_SEX,
    CHOICE("speed", "Paper speed", [["", "as read"], ["25", "25 mm/s"], ["50", "50 mm/s"]]),
    CHOICE("gain", "Gain", [["", "as read"], ["5", "5 mm/mV"], ["10", "10 mm/mV"], ["20", "20 mm/mV"]]),
    CHOICE("layout", "Layout", [["", "as read"], ["3x4", "3 × 4"], ["6x2", "6 × 2"], ["12x1", "12 × 1"]]),
    CHOICE("lead_order", "Order of limb leads", [["", "as read"], ["standard", "standard"], ["cabrera", "Cabrera"]])]],
  heart_record: ["What you know of the patient", [AGE, KNOWN_SEX]],
  breast: ["What you know of the patient", [
    CHOICE("setting", "Why the picture was taken", [["", "to look into something (diagnostic)"], ["screening", "screening, nothing was felt"]]),
    CHOICE("biopsy_proven", "Cancer proven by biopsy", [["", "no"], ["true", "yes"]])]],
};

let numbered = 0;

function field({ name, label, unit, options, required, min, max, answer }) {
  const id = `field${numbered += 1}`;
  const input = options
    ? h("select", { id, name, required, "data-answer": answer }, options.map(([value, text]) => h("option", { value }, text)))
    : h("input", { id, name, required, type: "number", step: "any", inputmode: "decimal", min: String(min), max: String(max), autocomplete: "off" });
  return h("div", { class: "field" }, h("label", { for: id }, label, unit && h("span", { class: "small" }, ` ${unit}`)), input);
}

export function besides(name) {
  const known = BESIDE[name];
  if (!known) return { node: null, values: () => [] };
  const node = h("details", {}, h("summary", {}, known[0]), h("div", { class: "fields" }, known[1].map(field)));
  return { node, values: () => filled(node).map((input) => [input.name, input.value]) };
}

const filled = (node) => [...node.querySelectorAll("input, select")].filter((input) => input.name && input.value !== "");

export function riskForm(submit) {
  const form = h("form", { class: "stack", onsubmit: (event) => {
    event.preventDefault();
    submit(Object.fromEntries(filled(form).map((input) => [input.name, valueOf(input)])));
  } },
    RISK.map(([title, fields]) => (title
      ? h("details", {}, h("summary", {}, title), h("div", { class: "fields" }, fields.map(field)))
      : h("div", { class: "fields" }, fields.map(field)))),
    h("button", { class: "main" }, "Estimate"));
  form.fill = (values) => {
    for (const input of form.querySelectorAll("input, select")) input.value = values[input.name] ?? "";
    for (const group of form.querySelectorAll("details")) group.open = filled(group).length > 0;
  };
  return form;
}

function valueOf(input) {
  if (input.type === "number") return Number(input.value);
  return input.dataset.answer === undefined ? input.value : input.value === "true";
}

export function symptomForm(submit) {
  const chosen = [];
  const chips = h("p", { class: "tags", "aria-live": "polite" });
  const text = h("textarea", { id: "text", rows: "5", maxlength: "5000", placeholder: "Since yesterday I have a high fever and a bad cough. No chest pain." });
  const extra = h("div", { class: "fields" }, field(AGE), field(KNOWN_SEX));
  const problem = h("p", { class: "field-problem", role: "alert" });
  const show = () => chips.replaceChildren(...chosen.map((word) => h("button", { type: "button", class: "tag", "aria-label": `Remove ${word}`, onclick: () => {
    chosen.splice(chosen.indexOf(word), 1);
    show();
  } }, word, h("span", { "aria-hidden": "true" }, " ×"))));
  const add = (word) => {
    if (word && !chosen.includes(word)) chosen.push(word);
    show();
  };
  const form = h("form", { class: "stack", onsubmit: (event) => {
    event.preventDefault();
    const beside = Object.fromEntries(filled(extra).map((input) => [input.name, valueOf(input)]));
    const body = { ...(text.value.trim() ? { text: text.value } : {}), ...(chosen.length ? { symptoms: [...chosen] } : {}), ...beside };
    problem.textContent = body.text || body.symptoms ? "" : "Describe the symptoms, or choose at least one.";
    if (body.text || body.symptoms) submit(body);
    else text.focus();
  } },
    h("div", { class: "field" }, h("label", { for: "text" }, "In your own words"), text),
    h("div", { class: "field" }, h("label", { for: "symptom" }, "Or choose symptoms"), typeAhead(add), chips),
    extra, problem, h("button", { class: "main" }, "Ask"));
  form.fill = (values) => {
    text.value = values.text ?? "";
    chosen.splice(0, chosen.length, ...(values.symptoms ?? []));
    for (const input of extra.querySelectorAll("input, select")) input.value = values[input.name] ?? "";
    show();
  };
  form.add = add;
  return form;
}

function typeAhead(add) {
  let known = null;
  let shown = [];
  let active = -1;
  const options = h("ul", { class: "options", id: "symptoms", role: "listbox", "aria-label": "Symptoms", hidden: true });
  const input = h("input", { id: "symptom", role: "combobox", autocomplete: "off", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": "symptoms", placeholder: "Type: head…" });
  const take = (word) => {
    add(word);
    announce(`${word} added`);
    input.value = "";
    render();
  };
  const render = () => {
    const typed = input.value.trim().toLowerCase();
    const begins = (known ?? []).filter((word) => word.startsWith(typed));
    shown = typed ? [...begins, ...(known ?? []).filter((word) => !word.startsWith(typed) && word.includes(typed))].slice(0, 8) : [];
    active = Math.min(active, shown.length - 1);
    options.replaceChildren(...shown.map((word, index) => h("li", { id: `symptom${index}`, role: "option", "aria-selected": String(index === active), onpointerdown: (event) => {
      event.preventDefault();
      take(word);
    } }, word)));
    options.hidden = !shown.length;
    input.setAttribute("aria-expanded", String(Boolean(shown.length)));
    if (active >= 0) input.setAttribute("aria-activedescendant", `symptom${active}`);
    else input.removeAttribute("aria-activedescendant");
  };
  const load = async () => {
    if (known) return;
    known = [];
    known = await askJson("symptoms").then((answer) => answer.symptoms, () => null);
    render();
  };
  input.addEventListener("focus", load);
  input.addEventListener("input", () => {
    active = -1;
    render();
  });
  input.addEventListener("blur", () => { options.hidden = true; });
  input.addEventListener("keydown", (event) => {
    if ((event.key === "ArrowDown" || event.key === "ArrowUp") && shown.length) {
      active = (active + (event.key === "ArrowDown" ? 1 : -1) + shown.length) % shown.length;
    } else if (event.key === "Enter" && input.value.trim()) {
      take(shown[Math.max(active, 0)] ?? input.value.trim());
    } else if (event.key === "Escape") {
      input.value = "";
    } else return;
    event.preventDefault();
    render();
  });
  return h("div", { class: "ahead" }, input, options);
}

export function dropZone({ take, accept, hint, camera = false, large = false }) {
  const chooser = (capture) => h("input", { type: "file", class: "hidden-text", tabindex: "-1", "aria-hidden": "true", multiple: !capture, accept: capture ? "image/*" : accept, capture: capture ? "environment" : null, onchange: (event) => {
    const files = [...event.target.files];
    event.target.value = "";
    if (files.length) take(files);
  } });
  const files = chooser(false);
  const photo = chooser(true); // the telephone's own camera, where no live picture may be shown
  const live = seesLive();
  return h("div", { class: large ? "drop large" : "drop" }, icon("drop"),
    h("p", {}, h("button", { type: "button", class: "main", onclick: () => files.click() }, "Choose files"), h("span", {}, " or drop or paste them here")),
    hint && h("p", { class: "small" }, hint),
    camera && (live || matchMedia("(pointer: coarse)").matches) && h("button", { type: "button", class: "quiet", onclick: () => (live ? openCamera(take, hint) : photo.click()) }, icon("camera"), "Use the camera"),
    files, photo);
}
