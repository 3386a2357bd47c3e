// A session that ended under an open page: signing in again in a dialog, so that the page stays as it is.
// In a template until it is needed: its fields are no fields of the page.
function dialog() {
  const made = document.getElementById("sign-in-again");
  const template = document.getElementById("sign-in-again-template");
  if (made || !template) return made;
  document.body.append(template.content.cloneNode(true));
  return document.getElementById("sign-in-again");
}

let waiting = []; // what is to be tried again afterwards

export function signInAgain(retry) {
  const asked = dialog();
  if (!asked) return location.assign(`${document.body.dataset.base ?? ""}/sign-in`);
  waiting.push(retry);
  if (!asked.open) asked.showModal();
}

function renew(csrf) {
  document.body.setAttribute("hx-headers:inherited", JSON.stringify({ "X-CSRF-Token": csrf }));
  for (const field of document.querySelectorAll("input[name=csrf]")) field.value = csrf;
}

async function signIn(form) {
  const refused = form.querySelector("[data-refused]");
  const body = JSON.stringify({ name: form.elements.name.value, password: form.elements.password.value });
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  const response = await fetch(dialog().dataset.signIn, { method: "POST", headers, body }).catch(() => null);
  const told = await response?.json().catch(() => null);
  refused.hidden = response?.ok === true;
  if (!response?.ok) {
    const wait = response?.headers.get("retry-after");
    refused.textContent =
      response?.status === 401 ? "The password is wrong." : wait ? `Too many attempts. Try again in ${wait} s.` : (told?.detail ?? "The admin can't be reached.");
    form.elements.password.select();
    return;
  }
  form.elements.password.value = "";
  renew(told.csrfToken);
  dialog().close();
  dispatchEvent(new Event("pgcron:signed-in"));
  const retries = waiting;
  waiting = [];
  for (const retry of retries) retry();
}

document.addEventListener("submit", (event) => {
  if (event.target.id !== "sign-in-again-form") return;
  event.preventDefault();
  signIn(event.target);
});

document.addEventListener("close", (event) => event.target.id === "sign-in-again" && (waiting = []), true);
