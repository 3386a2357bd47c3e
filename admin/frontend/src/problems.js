// What was refused, beside the control that asked for it: in words, with the request's id and a way to try again.
const shown = new WeakMap(); // control -> its alert

export function problemOf(page, response) {
  const told = page.querySelector("[data-problem]") ?? page.querySelector("#main [role=alert]");
  const text = (selector) => told?.querySelector(selector)?.textContent.trim() ?? "";
  return {
    title: text("h2") || "That didn't work",
    hint: text("[data-hint]") || (told?.matches("[data-problem]") ? "" : text("section")),
    requestId: response?.headers.get("x-request-id") ?? "",
  };
}

export function clear(control) {
  shown.get(control)?.remove();
  shown.delete(control);
}

export function show(control, { title, hint, requestId }, retry) {
  clear(control);
  const alert = element("div", "alert problem mt-2");
  alert.setAttribute("role", "alert");
  alert.dataset.variant = "destructive";
  const words = element("section", "");
  const foot = element("p", "flex flex-wrap items-center gap-x-4 gap-y-1.5");
  if (hint) foot.append(element("span", "", sentence(hint)));
  if (retry) {
    const button = element("button", "btn", "Retry");
    button.type = "button";
    Object.assign(button.dataset, { size: "sm", variant: "outline" });
    button.addEventListener("click", () => {
      clear(control);
      retry();
    });
    foot.append(button);
  }
  if (requestId) foot.append(element("span", "text-xs break-all", `Request ${requestId}`));
  words.append(foot);
  alert.append(element("h2", "", sentence(title)), words);
  shown.set(control, place(control, alert));
}

// Beside it: in a table in a row of its own, which widens no column; of a part that is morphed before it. What was placed is returned.
function place(control, alert) {
  const row = control.closest("tr");
  if (row && !control.dataset.part) {
    const added = element("tr", "problem-row");
    const cell = element("td", "");
    cell.colSpan = row.cells.length;
    cell.append(alert);
    added.append(cell);
    row.after(added);
    return added;
  }
  if (control.dataset.part) (control.closest("[role=region]") ?? control).before(alert);
  else control.after(alert);
  return alert;
}

const sentence = (words) => words.charAt(0).toUpperCase() + words.slice(1);

function element(name, classes, text = "") {
  const made = document.createElement(name);
  made.className = classes;
  made.textContent = text;
  return made;
}
