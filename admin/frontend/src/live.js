// What is on the screen follows what happens: one stream per page, told what changed; changed parts are asked for and morphed in.
//
//   <body data-events="/api/events">                     where the stream is
//   <tbody data-live="jobs" data-part="/jobs/rows">      its rows are #job-<id>; changed ones are asked for: /jobs/rows?ids=a,b
//   <aside data-live="jobs" data-only="<id>" …>          only when that job changed
//   <main data-live="job:<id>" data-part="/jobs/x">      the whole part is asked for again, as it stands under the same id
//
// A hidden tab has no stream. Rows are never moved: the order is that of the page as it was asked for.
import htmx from "./htmx-global.js";
import { openStream } from "./stream.js";

const COALESCE_MS = 30;
const NEW_MS = 3000;
const RETRY_MS = [500, 1000, 2000, 4000, 8000, 15000];
const badge = () => document.getElementById("live");

let source = null;
let lastEventId = document.querySelector("[data-position]")?.dataset.position ?? ""; // of the output of runs
let attempt = 0;
let timer = null;
let isPaused = false;
let staleSince = null;
let askedForNew = 0;
const waiting = new Map(); // element -> ids of changed rows

function topics() {
  return [...new Set([...document.querySelectorAll("[data-live]")].flatMap((part) => part.dataset.live.split(",")))];
}

const partsOf = (topic) =>
  [...document.querySelectorAll("[data-live][data-part]")].filter((part) => part.dataset.live.split(",").includes(topic));

function tell(state, words) {
  const shown = badge();
  if (shown && shown.dataset.state !== state + words) {
    shown.dataset.state = state + words;
    shown.dataset.tone = state;
    shown.querySelector("span").textContent = words;
  }
}

function connect() {
  const wanted = topics();
  clearTimeout(timer);
  if (!document.body.dataset.events || wanted.length === 0 || document.hidden || isPaused || source) return;
  source = openStream(`${document.body.dataset.events}?topics=${encodeURIComponent(wanted.join(","))}`, lastEventId);
  source.addEventListener("status", (event) => {
    attempt = 0;
    const isLive = JSON.parse(event.data).isLive;
    if (isLive && staleSince) refreshAll();
    staleSince = isLive ? null : staleSince ?? new Date();
    if (!isLive) tell("stale", "The database is away");
    else if (!expected.size) tell("live", "Live");
  });
  // It is live when each topic has told how it stands: what happens from then on is seen.
  const expected = new Set(wanted);
  for (const name of ["jobs", "job", "run", "runs", "workers", "fleet", "alerts"]) {
    source.addEventListener(name, (event) => {
      if (expected.delete(JSON.parse(event.data).topic) && !expected.size && !staleSince) tell("live", "Live");
    });
  }
  source.addEventListener("jobs", (event) => changed("jobs", JSON.parse(event.data)));
  for (const name of ["job", "run", "runs", "workers", "fleet", "alerts"]) {
    source.addEventListener(name, (event) => refresh(JSON.parse(event.data)));
  }
  // For those who do more with them than to ask for a part again: log.js, runs.js.
  for (const name of ["run", "runs", "output", "output_totals"]) {
    source.addEventListener(name, (event) => document.dispatchEvent(new CustomEvent(`pgcron:${name}`, { detail: JSON.parse(event.data) })));
  }
  source.addEventListener("end", (event) => {
    const end = JSON.parse(event.data);
    lost(end.comeBack ? end.message : `${end.message}: load the page again`, end.comeBack);
  });
  source.onerror = () => lost("reconnecting");
}

function close() {
  lastEventId = source?.lastEventId || lastEventId;
  source?.close();
  source = null;
}

function lost(words, comesBack = true) {
  close();
  staleSince ??= new Date();
  if (!comesBack) return tell("stale", words);
  const wait = RETRY_MS[Math.min(attempt++, RETRY_MS.length - 1)] * (0.7 + Math.random() * 0.6);
  tell("stale", `Reconnecting, stale since ${staleSince.toLocaleTimeString([], { timeZoneName: "short", timeZone: document.documentElement.dataset.zone || undefined })}`);
  timer = setTimeout(connect, wait);
}

function pause(words) {
  clearTimeout(timer);
  close();
  staleSince ??= new Date();
  tell("paused", words);
}

// The first message of a topic is the whole of it: the page was made a moment ago, so only what changes after it counts.
const seen = new Set();

function changed(topic, told) {
  // A part that tells of jobs together can't say as what it was made: it is asked for again once.
  if (told.isSnapshot && !seen.has(topic)) for (const part of partsOf(topic)) if (!part.querySelector("[id^=job-]")) later(part, []);
  seen.add(topic);
  if (told.isSnapshot) return;
  for (const id of told.removed) document.getElementById(`job-${id}`)?.classList.add("no-longer-matches");
  for (const part of partsOf(topic)) {
    if (!part.querySelector("[id^=job-]")) {
      const only = part.dataset.only; // of one job, else it tells of jobs together
      if (!only || told.jobs.some((job) => job.id === only)) later(part, []);
      continue;
    }
    const ids = told.jobs.map((job) => job.id).filter((id) => document.getElementById(`job-${id}`));
    if (ids.length < told.jobs.length && part.dataset.tellsNew !== undefined && Date.now() - askedForNew > NEW_MS) {
      askedForNew = Date.now();
      ids.push("new"); // there may be jobs that belong here and aren't: the answer says how many
    }
    if (ids.length) later(part, ids);
  }
}

// A part that follows one value of what is told, data-live-key="fleet.isPaused", is asked for again only when that is another one
// than what was told before, or than data-live-value, which it was made with.
const values = new Map();

function isNews(part, told) {
  const path = part.dataset.liveKey;
  if (!path) return true;
  const value = JSON.stringify(path.split(".").reduce((found, name) => found?.[name], told) ?? null);
  const isOther = (values.get(part.id) ?? part.dataset.liveValue) !== value;
  values.set(part.id, value);
  return isOther;
}

function refresh(told) {
  const topic = told.topic;
  if (!seen.has(topic)) {
    seen.add(topic);
    // Unless the part says as what it was made (data-stands, data-live-key): what happened between its making and this stream is seen there.
    const now = standsAs(told);
    for (const part of partsOf(topic)) {
      const { stands, liveKey } = part.dataset;
      if ((now && stands && stands !== now) || (liveKey && isNews(part, told))) later(part, []);
    }
    return;
  }
  if (told.isSnapshot) return;
  for (const part of partsOf(topic)) if (isNews(part, told)) later(part, []);
}

function standsAs({ job, run }) {
  if (job) return [job.version, job.isEnabled, job.runningCount, job.successCount, job.failureCount].join(".");
  return run ? `${run.status}${run.cancelRequestedAt ? "!" : ""}` : null;
}

function refreshAll() {
  for (const part of document.querySelectorAll("[data-part]")) askAgain(part);
}

export function askAgain(part) {
  later(part, [...part.querySelectorAll("tr[id^=job-]")].map((row) => row.id.slice(4)));
}

function later(part, ids) {
  const known = waiting.get(part);
  if (known) {
    for (const id of ids) known.add(id);
    return;
  }
  waiting.set(part, new Set(ids));
  if (!asking.has(part)) setTimeout(() => ask(part), COALESCE_MS);
}

// One request for a part at a time: htmx drops a second one, and with it what it was to show. What comes meanwhile is asked for next.
const asking = new Set();

async function ask(part) {
  asking.add(part);
  try {
    while (waiting.has(part) && part.isConnected) {
      const ids = [...waiting.get(part)];
      waiting.delete(part);
      const began = performance.now();
      await put(part, ids);
      // What is dear to make is made less often: at most a quarter of the time is spent on it, however much happens.
      if (waiting.has(part)) await new Promise((done) => setTimeout(done, Math.min(3 * (performance.now() - began), 5000)));
    }
  } finally {
    asking.delete(part);
    waiting.delete(part);
  }
}

async function put(part, ids) {
  const url = ids.length ? `${part.dataset.part}${part.dataset.part.includes("?") ? "&" : "?"}ids=${ids.join(",")}` : part.dataset.part;
  const focused = document.activeElement?.id;
  if (ids.length) await htmx.ajax("GET", url, { source: part, target: part, swap: "none" });
  else await htmx.ajax("GET", url, { source: part, target: part, swap: "outerMorph", select: `#${part.id}` });
  if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

document.addEventListener("visibilitychange", () => (document.hidden ? pause("Paused: tab hidden") : connect()));
document.addEventListener("click", (event) => {
  if (event.target.closest("#live")) toggleLive();
});
addEventListener("pagehide", () => pause("Paused"));
addEventListener("pageshow", () => connect());
addEventListener("online", () => connect());
addEventListener("offline", () => lost("offline"));

addEventListener("pgcron:signed-in", () => {
  attempt = 0;
  connect();
});

export function toggleLive() {
  isPaused = !isPaused;
  if (isPaused) pause("Paused");
  else connect();
}
