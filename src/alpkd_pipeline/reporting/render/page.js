"use strict";
// The page is whole without this: a search field for the long list of runs.
for (const table of document.querySelectorAll("table[data-tools]")) {
  const field = document.createElement("input");
  field.type = "search";
  field.className = "search";
  field.placeholder = "Show rows with … (alp_kd mrpc)";
  field.setAttribute("aria-label", "Show only rows that contain these words");
  table.parentElement.before(field);
  const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
  const show = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const heading = row.classList.contains("heading");
      const said = row.textContent.toLowerCase();
      row.hidden = heading ? words.length > 0 : !words.every((word) => said.includes(word));
    }
  };
  field.addEventListener("input", show);
  // A link into the list must find its row.
  addEventListener("hashchange", () => {
    field.value = "";
    show();
  });
}
