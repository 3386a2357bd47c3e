// A bar of links that is wider than the screen begins where one is.
addEventListener("DOMContentLoaded", () => {
  for (const here of document.querySelectorAll("nav [aria-current=page]")) here.scrollIntoView({ block: "nearest", inline: "center" });
});
