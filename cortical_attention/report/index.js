"use strict";
// Sort the table by a column: a first click upwards, a second downwards; what is not known stays last.
(() => {
  const table = document.querySelector("table"), body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const valueOf = (row, k) => row.cells[k].querySelector("[data-value]").dataset.value;
  const before = (a, b) => {
    const numbers = [a, b].map(Number);
    return numbers.some(Number.isNaN) ? a.localeCompare(b, "en", {numeric: true}) : numbers[0] - numbers[1];
  };
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
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(k));
    head.ariaSort = "none";
    head.replaceChildren(button);
  });
})();
