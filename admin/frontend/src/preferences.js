// Preferences that take effect here at once are sent on in the background; what is shown in "my zone" begins as the zone of this browser.
const mine = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

export async function save(changes) {
  const csrf = document.querySelector("input[name=csrf]")?.value;
  if (!csrf) return; // nobody is signed in
  const body = new URLSearchParams({ ...changes, csrf });
  await fetch(`${document.body.dataset.base ?? ""}/preferences`, { method: "POST", body, redirect: "manual", keepalive: true }).catch(() => {});
}

document.addEventListener("formdata", (event) => {
  const said = event.formData;
  if (said.get("times") === "mine" && !said.has("timezone") && event.target.dataset.zone === "UTC" && mine()) said.set("timezone", mine());
});

document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-my-zone-form] input[name=times]") || event.target.value !== "mine") return;
  const field = event.target.form.elements.timezone;
  if (field.value === "UTC" && mine()) field.value = mine();
});
