// An answer in the order it should be read: dangers, urgency, finding, what else it could be, how likely, what it can't
// tell, advice. A refusal stands in its place.
import { h, icon, list, percent, section } from "./dom.js";
import { thresholdsOf } from "./jobs.js";
import { ecgParts } from "./ecg.js";
import { riskParts } from "./risk.js";
import { markedText } from "./words.js";

const COLOURS = ["green", "yellow", "orange", "red"];
const SIGNS = { green: "clock", yellow: "clock", orange: "alert", red: "alert" };

export function answerView(result, { onSymptom } = {}) {
  const { answer, job } = result;
  const accepted = answer.reliability.accepted;
  return h("article", { class: "answer", "aria-label": `Answer: ${result.label}` },
    answer.demo_mode && h("p", { class: "banner yellow" }, icon("alert"),
      h("span", {}, h("strong", {}, "A fixed sample, not a reading. "), "No trained model is installed for this diagnosis.")),
    dangers(answer),
    accepted ? null : refusal(answer),
    urgency(answer),
    accepted ? finding(answer) : null,
    accepted ? otherwise(answer) : null,
    accepted ? likelihoods(answer, job) : null,
    ecgParts(answer),
    riskParts(answer, accepted),
    symptomParts(result, onSymptom),
    accepted ? weights(answer) : null,
    section("What this can’t tell", list(answer.not_assessed, "dots")),
    advice(answer),
    h("p", { class: "small" }, answer.disclaimer),
  );
}

const adviceOf = (answer) => answer.recommendations?.actions ?? answer.recommendations ?? answer.treatment_options ?? [];

function dangers(answer) {
  const flags = [...(answer.alerts ?? []), ...(answer.red_flags ?? [])];
  return flags.map((flag) => h("div", { class: `banner ${colour(flag.urgency.color)}`, role: "alert" }, icon("alert"), h("div", {},
    h("strong", {}, flag.name),
    h("p", {}, flag.evidence ?? (flag.words ? `You wrote: “${flag.words}”` : flag.symptoms?.join(", "))),
    h("p", {}, `${flag.urgency.timeline}. ${flag.urgency.action}.`),
    flag.source && h("details", { class: "small" }, h("summary", {}, "Source"), flag.source))));
}

const colour = (name) => (COLOURS.includes(name) ? name : "yellow");

function refusal(answer) {
  return h("div", { class: "refusal" }, icon("stop"), h("div", {},
    h("h2", { tabindex: "-1" }, "Not read"),
    h("p", {}, answer.reliability.reason ?? "The input is unlike those the model learned from."),
    h("p", { class: "small" }, "A model that was shown something it doesn’t know would still name something; so nothing is named here. The raw answer is under Developer.")));
}

function urgency(answer) {
  const urgent = answer.urgency;
  if (!urgent) return null;
  return h("div", { class: `urgency ${colour(urgent.color)}` }, icon(SIGNS[urgent.color] ?? "clock"), h("div", {},
    h("strong", {}, urgent.timeline), h("p", {}, urgent.action),
    answer.urgency_from && answer.urgency_from !== answer.prediction.name && h("p", { class: "small" }, `Because of: ${answer.urgency_from}`)));
}

export function nameOf(answer) {
  const named = answer.prediction;
  return named.name ?? named.disease ?? named.condition ?? named.code;
}

function finding(answer) {
  const named = answer.prediction;
  const likely = named.confidence ?? named.probability;
  const told = [named.birads && `${named.birads}${named.subcategory ? `, ${named.subcategory}` : ""}`, answer.staging?.stage, named.type];
  const kind = told.filter((word, at) => word && ![nameOf(answer), ...told.slice(0, at)].some((said) => said?.toLowerCase() === word.toLowerCase()));
  return h("div", { class: "finding" },
    h("p", { class: "over" }, named.settled ? (answer.risk_factors ? "Estimate" : "Most likely") : "Not settled"),
    h("h2", { tabindex: "-1" }, nameOf(answer)),
    h("p", { class: "figure" }, percent(likely, 1), h("span", {}, named.settled ? " probability" : " probability of what is not excluded")),
    kind.length ? h("p", { class: "tags" }, kind.map((word) => h("span", { class: "tag" }, word))) : null,
    [...new Set([answer.recommendations?.message, answer.staging?.description, answer.staging?.prognosis, answer.meaning])]
      .filter(Boolean).map((text) => h("p", {}, text)),
    birads(answer));
}

function birads(answer) {
  const now = Number(answer.prediction.birads?.slice(-1));
  if (!now) return null;
  const names = ["Normal", "Benign", "Probably benign", "Suspicious", "Highly suggestive", "Known cancer"];
  return h("ol", { class: "birads", "aria-label": "BI-RADS scale" }, names.map((name, index) =>
    h("li", { class: `step${index + 1}`, "aria-current": index + 1 === now ? "true" : null }, h("b", {}, String(index + 1)), h("span", {}, name))));
}

function otherwise(answer) {
  return section("What else it could be", [
    answer.prediction_set_says ? h("p", {}, answer.prediction_set_says) : null,
    answer.escalation ? h("p", {}, answer.escalation.reason) : null,
    answer.adjustment ? h("p", {}, answer.adjustment) : null,
    list((answer.cannot_miss ?? []).map((each) => [h("strong", {}, each.disease), ` (${percent(each.probability, 1)}): ${each.tell}`]), "dots"),
    list(answer.contradictions, "dots"),
  ]);
}

function likelihoods(answer, job) {
  const thresholds = thresholdsOf(job);
  const rows = answer.findings?.map((each) => [each.name, each.probability, each.threshold])
    ?? answer.probabilities?.map((each) => [each.name, each.probability, thresholds[each.code]])
    ?? answer.top_predictions?.map((each) => [each.disease, each.probability]);
  if (!rows) return null;
  if (!answer.prediction.birads) rows.sort((a, b) => b[1] - a[1]);
  const bars = rows.map((row) => bar(...row));
  if (answer.malignancy_probability !== undefined) {
    bars.push(bar("Malignant, by biopsy", answer.malignancy_probability, thresholds.malignant));
  }
  const marked = rows.some(([, , threshold]) => threshold !== undefined) || thresholds.malignant !== undefined;
  return section("How likely", [
    h("div", { class: "bars" }, bars),
    answer.prevalence !== undefined && h("p", { class: "small" }, `Malignancy among people of the setting “${answer.setting}”, of whom ${percent(answer.prevalence, 1)} of lesions are cancer.`),
    marked && h("p", { class: "small" }, h("span", { class: "mark-key" }), " Operating threshold: from here on it counts. Chosen on data set apart from training."),
  ]);
}

function bar(name, likely, threshold) {
  const over = threshold !== undefined && likely >= threshold;
  const fill = h("span", { class: over ? "fill over" : "fill" });
  fill.style.width = `${Math.max(100 * likely, 0.4)}%`;
  const track = h("span", { class: "track" }, fill);
  if (threshold !== undefined) {
    const mark = h("span", { class: "mark" });
    mark.style.left = `${100 * threshold}%`;
    track.append(mark);
  }
  const said = threshold === undefined ? "" : `, ${over ? "over" : "under"} the threshold of ${percent(threshold, 1)}`;
  return h("div", { class: "bar-row" }, h("span", { class: "bar-name" }, name), track,
    h("span", { class: "bar-value" }, percent(likely, 1), h("span", { class: "hidden-text" }, said)));
}

function symptomParts(result, onSymptom) {
  const { answer } = result;
  if (!answer.symptoms_analyzed) return null;
  const chips = (title, words, kind) => (words?.length ? h("p", { class: "tags" }, h("span", { class: "small" }, title), words.map((word) => h("span", { class: `tag ${kind}` }, word))) : null);
  const suggestions = Object.entries(answer.suggestions ?? {}).map(([word, near]) => h("p", { class: "tags" }, h("span", { class: "small" }, `“${word}”: did you mean`),
    near.map((each) => h("button", { type: "button", class: "tag", onclick: () => onSymptom?.(each, word) }, each))));
  return section("What was understood", [
    result.request.text ? markedText(result.request.text, answer.understood) : null,
    chips("Present", answer.symptoms_analyzed, "present"),
    chips("Absent", answer.symptoms_absent, "denied"),
    chips("Not understood", answer.symptoms_unrecognized, "not_understood"),
    suggestions,
  ]);
}

function weights(answer) {
  const explanation = answer.explanation;
  if (!explanation?.weights.length || answer.contributions) return null;
  const about = [...new Set(explanation.weights.map((each) => each.about))];
  const told = (weight) => `${weight < 0 ? "against" : "for"}, ${times(Math.exp(Math.abs(weight)))}`;
  return section("What spoke for and against", [
    about.map((name) => h("details", { open: name === about[0] }, h("summary", {}, name), h("dl", { class: "measures" },
      explanation.weights.filter((each) => each.about === name).map((each) =>
        h("div", {}, h("dt", {}, each.name), h("dd", {}, told(each.log_odds))))))),
    h("p", { class: "small" }, `How many times the odds grow or shrink with each entry. ${explanation.limits}`),
  ]);
}

const times = (factor) => `${factor < 10 ? factor.toFixed(1) : Math.round(factor)} times`;

function advice(answer) {
  const treatment = answer.recommendations ? answer.treatment_options : null;
  return [
    section("What to do", list(adviceOf(answer), "dots")),
    treatment?.length ? section("To discuss with a clinician", list(treatment, "dots")) : null,
  ];
}
