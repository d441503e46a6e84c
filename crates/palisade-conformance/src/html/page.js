"use strict";
const text = document.getElementById("filter");
const state = document.getElementById("state");
function apply() {
  const words = text.value.toLowerCase().split(" ").filter(Boolean);
  for (const section of document.querySelectorAll("section[data-file]")) {
    let any = false;
    for (const row of section.querySelectorAll("details")) {
      const shown = words.every(word => row.dataset.text.includes(word)) && (!state.value || row.dataset.state.includes(state.value));
      row.hidden = !shown;
      any ||= shown;
    }
    section.hidden = !any;
  }
}
text.addEventListener("input", apply);
state.addEventListener("change", apply);
for (const guard of document.querySelectorAll("button.guard")) {
  guard.addEventListener("click", () => { text.value = guard.dataset.guard; apply(); text.scrollIntoView({ block: "nearest" }); });
}
