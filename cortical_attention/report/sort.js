"use strict";
// Sort a table by a column: a first click upwards, a second downwards; what is not known stays last.
(() => {
  const valueOf = (row, k) => {
    const cell = row.cells[k], given = cell.querySelector("[data-value]");
    const text = given ? given.dataset.value : cell.textContent.trim();
    return text === "-" ? "" : text;
  };
  const numberOf = text => /^[-+]?[\d.]/.test(text) ? parseFloat(text.replaceAll(",", "")) : NaN;
  const before = (a, b) => {
    const numbers = [a, b].map(numberOf);
    return numbers.some(Number.isNaN) || numbers[0] === numbers[1] ? a.localeCompare(b, "en", {numeric: true}) : numbers[0] - numbers[1];
  };
  const sortable = table => {
    const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
    const sort = k => {
      const down = heads[k].ariaSort === "ascending";
      heads.forEach(head => { head.ariaSort = "none"; });
      heads[k].ariaSort = down ? "descending" : "ascending";
      const rows = [...body.rows].map(row => [valueOf(row, k), row]);
      rows.sort(([a], [b]) => (a === "") - (b === "") || (down ? before(b, a) : before(a, b)));
      body.append(...rows.map(([, row]) => row));
    };
    heads.forEach((head, k) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(k));
      head.ariaSort = "none";
      head.replaceChildren(button);
    });
  };
  document.querySelectorAll("table.sortable").forEach(sortable);
})();
