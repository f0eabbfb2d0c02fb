"use strict";

/* A click on a column's name sorts by it: up, down, and as it was. What is not there comes last. */
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const asItWas = [...body.rows];
  const headers = [...table.tHead.rows[0].cells];

  headers.forEach((header, column) => {
    if (!header.textContent) return;
    const numeric = header.classList.contains("number");
    const text = (row) => row.cells[column].textContent.trim();
    const number = (row) => parseFloat(text(row).replace("[", "").replace("−", "-"));
    const compare = numeric
      ? (a, b) => number(a) - number(b)
      : (a, b) => text(a).localeCompare(text(b), "en", { numeric: true });

    // browsers do not repeat buttons on each printed page, so the name stays beside it for paper
    const [button, name] = ["button", "span"].map((tag) => document.createElement(tag));
    button.type = "button";
    button.textContent = name.textContent = header.textContent;
    header.replaceChildren(button, name);
    button.addEventListener("click", () => {
      const next = { ascending: "descending", descending: null }[header.getAttribute("aria-sort")];
      const order = next === undefined ? "ascending" : next;
      for (const other of headers) other.removeAttribute("aria-sort");
      if (order) header.setAttribute("aria-sort", order);
      const present = asItWas.filter((row) => text(row) !== "–");
      const absent = asItWas.filter((row) => text(row) === "–");
      const sign = order === "descending" ? -1 : 1;
      present.sort((a, b) => sign * compare(a, b));
      body.append(...(order ? [...present, ...absent] : asItWas));
    });
  });
}

/* What a box hides to the right is shown to go on. */
for (const box of document.querySelectorAll(".scroll")) {
  const update = () => box.classList.toggle("more", box.scrollWidth - box.clientWidth - box.scrollLeft > 1);
  box.addEventListener("scroll", update, { passive: true });
  new ResizeObserver(update).observe(box);
}
