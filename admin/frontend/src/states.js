// What can come between a click and its result: it takes a while, the session has ended, it is refused, it is too soon, the network is away.
//
// Forms are sent in the background, so that what was typed and where one was on the page stay. The server answers a form that has
// worked with the page that shows it (X-Location), and one that hasn't with the page as it would be without JavaScript.
// A form with data-plain is left to the browser.
import htmx from "./htmx-global.js";
import { askAgain } from "./live.js";
import { clear, problemOf, show } from "./problems.js";
import { signInAgain } from "./sign-in-again.js";

const AWAY = { title: "The admin can't be reached", hint: "Nothing was changed, as far as this page knows.", requestId: "" };
const parse = (text) => new DOMParser().parseFromString(text, "text/html");

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.getAttribute("method") !== "post" || form.matches("[data-plain], [hx-post]")) return;
  event.preventDefault();
  send(form, event.submitter);
});

async function send(form, submitter) {
  const button = submitter ?? form.querySelector("button:not([type=button])");
  if (form.dataset.isSent) return;
  clear(form);
  setBusy(form, button, true);
  const retry = () => send(form, submitter);
  let isLeaving = false;
  try {
    const response = await fetch(submitter?.getAttribute("formaction") ?? form.getAttribute("action") ?? location.href, {
      method: "POST",
      body: new URLSearchParams(new FormData(form, submitter)),
      headers: { "X-Pgcron-Form": "1", Accept: "text/html" },
    });
    const next = response.headers.get("x-location");
    isLeaving = next !== null;
    if (isLeaving) return leave(next);
    receive(form, button, response, parse(await response.text()), retry);
  } catch {
    show(form, AWAY, retry);
  } finally {
    if (!isLeaving) setBusy(form, button, false);
  }
}

function setBusy(form, button, isBusy) {
  if (isBusy) form.dataset.isSent = "1";
  else delete form.dataset.isSent;
  if (isBusy) button?.setAttribute("aria-busy", "true");
  else button?.removeAttribute("aria-busy");
}

function leave(next) {
  const to = new URL(next, location.href);
  if (to.pathname + to.search === location.pathname + location.search) location.reload();
  else location.assign(to);
}

function receive(form, button, response, page, retry) {
  const hasFields = form.querySelector("input:not([type=hidden]), select, textarea") !== null;
  if (response.status === 401) signInAgain(retry);
  else if (response.status === 429) {
    show(form, problemOf(page, response));
    countDown(button, Number(response.headers.get("retry-after")) || 1);
  } else if (!response.ok && (page.querySelector("[data-problem]") || !hasFields)) show(form, problemOf(page, response), retry);
  else put(page);
}

// The page as it would have come without JavaScript: its errors beside its fields, with what was typed.
function put(page) {
  for (const id of ["main", "toaster"]) {
    const fresh = page.getElementById(id);
    if (!fresh) continue;
    document.getElementById(id)?.replaceWith(fresh);
    htmx.process(fresh);
  }
  document.title = page.title;
  const first = document.querySelector("#main [aria-invalid=true], #main [role=alert], #shown-once") ?? document.getElementById("main");
  if (first.matches("[role=alert]")) first.setAttribute("tabindex", "-1");
  first.focus();
  first.scrollIntoView({ block: "center" });
}

function countDown(button, seconds) {
  if (!button) return;
  const told = document.createElement("span");
  const isIcon = button.dataset.size?.startsWith("icon");
  told.className = isIcon ? "tabular text-xs" : "tabular";
  const label = [...button.childNodes];
  button.replaceChildren(told); // in its place: a longer label would widen the column
  button.disabled = true;
  const until = performance.now() + seconds * 1000;
  const tick = () => {
    const left = Math.ceil((until - performance.now()) / 1000);
    told.textContent = isIcon ? `${left} s` : `Wait ${left} s`;
    if (left > 0 && button.isConnected) return;
    clearInterval(timer);
    button.replaceChildren(...label);
    button.disabled = false;
  };
  const timer = setInterval(tick, 250);
  tick();
}

// Requests of htmx: parts that are asked for again, and what follows typing. A refusal is never put in the place of what was there.
const isOfFrame = (source) => source.dataset.part !== undefined && !source.closest("#main");

function again(source) {
  if (source.dataset.part) askAgain(source);
  else if (source.matches("input, select, textarea")) source.dispatchEvent(new Event("input", { bubbles: true }));
  else source.click();
}

document.addEventListener("htmx:after:request", (event) => {
  const { sourceElement: source, response, text } = event.detail.ctx;
  clear(source);
  if (response.status < 400) return;
  const page = parse(text);
  const retry = () => again(source);
  if (response.status === 401) {
    event.preventDefault();
    signInAgain(retry);
  } else if (page.querySelector("[data-problem]")) {
    event.preventDefault();
    if (isOfFrame(source)) return;
    show(source, problemOf(page, response), retry);
    if (response.status === 429) countDown(source.closest("button"), Number(response.headers.get("retry-after")) || 1);
  }
});

document.addEventListener("htmx:error", (event) => {
  const source = event.detail.ctx?.sourceElement;
  if (source && !isOfFrame(source) && navigator.onLine) show(source, AWAY, () => again(source));
});

function setOffline(isOffline) {
  const banner = document.getElementById("offline");
  if (banner) banner.hidden = !isOffline;
  for (const button of document.querySelectorAll(isOffline ? "form[method=post] button:not([disabled], [type=button])" : "button[data-was-on]")) {
    button.disabled = isOffline;
    if (isOffline) button.dataset.wasOn = "";
    else delete button.dataset.wasOn;
  }
}

addEventListener("offline", () => setOffline(true));
addEventListener("online", () => setOffline(false));
