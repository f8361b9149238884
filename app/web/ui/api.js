// Everything that is asked of the service. Addresses are relative, so that they hold under any prefix.

let key = "";

export function useKey(value) {
  key = value.trim();
}

export const hasKey = () => key !== "";

export class Failure extends Error {
  constructor(title, detail, more = {}) {
    super(title);
    this.title = title;
    this.detail = detail;
    Object.assign(this, { status: 0, wait: null, problem: null, requestId: null, fields: [] }, more);
  }
}

export async function ask(path, { method = "GET", body, headers = {}, signal, accept = "application/json" } = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      method, body, signal, credentials: "same-origin", cache: "no-store",
      headers: { Accept: accept, ...headers, ...(key ? { "X-API-Key": key } : {}) },
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("The service can't be reached", "Nothing was read. Look whether it still runs and whether this device is connected to it, then try again.");
  }
  if (!answer.ok) throw await failure(answer);
  return answer;
}

export async function askJson(path, options) {
  return (await ask(path, options)).json();
}

export async function askReadiness() {
  try {
    return await askJson("health/ready");
  } catch (error) {
    if (error.status === 503 && error.body?.models) return error.body;
    throw error;
  }
}

async function failure(answer) {
  let body = null;
  try {
    body = await answer.json();
  } catch {
    // a proxy's own page, say
  }
  const seconds = Number(answer.headers.get("Retry-After"));
  return new Failure(body?.title ?? `The service answered ${answer.status}`, body?.detail ?? "It gave no reason.", {
    status: answer.status,
    wait: Number.isFinite(seconds) && seconds > 0 ? seconds : null,
    problem: body?.type ?? null,
    requestId: body?.instance ?? answer.headers.get("X-Request-ID"),
    fields: body?.errors ?? [],
    body,
  });
}
