// sites.js: the tab of sites: a list to pick from by mouse, keyboard or words; coordinates to type; atoms to add.

function sitesView(link, signal) {
  const quiet = { "data-lm-suppress-shortcuts": "true", spellcheck: "false", autocomplete: "off" };
  const words = element("input", { type: "search", class: "md-text md-site-query", placeholder: "pick: Ir · O 3-7 · z>0.5 · cn=4 · 8f · orbit", "aria-label": "Pick sites by words, such as O z>0.5", title: "Elements (Ir), numbers (3-7), x y z (z>0.5), cn=4, Wyckoff positions (8f), picked, orbit (of what is picked), like (its species), not-…, all. Words must all hold; a comma means or", ...quiet });
  words.addEventListener("keydown", (e) => { if (e.key === "Enter") link.send({ op: "sites", query: words.value }); if (e.key === "Escape") { words.value = ""; link.send({ op: "sites", pick: [] }); } });
  const orbit = button("Orbit", "Pick what symmetry makes equivalent to the picked atoms", () => link.send({ op: "sites", query: "orbit" }));
  const like = button("Species", "Pick all atoms of the picked species", () => link.send({ op: "sites", query: "like" }));
  const invert = button("Invert", "Pick the others", () => link.send({ op: "sites", query: "not-picked" }));
  const none = button("None", "Pick nothing", () => link.send({ op: "sites", pick: [] }));
  const keep = segmented("What follows a moved atom", [["free", "alone", "Only what is picked moves"], ["symmetry", "orbit follows", "Equivalent atoms move as symmetry says; what the site's symmetry forbids is left out"]], (v) => link.send({ op: "sites", keep: v }));
  const step = element("input", { type: "number", class: "md-text md-count", value: 0.05, min: 0.001, max: 2, step: 0.01, "aria-label": "Step of the arrow keys in Å", title: "Step of the arrow keys on the structure, in Å", ...quiet });
  step.addEventListener("change", () => { link.handStep = Number(step.value) || 0.05; });
  const species = element("input", { type: "text", class: "md-text md-element", maxlength: "3", placeholder: "element", "aria-label": "Element of the new atom, such as O", ...quiet });
  const at = element("input", { type: "text", class: "md-text md-place", placeholder: "x y z, or pick its neighbours", "aria-label": "Place of the new atom: three coordinates of the cell; empty: the middle of the picked atoms", title: "Three coordinates (fractions of the cell; of a molecule Å). Empty: the middle of the picked atoms", ...quiet });
  const add = () => { if (species.value.trim()) link.send({ op: "add_atom", element: species.value, at: at.value }); else species.focus(); };
  for (const field of [species, at]) field.addEventListener("keydown", (e) => { if (e.key === "Enter") add(); });
  const put = button("Add atom", "Put an atom of this element there", add);
  const click = element("button", { type: "button", class: "md-button md-toggle", "aria-pressed": "false", title: "Then click the place in the structure: it lies in the plane of the screen through the picked atoms", onclick: () => link.setHand(link.hand === "add" ? null : "add") }, "by click");
  link.newElement = () => species.value.trim();
  const wrong = element("p", { class: "md-wrong md-wrap", role: "status", "aria-live": "polite" });
  const body = element("tbody");
  const head = (text, title) => element("th", { scope: "col", title, class: "xyz".includes(text) && text ? "md-number" : null }, text);
  const table = element("table", { class: "md-site-table", "aria-label": "Sites of the design; Enter or Space picks, with Shift more than one, arrow keys go up and down, Delete takes the picked ones out" }, element("thead", {}, element("tr", {}, head("site", "number"), head("", "species"), head("orbit", "sites with one number are equivalent within 0.01 Å"), head("Wyckoff", "multiplicity in the conventional cell and letter, standard setting, within 0.01 Å"), head("x", "along a"), head("y", "along b"), head("z", "along c"), head("CN", "ligands of a centre"))), body);
  const more = element("p", { class: "md-hint" });
  const node = element("div", { class: "md-sites-view" },
    element("div", { class: "md-row md-site-bar" }, words, orbit, like, invert, none),
    element("div", { class: "md-scroll" }, table, more),
    element("div", { class: "md-row md-site-bar" }, element("span", { class: "md-choice" }, "move", keep.node), element("span", { class: "md-choice" }, "step", step, "Å"), species, at, put, click), wrong);
  const choose = (k, e) => link.send({ op: "sites", pick: [k], how: e.shiftKey ? "add" : e.ctrlKey || e.metaKey ? "toggle" : "set" });
  body.addEventListener("keydown", (e) => {
    const row = e.target.closest("tr");
    if (!row || e.target.matches("input")) return;
    const next = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling }[e.key];
    if (next) { for (const r of body.rows) r.tabIndex = -1; next.tabIndex = 0; next.focus(); if (e.shiftKey) choose(Number(next.dataset.site), e); } else if (e.key === "Enter" || e.key === " ") choose(Number(row.dataset.site), e);
    else if (e.key === "Delete" && body.querySelector('tr[aria-selected="true"]')) link.send({ op: "delete" });
    else return;
    e.preventDefault();
    e.stopPropagation();
  });
  link.on("sites", (s) => {
    const focus = document.activeElement?.closest?.("tr")?.dataset?.site;
    const editing = document.activeElement?.dataset?.axis;
    const picked = new Set(s.picked ?? []);
    const one = picked.size === 1;
    keep.set(s.keep ?? "free");
    keep.node.parentElement.style.display = s.crystal === false ? "none" : "";
    body.replaceChildren(...(s.rows ?? []).map(([k, symbol, letter, x, y, z, cn, wyckoff], n) => {
      const cells = [x, y, z].map((v, axis) => {
        if (!(one && picked.has(k))) return element("td", { class: "md-number" }, v);
        const field = element("input", { type: "text", class: "md-text md-coordinate", value: v, "data-axis": String(axis), "aria-label": `${"xyz"[axis]} of ${symbol}${k}`, ...quiet });
        field.addEventListener("keydown", (e) => {
          if (e.key === "Enter") link.send({ op: "place_site", site: k, axis, value: field.value });
          if (e.key === "Escape") field.value = v;
          e.stopPropagation();
        });
        return element("td", { class: "md-number" }, field);
      });
      const row = element("tr", { "aria-selected": String(picked.has(k)), "data-site": String(k), tabindex: (focus === undefined ? n === 0 : String(k) === focus) ? "0" : "-1", onclick: (e) => { if (!e.target.matches("input")) choose(k, e); } }, element("th", { scope: "row" }, String(k)), element("td", {}, symbol), element("td", {}, String(letter)), element("td", {}, wyckoff ?? ""), ...cells, element("td", {}, String(cn)));
      return row;
    }));
    if (focus !== undefined) {
      const row = body.querySelector(`tr[data-site="${focus}"]`);
      ((editing !== undefined && row?.querySelector(`[data-axis="${editing}"]`)) || row)?.focus();
    }
    if (picked.size && focus === undefined) body.querySelector('tr[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
    const hidden = (s.total ?? 0) - (s.rows?.length ?? 0);
    more.textContent = hidden > 0 ? `and ${hidden} more: pick by words` : "";
    wrong.textContent = s.error ?? "";
  }, signal);
  link.hands.push(() => click.setAttribute("aria-pressed", String(link.hand === "add")));
  return node;
}

TABS.push({
  key: "sites", label: "Sites", title: "Atoms one by one: pick, move and add them", size: "md-mid",
  make: sitesView, look: (link, shown) => link.send({ op: "sites", shown }),
});
