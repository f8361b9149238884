// The heart-risk form's answer: what each value adds, the grades, and the ten-year risk.
import { h, percent, section } from "./dom.js";

const NAMES = {
  age: "Age", sex: "Sex", blood_pressure: "Blood pressure", cholesterol: "Cholesterol", chest_pain: "Chest pain",
  max_heart_rate: "Highest heart rate", resting_ecg: "Resting ECG", exercise_angina: "Angina in exercise",
  st_depression: "ST depression", fasting_blood_sugar: "Fasting sugar",
};
const CODES = {
  sex: ["female", "male"], chest_pain: ["typical angina", "atypical angina", "non-anginal", "none"],
  resting_ecg: ["normal", "ST-T abnormality", "hypertrophy"], exercise_angina: ["no", "yes"], fasting_blood_sugar: ["no", "yes"],
};

const nameOfFactor = (factor) => NAMES[factor] ?? factor.replaceAll("_", " ");
const valueOf = ({ factor, value, unit }) => CODES[factor]?.[Number(value)] ?? `${value}${unit ? ` ${unit}` : ""}`;

export function riskParts(answer, accepted) {
  if (!answer.risk_factors) return null;
  return [
    accepted && answer.contributions?.length ? section("What each value adds", waterfall(answer)) : null,
    tenYears(answer.ten_year_risk),
    section("Your values, one by one", h("ul", { class: "grades" }, Object.entries(answer.risk_factors).map(([factor, graded]) =>
      h("li", {}, h("span", {}, nameOfFactor(factor)), h("b", {}, `${graded.value} ${graded.unit}`), h("span", { class: `tag grade-${graded.risk.replace(" ", "-")}` }, graded.risk), h("span", { class: "small" }, graded.guideline))))),
    answer.not_used?.length ? h("p", { class: "small" }, `Sent and not used: ${answer.not_used.join(", ")}.`) : null,
  ];
}

function waterfall(answer) {
  let at = answer.baseline_probability;
  const stops = [{ name: "Average patient", from: 0, to: at, kind: "total" }];
  for (const each of answer.contributions) {
    stops.push({ name: nameOfFactor(each.factor), note: valueOf(each), from: at, to: at + each.probability, kind: each.probability < 0 ? "less" : "more" });
    at += each.probability;
  }
  stops.push({ name: "Together", from: 0, to: at, kind: "total" });
  const rows = stops.map((stop) => {
    const piece = h("span", { class: `piece ${stop.kind}` });
    piece.style.left = `${100 * Math.min(stop.from, stop.to)}%`;
    piece.style.width = `${Math.max(100 * Math.abs(stop.to - stop.from), 0.4)}%`;
    const change = stop.kind === "total" ? percent(stop.to, 1) : `${stop.to < stop.from ? "−" : "+"}${Math.abs(100 * (stop.to - stop.from)).toFixed(1)}`;
    return h("div", { class: "bar-row" }, h("span", { class: "bar-name" }, stop.name, stop.note && h("span", { class: "small" }, ` ${stop.note}`)), h("span", { class: "track" }, piece), h("span", { class: "bar-value" }, change));
  });
  return [h("div", { class: "bars waterfall" }, rows), h("p", { class: "small" }, "In points of per cent, from the average of the patients the model learned from.")];
}

function tenYears(risk) {
  if (!risk) return null;
  const figures = [["Any cardiovascular disease", risk.total_cvd], ["Heart attack or stroke", risk.ascvd], ["Heart failure", risk.heart_failure]];
  const known = figures.filter(([, value]) => value !== null && value !== undefined);
  return section("Risk within ten years (PREVENT)", [
    known.length ? h("dl", { class: "measures" }, known.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, h("b", {}, percent(value, 1)))))) : null,
    risk.note ? h("p", { class: "small" }, risk.note) : null,
    h("p", { class: "small" }, risk.equation),
  ]);
}
