// <button data-copy="text"> puts a text into the clipboard, and says so for a moment.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.dataset.isCopied = "1";
    button.title = "Copied";
    setTimeout(() => delete button.dataset.isCopied, 1500);
  } catch {
    button.title = "This browser does not let a page copy here";
  }
});
