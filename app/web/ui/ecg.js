// What was measured on an ECG, and what of it was read.
import { h, list, percent, section } from "./dom.js";

const ROWS = [
  ["rate", "Rate"], ["rr_variation", "Beat-to-beat change"], ["longest_rr", "Longest pause"], ["pr", "PR"], ["qrs", "QRS"],
  ["qt", "QT"], ["qtc_fridericia", "QTc, Fridericia"], ["qtc_bazett", "QTc, Bazett"], ["axis", "Axis"],
];

export function ecgParts(answer) {
  const measured = answer.measurements;
  return [
    spoke(answer),
    measured ? section("Measured on the traces", [table(measured), rhythm(measured.rhythm), stLevels(measured.st_j_mm)]) : null,
    answer.sheet ? sheet(answer.sheet) : null,
    answer.record ? record(answer.record) : null,
  ];
}

function spoke({ explanation, probabilities, record: read }) {
  if (explanation?.kind !== "leads") return null;
  const name = probabilities.find((each) => each.code === explanation.code)?.name ?? explanation.code;
  const alt = `The leads, one below the other; red where they spoke most for ${name}.`;
  return section(`Which leads spoke for ${name}`, [
    read && h("img", { class: "traces", src: explanation.overlay, alt }),
    list(explanation.parts, "dots"),
    h("p", { class: "small" }, explanation.limits),
  ]);
}

function table(measured) {
  return h("dl", { class: "measures" }, ROWS.map(([name, title]) => {
    const each = measured[name];
    return each && h("div", {}, h("dt", {}, title),
      each.value === null ? h("dd", { class: "small" }, each.reason ?? "not measured") : h("dd", {}, h("b", {}, String(Math.round(each.value * 10) / 10)), ` ${each.unit}`));
  }));
}

function rhythm(found) {
  if (!found) return null;
  return h("p", {}, "Rhythm: ", found.value ? [h("b", {}, found.value), found.probability === null ? "" : ` (${percent(found.probability)})`] : h("span", { class: "small" }, found.reason ?? "not told"));
}

function stLevels(levels) {
  if (!levels?.value) return levels?.reason ? h("p", { class: "small" }, `ST level: ${levels.reason}`) : null;
  return [
    h("h4", {}, "ST level at the J point, mm"),
    h("dl", { class: "leads" }, Object.entries(levels.value).map(([lead, level]) =>
      h("div", { class: level !== null && Math.abs(level) >= 1 ? "far" : null }, h("dt", {}, lead), h("dd", {}, level === null ? "–" : level.toFixed(1).replace(/^-0\.0$/, "0.0"))))),
  ];
}

function sheet(read) {
  const weak = Object.entries(read.quality ?? {}).filter(([, quality]) => quality < 0.8).map(([lead]) => lead);
  return section("How the sheet was read", [
    h("p", {}, `${read.layout} leads, ${read.rhythm_strips} rhythm ${read.rhythm_strips === 1 ? "strip" : "strips"}, ${read.speed} mm/s, ${read.gain} mm/mV, ${read.lead_order} order. ${read.leads.length} of 12 leads were read.`),
    read.gain_from === "assumed" ? h("p", {}, "No gain was found on the sheet: 10 mm/mV were assumed, so voltages and ST levels are unsure. Choose the gain that is printed.") : null,
    read.speed_from === "beats" ? h("p", {}, `No speed was found on the sheet: by the shape of the beats it was taken for ${read.speed} mm/s, so heart rate and intervals are unsure. Choose the speed that is printed.`) : null,
    weak.length ? h("p", {}, `Look at the overlay in ${weak.join(", ")}: the traces there fit less well.`) : null,
  ]);
}

function record(read) {
  return section("How the record was read", [
    h("p", {}, `${read.seconds} s at ${read.rate} Hz, in ${read.windows} ${read.windows === 1 ? "window" : "windows"}.`),
    read.derived_leads.length ? h("p", {}, `Computed from the others: ${read.derived_leads.join(", ")}.`) : null,
    read.flat_leads.length ? h("p", {}, `Without signal: ${read.flat_leads.join(", ")}.`) : null,
    read.calibrated ? null : h("p", {}, "The header gives no gain: 200 units a millivolt were assumed, so voltages are unsure."),
  ]);
}
