// edits.js: edits by name: other species on chosen sites, and the snap to a symmetry that is nearly there.

function editsGroup(link, signal) {
  const which = select("Sites that get another species", [], "", () => {});
  const species = element("input", { type: "text", class: "md-text md-element", maxlength: "3", placeholder: "element", "aria-label": "New element, such as Rh", "data-lm-suppress-shortcuts": "true", spellcheck: "false", autocomplete: "off" });
  const put = () => { if (species.value.trim()) link.send({ op: "edit", what: "substitute", which: which.value, element: species.value }); };
  const substitute = button("Substitute", "Put this element on these sites", put);
  species.addEventListener("keydown", (e) => { if (e.key === "Enter") put(); });
  const tolerance = select("Symmetry to snap to", [], "", () => {});
  const other = element("input", { type: "number", class: "md-text md-count", min: 0.001, max: 1, step: 0.01, placeholder: "Å", "aria-label": "Another tolerance to snap within, in Å", title: "Another tolerance in Å, up to 1: what is found within it is restored", "data-lm-suppress-shortcuts": "true" });
  const restore = () => link.send({ op: "edit", what: "snap", tolerance: Number(other.value || tolerance.value) });
  const snap = button("Snap", "Move atoms and cell onto this symmetry", restore);
  other.addEventListener("keydown", (e) => { if (e.key === "Enter" && other.value) restore(); else if (e.key === "Escape") { other.value = ""; ready(); } });
  other.addEventListener("input", () => ready());
  const ready = () => {
    tolerance.disabled = Boolean(other.value);
    snap.disabled = !other.value && !(link.get("edits")?.groups ?? []).some(([t, , adds]) => adds && String(t) === tolerance.value);
    snap.title = other.value ? `Restore what is found within ${other.value} Å` : snap.disabled ? "No symmetry beyond the present one is near" : "Move atoms and cell onto this symmetry";
  };
  tolerance.addEventListener("change", () => ready());
  const wrong = element("p", { class: "md-wrong md-wrap", role: "status", "aria-live": "polite" });
  const symmetry = element("div", { class: "md-edit" }, element("span", {}, "symmetry"), tolerance, other, snap);
  const node = element("details", { class: "md-group md-edits", open: false }, element("summary", {}, "Species and symmetry"), element("div", { class: "md-edit" }, element("span", {}, "species"), which, species, substitute), symmetry, wrong);
  let offered = "";
  link.on("edits", (e) => {
    const picks = (e.choices ?? []).filter(([v]) => !v.startsWith("all:")).join();
    const kept = (e.choices ?? []).some(([v]) => v === which.value);
    // who picks means the picked: they are chosen at once; after that the list stays as it was left
    fill(which, e.choices ?? [], (kept && (!picks || picks === offered) ? which.value : e.choices?.[0]?.[0]) ?? "");
    offered = picks;
    const groups = e.groups ?? [];
    // the narrowest tolerance that restores something is offered first
    fill(tolerance, groups.map(([t, words]) => [String(t), words]), String((groups.find((g) => g[2]) ?? groups[0] ?? [""])[0]));
    symmetry.style.display = groups.length ? "" : "none";
    if (!e.error) other.value = "";
    ready();
    wrong.textContent = e.error ?? "";
  }, signal);
  return node;
}
