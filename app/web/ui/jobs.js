// What can be read, in the order of the page. Names are those of the bundles.

const count = (n) => n.toLocaleString("en");
const share = (value) => `${Math.round(100 * value)} %`;
const times = (value) => `${Math.round(100 * value)} times in 100`;

/* What is said of a model's quality: the first of these whose test set and metric the model was measured by, as it is served or before. Each sentence
   holds for the sets that its pattern names, and for no others. */
const LIKELIEST_RIGHT = (m, n) => `The likeliest class is right in ${share(m)} of ${n} pictures held out, each class counting alike.`;
const FINDING_TOLD = (what) => ["macro_auroc", (m, n) => `Of one ${what} with a finding and one without it ranks the right one higher ${times(m)} (${n} held out).`];

const JOBS = {
  skin: {
    title: "Skin lesion", path: "analyze/skin", kind: "picture",
    takes: "A dermoscopy picture of one spot",
    hint: "One lesion in the middle, sharp, without ruler or marker.",
    figures: [
      [/^HAM10000, a tenth of the lesions$/, "balanced accuracy", LIKELIEST_RIGHT],
      [/^(out of fold|test)$/, "balanced_accuracy", LIKELIEST_RIGHT],
    ],
  },
  heart_image: {
    title: "ECG on paper", path: "analyze/heart", kind: "picture",
    takes: "A scan or photograph of a 12-lead sheet",
    hint: "The whole sheet with its grid, flat and well lit.",
    figures: [[/^test, damaged sheets$/, ...FINDING_TOLD("sheet")], [/^test/, ...FINDING_TOLD("sheet")]],
  },
  heart_record: {
    title: "ECG record", path: "analyze/heart/record", kind: "record",
    takes: "A WFDB record, .hea and .dat, or a DICOM ECG",
    hint: "Choose or drop both files; pairs find each other by name.",
    figures: [[/^fold 9|^test/, ...FINDING_TOLD("record")]],
  },
  breast: {
    title: "Breast ultrasound", path: "analyze/breast", kind: "picture",
    takes: "One B-mode picture. Ultrasound only: no mammograms",
    hint: "Ultrasound only: a mammogram can't be read here.",
    figures: [
      [/^BUS-BRA to BUSI lesions$/, "auroc", (m, n) => `Of a cancer and a benign lesion it ranks the cancer higher ${times(m)}, at a hospital it had not seen (${n} lesions).`],
      [/out of fold, BUS-BRA|held out|^test/, "auroc", (m, n) => `Of a cancer and a benign lesion it ranks the cancer higher ${times(m)} (${n} lesions held out).`],
    ],
  },
  xray: {
    title: "Chest X-ray", path: "analyze/xray", kind: "picture",
    takes: "One frontal film, for pneumonia",
    hint: "Frontal, bones bright, uncropped.",
    figures: [
      [/^(out of fold|test) nih$/, "balanced_accuracy", (m, n) => `Tells pneumonia from none in ${share(m)} of ${n} adults’ films held out, both counting alike.`],
      [/^test/, "balanced_accuracy", (m, n) => `Tells pneumonia from none in ${share(m)} of ${n} films held out, both counting alike.`],
    ],
  },
  disease: {
    title: "Symptoms", path: "predict-disease", kind: "symptoms",
    takes: "Your own words, or a list",
    figures: [[/^avey, cross-validated$/, "top_3", (m, n) => `The right disease is among its first three in ${share(m)} of ${n} written cases.`]],
  },
  heart_risk: {
    title: "Heart risk", path: "predict-heart", kind: "risk",
    takes: "Six values of a form; more makes it better",
    figures: [[/^cross-validation, six inputs$/, "auroc", (m, n) => `Of a narrowed artery and an open one it ranks the narrowed one higher ${times(m)} (${n} patients, cross-validated).`]],
  },
};

export const isDicom = (file) => /\.dcm$/i.test(file.name) || file.type === "application/dicom";
export const isPicture = (job) => job.kind === "picture";

/** The jobs that this service has: those known here, then pictures of one's own, as {name: job}. */
export function jobsOf(models, readiness) {
  const loaded = new Map(models.map((model) => [model.name, model]));
  const names = [...new Set([...Object.keys(JOBS), ...loaded.keys(), ...Object.keys(readiness)])];
  return Object.fromEntries(names.map((name) => {
    const known = JOBS[name] ?? {
      title: name.replaceAll("_", " "), path: `analyze/${encodeURIComponent(name)}`, kind: "picture", own: true,
      takes: "A picture, for a model of your own", hint: "A picture like those it was trained on.",
      figures: [[/^test/, "balanced_accuracy", LIKELIEST_RIGHT]],
    };
    const model = loaded.get(name) ?? null;
    return [name, { ...known, name, model, state: readiness[name]?.state ?? "absent", words: figureOf(known, model) }];
  }).filter(([name, job]) => JOBS[name] || job.model));
}

function figureOf(job, model) {
  for (const [sets, metric, words] of job.figures) {
    for (const [set, figures] of Object.entries({ ...model?.as_served?.sets, ...model?.metrics })) {
      if (sets.test(set) && figures[metric]) return words(figures[metric].value, count(figures[metric].n));
    }
  }
  return null;
}

/** Class code to operating threshold, as measured. */
export function thresholdsOf(job) {
  return Object.fromEntries((job.model?.operating_points ?? []).map((point) => [point.code, point.threshold]));
}

export const STATES = {
  ready: "Ready", loading: "Loading", demo: "Demo: fixed sample", absent: "Not installed",
  failed: "Could not be loaded", stuck: "Stuck", failing: "Failing",
};

/** Files as work: .hea and .dat of one name together, every other file by itself. */
export function sorted(files) {
  const stem = (file) => file.name.replace(/\.[^.]*$/, "").toLowerCase();
  const signals = new Map(files.filter((file) => /\.dat$/i.test(file.name)).map((file) => [stem(file), file]));
  const records = [];
  const lonely = [];
  for (const header of files.filter((file) => /\.hea$/i.test(file.name))) {
    const signal = signals.get(stem(header));
    signals.delete(stem(header));
    if (signal) records.push({ header, signal });
    else lonely.push(header);
  }
  lonely.push(...signals.values());
  return { records, lonely, pictures: files.filter((file) => !/\.(hea|dat)$/i.test(file.name)) };
}
