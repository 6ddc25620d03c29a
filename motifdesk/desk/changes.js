// changes.js: the design beside another structure. Its modes and strain from that parent, the slider that leads to it, images of the
// way; and the choice of a supercell for the handles of the whole crystal.

function supercellChoice(link) {
  const which = select("Supercell to make", [], "", () => {});
  const make = button("Make", "Make this supercell of the design: its wavevectors become handles", () => {
    const found = options[Number(which.value)];
    if (found) link.send({ op: "supercell", matrix: found[1] });
  });
  let options = [];
  const node = element("div", { class: "md-larger", role: "group", "aria-label": "Wavevectors: make a supercell" }, element("span", {}, "supercell"), which, make);
  return { node, set: (cells) => {
    options = cells;
    const now = which.dataset.options;
    fill(which, cells.map(([words], k) => [String(k), words]), which.value || "0");
    if (now !== which.dataset.options) which.selectedIndex = 0;
    node.style.display = cells.length ? "" : "none";
  } };
}

function changesView(link, signal) {
  const against = select("Structure to compare the design with", [["start", "the start"]], "start", (v) => {
    file.style.display = v === "other" ? "" : "none";
    chosen = "";
    if (v === "other") file.focus();
    else link.send({ op: "against", which: v });
  });
  const file = element("input", { type: "text", class: "md-text", placeholder: "path of a structure file, then Enter", "aria-label": "Path of a structure file to compare with", "data-lm-suppress-shortcuts": "true", spellcheck: "false" });
  file.style.display = "none";
  const choose = () => {
    const name = file.value.trim();
    if (name && name !== chosen) link.send({ op: "against", which: name });
    chosen = name;
  };
  let chosen = "";
  file.addEventListener("change", choose);
  file.addEventListener("keydown", (e) => { if (e.key === "Enter") choose(); });
  const head = element("b", { class: "md-change-head" });
  const total = element("span", { class: "md-change-total" });
  const why = element("p", { class: "md-hint", role: "status", "aria-live": "polite" });
  const body = element("tbody");
  const heading = (text, title, kind = null) => element("th", { scope: "col", title, class: kind }, text);
  const table = element("table", { class: "md-change-table", "aria-label": "Modes of the parent in the design" },
    element("thead", {}, element("tr", {}, heading("mode", "irrep of the parent's space group at its wavevector; bold: those that make the symmetry"), heading("sites", "orbit of sites, in the parent's Wyckoff letters"), heading("k", "wavevector in the parent's primitive cell"), heading("Ap, Å", "amplitude per primitive cell of the parent", "md-number"), heading("alone leads to", "the space group that this order parameter alone leads to"))), body);
  const strained = element("div", { class: "md-change-title" }, "strain");
  const strain = element("dl", { class: "md-change-strain", "aria-label": "Strain from the parent to the design" });
  const slider = new Slider(link, { key: "morph", label: "Morph towards it", spoken: "Morph: share of the way to the other structure", hint: "0: the design; 1: the other structure", value: 0, min: 0, max: 1, step: 0.01, rest: 0, unit: "", digits: 2 }, { op: "morph" });
  const folder = element("input", { type: "text", class: "md-text", value: "images", "aria-label": "Folder for the images", "data-lm-suppress-shortcuts": "true", spellcheck: "false" });
  const count = element("input", { type: "number", class: "md-text md-count", value: 11, min: 2, max: 101, step: 1, "aria-label": "Number of images", "data-lm-suppress-shortcuts": "true" });
  const format = select("Format of the images", [["cif", "CIF"], ["poscar", "POSCAR"], ["extxyz", "extXYZ"]], "cif", () => {});
  const write = button("Write images", "Write the way from the design to the other structure as numbered files", () => link.send({ op: "images", folder: folder.value, count: Number(count.value), format: format.value }));
  const note = element("p", { class: "md-hint" });
  const result = element("p", { class: "md-result", role: "status", "aria-live": "polite" });
  const morph = element("div", { class: "md-morph", role: "group", "aria-label": "Morph to the other structure" }, slider.node, note, element("div", { class: "md-row" }, element("span", { class: "md-choice" }, "images"), count, format, "in", folder), element("div", { class: "md-row" }, write), result);
  const left = element("div", { class: "md-change-modes" }, element("div", { class: "md-change-top" }, head, total), table, why);
  const node = element("div", { class: "md-changes" }, element("div", { class: "md-change-bar" }, element("span", {}, "against"), against, file), element("div", { class: "md-change-body" }, left, element("div", { class: "md-change-side" }, strained, strain, morph)));
  link.on("changes", (c) => {
    fill(against, [...(c.choices ?? [["start", "the start"]]), ["other", "a file …"]], c.against ?? "start");
    if (c.against !== undefined) file.style.display = "none";
    node.classList.toggle("md-change-stale", Boolean(c.stale));
    node.setAttribute("aria-busy", String(Boolean(c.stale)));
    head.textContent = c.head ?? "";
    head.title = c.head_title ?? "";
    total.textContent = c.total ?? "";
    total.title = "Total displacement per primitive cell of the parent";
    why.textContent = [c.why, c.rest ? `and ${c.rest} smaller ones` : ""].filter(Boolean).join(" ");
    table.style.display = c.rows?.length ? "" : "none";
    body.replaceChildren(...(c.rows ?? []).map((r) => element("tr", { class: r.primary ? "md-primary-mode" : null }, element("th", { scope: "row", title: r.primary ? "makes the symmetry of the design" : "comes along because the symmetry allows it" }, r.irrep), element("td", {}, r.orbit), element("td", {}, r.k), element("td", { class: "md-number", title: `As ${r.As} Å` }, r.Ap), element("td", {}, r.group))));
    strain.style.display = strained.style.display = c.strain?.length ? "" : "none";
    strain.replaceChildren(...(c.strain ?? []).map(([label, value]) => element("div", { class: "md-fact" }, element("dt", { title: label }, label), element("dd", {}, value))));
    for (const control of [slider.range, slider.number, write]) control.disabled = !c.morph;
    slider.set(0); // a step taken is the new design
    note.textContent = c.why_not ?? "";
    result.textContent = c.text ?? "";
    result.dataset.level = c.level ?? "";
  }, signal);
  return node;
}

TABS.push({
  key: "changes", label: "Modes", title: "The design as modes and strain of a parent, and the way to another structure", size: "md-mid",
  make: changesView, look: (link, shown) => link.send({ op: "changes", shown }), // worked out only while it is looked at
});
