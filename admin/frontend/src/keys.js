// The keyboard. Single letters rest while somebody types, and can be switched off (WCAG 2.1.4).
import { chooseRow, closePanel } from "./jobs.js";
import { toggleLive } from "./live.js";
import { switchTheme } from "./theme-switch.js";

const GO = { o: "/", j: "/jobs", r: "/runs", t: "/timeline", w: "/workers", a: "/audit" };
let prefix = null;

const isTyping = (element) => element.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
const rows = () => [...document.querySelectorAll("tbody tr:not(.problem-row)")];
const base = () => document.body.dataset.base ?? "";

const areOff = () => document.documentElement.dataset.keys === "off"; // a preference of who is signed in

function move(step) {
  const all = rows();
  if (all.length === 0) return;
  const current = all.findIndex((row) => row.contains(document.activeElement));
  const next = all[Math.min(Math.max(current + step, 0), all.length - 1)];
  next.querySelector("a[href]")?.focus();
  next.scrollIntoView({ block: "nearest" });
}

// What a key presses: in the row that has the focus, else on the page.
function press(word) {
  const row = document.activeElement?.closest("tr");
  const found = (row ?? document).querySelector(`[data-key="${word}"]:not([disabled])`);
  if (found?.matches("input")) found.focus();
  else found?.click();
}

function help() {
  const dialog = document.getElementById("keys");
  if (dialog && !dialog.open) dialog.showModal();
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || areOff()) return;
  const key = event.key;
  if (prefix === "g" && GO[key] !== undefined) {
    location.assign(base() + GO[key]);
  } else if (key === "g") {
    prefix = "g";
    setTimeout(() => (prefix = null), 1200);
    return;
  } else if (key === "/") {
    document.querySelector("[type=search]")?.focus();
  } else if (key === "j" || key === "ArrowDown") {
    move(1);
  } else if (key === "k" || key === "ArrowUp") {
    move(-1);
  } else if (key === "?") {
    help();
  } else if (key === "t") {
    switchTheme();
  } else if (key === ".") {
    toggleLive();
  } else if (key === "x" || key === "X") {
    chooseRow(key === "X");
  } else if (key === "Escape") {
    if (!closePanel()) return;
  } else if ("rpelo".includes(key) && key.length === 1) {
    press(key);
  } else {
    return;
  }
  prefix = null;
  if (key.startsWith("Arrow") && rows().length === 0) return;
  event.preventDefault();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-show-keys]")) help();
  if (event.target.closest("dialog [data-close]")) event.target.closest("dialog").close();
});
