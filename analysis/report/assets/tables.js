// Tables: a button in each head that sorts, and a field that filters. Without this script they are
// plain tables.
"use strict";
(() => {
  const FEWEST_TO_SEARCH = 6;
  const words = new Intl.Collator("en", { numeric: true });

  // A number if the cell has one, else its words.
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    return "v" in cell.dataset ? Number(cell.dataset.v) : cell.textContent.trim();
  };

  // Numbers before words, what is unknown last, whichever way the rest is sorted.
  const compare = (a, b, sign) => {
    if ((a === "–") !== (b === "–")) return a === "–" ? 1 : -1;
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return sign * (typeof a === "number" ? a - b : words.compare(a, b));
  };

  const sortBy = (table, head) => {
    const sign = head.ariaSort === "ascending" ? -1 : 1;
    for (const other of head.parentElement.cells) other.ariaSort = "none";
    head.ariaSort = sign > 0 ? "ascending" : "descending";
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row) => [valueOf(row, head.cellIndex), row]);
    keyed.sort(([a], [b]) => compare(a, b, sign));
    body.append(...keyed.map(([, row]) => row));
  };

  const addSorting = (table) => {
    for (const head of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent.trim();
      button.addEventListener("click", () => sortBy(table, head));
      head.ariaSort = "none";
      head.replaceChildren(button);
    }
  };

  const addSearch = (table) => {
    const rows = [...table.tBodies[0].rows];
    if (rows.length < FEWEST_TO_SEARCH) return;
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const search = document.createElement("div");
    const label = document.createElement("label");
    const field = document.createElement("input");
    const count = document.createElement("output");
    search.className = "search";
    search.role = "search";
    search.ariaLabel = table.caption.textContent;
    field.type = "search";
    field.id = `${table.id}-search`;
    label.htmlFor = count.htmlFor = field.id;
    label.textContent = "Show rows with all of these words";
    const filter = () => {
      const wanted = field.value.toLowerCase().split(/\s+/);
      let shown = 0;
      rows.forEach((row, place) => {
        row.hidden = !wanted.every((word) => texts[place].includes(word));
        shown += !row.hidden;
      });
      count.textContent = `${shown} of ${rows.length} rows`;
    };
    field.addEventListener("input", filter);
    filter();
    search.append(label, field, count);
    table.closest(".box").before(search);
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    addSorting(table);
    addSearch(table);
  }
})();
