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

addEventListener("DOMContentLoaded", takeMyZone);
