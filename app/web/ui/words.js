// A description of symptoms, marked with what was understood of it.
import { h } from "./dom.js";

const KINDS = {
  present: "present", denied: "denied", past: "over", other_person: "somebody else’s", hypothetical: "feared or asked about",
  measurement: "measured", not_understood: "not understood",
};

export function markedText(text, spans) {
  const letters = Array.from(text); // the service counts code points
  const parts = [];
  let at = 0;
  for (const span of spans ?? []) {
    if (span.start < at) continue;
    parts.push(letters.slice(at, span.start).join(""));
    const means = [KINDS[span.kind] ?? span.kind, span.symptom].filter(Boolean).join(": ");
    parts.push(h("mark", { class: span.kind, title: means }, letters.slice(span.start, span.end).join(""), h("span", { class: "hidden-text" }, ` (${means})`)));
    at = span.end;
  }
  parts.push(letters.slice(at).join(""));
  const kinds = [...new Set((spans ?? []).map((span) => span.kind))];
  return h("div", {}, h("p", { class: "said" }, parts),
    h("p", { class: "tags" }, kinds.map((kind) => h("mark", { class: kind }, KINDS[kind] ?? kind))));
}
