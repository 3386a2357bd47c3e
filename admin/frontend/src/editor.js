import htmx from "./htmx-global.js";

// The schedule editor: a quiet minute is taken by a click, and the second zone begins as that of this browser.
document.addEventListener("click", (event) => {
  const taken = event.target.closest("[data-take-schedule]")?.dataset.takeSchedule;
  const field = document.getElementById("schedule");
  if (taken === undefined || !field) return;
  field.value = taken;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
});

function takeMyZone() {
  const field = document.querySelector("[data-my-zone]");
  const mine = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (field && field.value === "UTC" && mine && mine !== "UTC") {
    field.value = mine;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

addEventListener("load", takeMyZone); // by then htmx listens

// The pickers and the text are one: what is typed in one shows in the other. A text that is not five fields leaves the pickers empty.
const picks = () => [...document.querySelectorAll("[data-pick]")];

function toPicks() {
  const fields = document.getElementById("schedule")?.value.trim().split(/\s+/) ?? [];
  for (const pick of picks()) pick.value = fields.length === 5 && !fields[0].startsWith("@") ? fields[Number(pick.dataset.pick)] : "";
}

document.addEventListener("input", (event) => {
  if (event.target.id === "schedule") return toPicks();
  if (!event.target.matches("[data-pick]")) return;
  const text = document.getElementById("schedule");
  text.value = picks().map((pick) => pick.value.trim().replace(/\s+/g, "") || "*").join(" ");
  htmx.trigger(text, "picked"); // not "input": that would write into the picker that is being typed in
});
addEventListener("DOMContentLoaded", toPicks);
