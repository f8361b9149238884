// What was read since the page was opened: a table that sorts, filters and goes out as CSV or JSON. Kept nowhere else.
import { download, h, percent } from "./dom.js";
import { nameOf } from "./answer.js";

const ORDER = { red: 3, orange: 2, yellow: 1, green: 0 };
const STATE = { waiting: "waiting", running: "reading…", done: "read", refused: "not accepted", failed: "failed" };

function rowOf(result) {
  const { answer, failure } = result;
  const read = answer?.reliability.accepted;
  return {
    name: result.label,
    job: result.job.title,
    finding: read ? nameOf(answer) : answer ? answer.reliability.reason : failure ? failure.title : "",
    probability: read ? answer.prediction.confidence ?? answer.prediction.probability : null,
    urgency: answer?.urgency?.timeline ?? "",
    color: answer?.urgency?.color ?? null,
    state: STATE[result.state],
    model: answer ? `${answer.model.name} ${answer.model.version}` : "",
    request_id: answer?.request_id ?? failure?.requestId ?? "",
  };
}

const COLUMNS = [
  ["name", "File", (row) => row.name], ["job", "Read as", (row) => row.job], ["finding", "Finding", (row) => row.finding],
  ["probability", "Probability", (row) => row.probability ?? -1], ["urgency", "Urgency", (row) => ORDER[row.color] ?? -1], ["state", "State", (row) => row.state],
];

const FIRST = /^[=+\-@\t\r]/; // a spreadsheet would compute it

function csv(rows) {
  const cell = (value) => {
    const text = value === null ? "" : String(value);
    const safe = typeof value === "string" && FIRST.test(text) ? `'${text}` : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const names = ["name", "job", "finding", "probability", "urgency", "color", "state", "model", "request_id"];
  return [names.join(","), ...rows.map((row) => names.map((name) => cell(row[name])).join(","))].join("\r\n") + "\r\n";
}

export class Session {
  constructor(open, stop) {
    this.results = [];
    this.open = open;
    this.stop = stop;
    this.by = null;
    this.down = false;
    this.shown = null;
    this.lines = new WeakMap();
    this.body = h("tbody");
    this.progress = h("progress", { max: "1", value: "0", "aria-label": "Progress" });
    this.filter = h("input", { type: "search", id: "filter", placeholder: "Filter", "aria-label": "Filter the readings", oninput: () => this.render() });
    this.heads = COLUMNS.map(([name, title]) => h("th", { scope: "col" }, h("button", { type: "button", onclick: () => this.sortBy(name) }, title)));
    this.count = h("span", { class: "small" });
    this.node = h("section", { class: "session", hidden: true, "aria-labelledby": "session" },
      h("div", { class: "row spread" }, h("h2", { id: "session" }, "This session "), this.count, this.progress, h("span", { class: "grow" }), this.filter,
        h("button", { type: "button", class: "quiet", onclick: () => download("readings.csv", csv(this.results.map(rowOf)), "text/csv") }, "CSV"),
        h("button", { type: "button", class: "quiet", onclick: () => download("readings.json", this.json(), "application/json") }, "JSON"),
        h("button", { type: "button", class: "quiet", onclick: () => this.clear() }, "Forget all")),
      h("div", { class: "table", tabindex: "0", role: "group", "aria-label": "Readings" }, h("table", {}, h("thead", {}, h("tr", {}, this.heads)), this.body)));
  }

  json() {
    return JSON.stringify(this.results.map((result) => ({ name: result.label, diagnosis: result.job.name, state: result.state, answer: result.answer ?? null, error: result.failure?.body ?? null })), null, 2);
  }

  add(results) {
    this.results.unshift(...results);
    this.render();
  }

  clear() {
    this.results.splice(0).forEach(this.stop);
    this.open(null);
    this.render();
  }

  sortBy(name) {
    this.down = this.by === name ? !this.down : false;
    this.by = name;
    this.heads.forEach((head, index) => {
      if (COLUMNS[index][0] === name) head.setAttribute("aria-sort", this.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    this.render();
  }

  render() {
    const done = this.results.filter((result) => !["waiting", "running"].includes(result.state)).length;
    const wanted = this.filter.value.trim().toLowerCase();
    let rows = this.results.map((result) => [rowOf(result), result]);
    if (wanted) rows = rows.filter(([row]) => Object.values(row).join(" ").toLowerCase().includes(wanted));
    if (this.by) {
      const key = COLUMNS.find(([name]) => name === this.by)[2];
      const sign = this.down ? -1 : 1;
      rows.sort(([a], [b]) => sign * (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
    }
    this.node.hidden = this.results.length < 2;
    this.count.textContent = `${done} of ${this.results.length} read`;
    this.progress.max = this.results.length || 1;
    this.progress.value = done;
    this.progress.hidden = done === this.results.length;
    const shown = rows.map(([row, result]) => this.line(row, result));
    if (shown.length !== this.body.children.length || shown.some((line, place) => line !== this.body.children[place])) this.body.replaceChildren(...shown);
  }

  /** The row of a result, made anew where something of it changed: what has the focus keeps it, and hundreds stay quick. */
  line(row, result) {
    const state = `${result.state} ${result === this.shown}`;
    const before = this.lines.get(result);
    if (before?.state === state) return before.line;
    const line = h("tr", { "aria-current": result === this.shown ? "true" : null },
      h("td", {}, h("button", { type: "button", class: "link", onclick: () => this.open(result) }, row.name)), h("td", {}, row.job), h("td", { class: "long" }, row.finding),
      h("td", {}, row.probability === null ? "" : percent(row.probability, 1)),
      h("td", {}, row.color && h("span", { class: `dot ${row.color}` }), ` ${row.urgency}`), h("td", {}, row.state));
    before?.line.replaceWith(line);
    this.lines.set(result, { state, line });
    return line;
  }
}
