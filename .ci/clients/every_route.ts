/** Every operation of the service by openapi-fetch, with the types that openapi-typescript makes.
 *
 *     node every_route.js URL SAMPLES ADMIN_KEY
 */

import { openAsBlob } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import createClient from "openapi-fetch";

import type { components, paths } from "./schema.js";

const [url = "", samples = "", adminKey = ""] = process.argv.slice(2);
const service = createClient<paths, "application/json">({ baseUrl: url });
const texts = createClient<paths, "text/markdown" | "text/plain">({ baseUrl: url });
const files = createClient<paths, "application/octet-stream">({ baseUrl: url });

/** The answer itself; a problem ends the program. */
function told<Answer>(answer: { data?: Answer; error?: unknown; response: Response }): NonNullable<Answer> {
  if (answer.data === undefined || answer.data === null) {
    throw new Error(`${answer.response.status}: ${JSON.stringify(answer.error)}`);
  }
  return answer.data;
}

/** A multipart form of samples and texts, as the body of a request. */
async function form(named: Record<string, string>, texts: Record<string, string> = {}): Promise<never> {
  const parts = new FormData();
  for (const [part, name] of Object.entries(named)) {
    parts.append(part, await openAsBlob(join(samples, name)), name);
  }
  for (const [part, text] of Object.entries(texts)) parts.append(part, text);
  return parts as never;
}

async function json<Body>(name: string): Promise<Body> {
  return JSON.parse(await readFile(join(samples, name), "utf8")) as Body;
}

async function readPictures(): Promise<void> {
  const lesion = await form({ image: "skin-lesion.jpg" });
  const skin = told(await service.POST("/analyze/skin", { body: lesion }));
  const success: true = skin.success;
  console.log(skin.prediction.code, skin.severity, skin.urgency.color, success);
  console.log(
    told(await service.POST("/analyze/xray", { body: await form({ image: "chest-xray.jpg" }) })).prediction.name,
    told(
      await service.POST("/analyze/breast", {
        body: await form({ image: "breast-ultrasound.jpg" }, { setting: "screening" }),
        params: { query: { explain: true } },
      }),
    ).prediction.birads,
    told(
      await service.POST("/analyze/heart", {
        body: await form({ image: "ecg-sheet.png" }, { age: "61", sex: "female" }),
        params: { query: { explain: true } },
      }),
    ).prediction.code,
    told(
      await service.POST("/analyze/heart/record", {
        body: await form({ header: "ecg-record.hea", signal: "ecg-record.dat" }),
      }),
    ).prediction.code,
    told(await service.POST("/analyze/{name}", { params: { path: { name: "retina" } }, body: lesion })).prediction.code,
  );
}

async function readForms(): Promise<void> {
  const symptoms = await json<components["schemas"]["DiseaseRequest"]>("symptoms.json");
  const risk = await json<components["schemas"]["HeartRiskRequest"]>("heart-risk.json");
  console.log(
    told(await service.POST("/predict-disease", { body: symptoms })).prediction.disease,
    told(await service.POST("/predict-heart", { body: risk })).prediction.risk_level,
    told(await service.GET("/symptoms", { params: { query: { grouped: true } } })).count,
  );
}

async function askTheService(): Promise<void> {
  console.log(told(await service.GET("/")).version, told(await service.GET("/health")).status);
  console.log(told(await service.GET("/health/live")).status, told(await service.GET("/health/ready")).status);
  console.log(told(await service.GET("/models")).models.map((model) => model.name));
  const card = await texts.GET("/models/{name}/card", { params: { path: { name: "skin" } }, parseAs: "text" });
  console.log(told(card).split("\n")[0]);
  console.log(told(await texts.GET("/metrics", { parseAs: "text" })).length);
  const name = told(await service.GET("/samples")).samples[0]?.files[0]?.name ?? "";
  const file = await files.GET("/samples/{name}", { params: { path: { name } }, parseAs: "blob" });
  console.log(told(file).size);
  const kind = told(await service.GET("/problems")).problems[0]?.type.split("/").at(-1) ?? "";
  console.log(told(await service.GET("/problems/{kind}", { params: { path: { kind } } })));
  const admin = { headers: { "X-API-Key": adminKey } };
  console.log(told(await service.POST("/admin/reload", admin)).success);
}

await readPictures();
await readForms();
await askTheService();
