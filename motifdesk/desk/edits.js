// edits.js: edits by name: other species on chosen sites, and the snap to a symmetry that is nearly there.

function editsGroup(link, signal) {
  const which = select("Sites that get another species", [], "", () => {});
  const species = element("input", { type: "text", class: "md-text md-element", maxlength: "3", placeholder: "element", "aria-label": "New element, such as Rh", "data-lm-suppress-shortcuts": "true", spellcheck: "false", autocomplete: "off" });
  const put = () => { if (species.value.trim()) link.send({ op: "edit", what: "substitute", which: which.value, element: species.value }); };
  const substitute = button("Substitute", "Put this element on these sites", put);
  species.addEventListener("keydown", (e) => { if (e.key === "Enter") put(); });
  const tolerance = select("Symmetry to snap to", [], "", () => {});
  const snap = button("Snap", "Move atoms and cell onto this symmetry", () => link.send({ op: "edit", what: "snap", tolerance: Number(tolerance.value) }));
  const wrong = element("p", { class: "md-wrong md-wrap", role: "status", "aria-live": "polite" });
  const symmetry = element("div", { class: "md-edit" }, element("span", {}, "symmetry"), tolerance, snap);
  const node = element("details", { class: "md-group md-edits", open: false }, element("summary", {}, "Species and symmetry"), element("div", { class: "md-edit" }, element("span", {}, "species"), which, species, substitute), symmetry, wrong);
  link.on("edits", (e) => {
    const kept = which.value;
    const picked = (e.choices ?? []).some(([v]) => v === kept && !["atoms", "motif", "orbit"].includes(v)) ? kept : e.choices?.[0]?.[0];
    fill(which, e.choices ?? [], picked ?? "");
    const groups = e.groups ?? [];
    // the narrowest tolerance that restores something is offered first
    fill(tolerance, groups.map(([t, words]) => [String(t), words]), String((groups.find((g) => g[2]) ?? groups[0] ?? [""])[0]));
    symmetry.style.display = groups.length ? "" : "none";
    snap.disabled = !groups.some((g) => g[2]);
    snap.title = snap.disabled ? "No symmetry beyond the present one is near" : "Move atoms and cell onto this symmetry";
    wrong.textContent = e.error ?? "";
  }, signal);
  return node;
}
