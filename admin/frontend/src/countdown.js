// <time data-countdown datetime="…">: how long until then, every second. It is text for the eye; the absolute time stands beside it.
const UNITS = [[86_400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

function told(seconds) {
  if (seconds <= 0) return "due now";
  let left = Math.round(seconds);
  const parts = [];
  for (const [size, unit] of UNITS) {
    const count = Math.floor(left / size);
    if (count || (unit === "s" && !parts.length)) {
      parts.push(`${count} ${unit}`);
      left -= count * size;
    }
    if (parts.length === 2) break;
  }
  return `in ${parts.join(" ")}`;
}

setInterval(() => {
  if (document.hidden) return;
  for (const time of document.querySelectorAll("[data-countdown]")) {
    const text = told((Date.parse(time.dateTime) - Date.now()) / 1000);
    if (time.textContent !== text) time.textContent = text;
  }
}, 1000);
