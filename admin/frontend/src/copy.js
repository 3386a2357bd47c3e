// <button data-copy="text"> puts a text into the clipboard, <button data-copy-of="id"> what an element shows; it says so for a moment.
const SAID_MS = 1500;

function say(button, words) {
  button.title = words;
  const label = button.lastChild;
  if (label?.nodeType !== Node.TEXT_NODE || !label.textContent.trim() || button.dataset.isCopied) return;
  const before = label.textContent;
  button.dataset.isCopied = "1";
  label.textContent = words;
  setTimeout(() => {
    label.textContent = before;
    delete button.dataset.isCopied;
  }, SAID_MS);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-of]");
  if (!button) return;
  const shown = button.dataset.copyOf && document.getElementById(button.dataset.copyOf);
  try {
    await navigator.clipboard.writeText(shown ? shown.textContent : button.dataset.copy);
    say(button, "Copied");
  } catch {
    if (shown) getSelection().selectAllChildren(shown); // no permission: it is selected, for Ctrl+C
    else button.title = "This browser does not let a page copy here";
  }
});
