// handles.js: the panel of the picked motif, its scope and the sliders of its modes and of the cell.

const PICK_FIRST = "Click a polyhedron in the structure, or choose a motif above. Its distortion modes appear here.";

function handlesPanel(el, link, signal) {
  const motif = select("Picked motif", [["", "pick a motif …"]], "", (v) => link.send({ op: "pick", kind: v === "" ? "none" : "motif", motif: v === "" ? null : Number(v) }));
  const scope = segmented("What the handles act on", [["motif", "motif", "Act on the picked motif alone"], ["orbit", "orbit", "Act on the motif and its symmetry equivalents"], ["all", "all", "Act on every motif of this kind"], ["crystal", "crystal", "Act on the whole crystal: displacement modes of the cell by wavevector, orbit and irrep"]], (v) => link.send({ op: "scope", scope: v }));
  const pattern = segmented("Pattern of the handles over the motifs", [["uniform", "uniform", "Every motif the same way"], ["alternating", "alternating", "Linked motifs opposite ways, as in an antiferro order"]], (v) => link.send({ op: "pattern", value: v }));
  const symmetry = segmented("Symmetry while a handle is moved", [["free", "free", "The symmetry is what comes of it"], ["request", "keep", "Keep exactly what the request leaves standing"], ["break", "break", "Take the cheapest response, however low its symmetry"]], (v) => link.send({ op: "symmetry", value: v }));
  const choices = element("div", { class: "md-choices" }, element("span", { class: "md-choice" }, "symmetry", symmetry.node), element("span", { class: "md-choice md-choice-pattern" }, "pattern", pattern.node));
  const larger = supercellChoice(link);
  const reset = button("Reset", "Reset all handles to zero", () => link.send({ op: "reset" }));
  const list = element("div", { class: "md-modes" });
  const empty = element("p", { class: "md-hint" }, PICK_FIRST);
  const notes = element("div", { class: "md-notes", role: "status", "aria-live": "polite" });
  const cell = element("div", { class: "md-modes" });
  const open = new Map([["stretch", true], ["bend", true], ["rotation", false]]);
  el.append(element("div", { class: "md-bar" }, element("h3", {}, "Handles"), element("span", { class: "md-grow" }), reset), element("div", { class: "md-pickbar" }, motif, scope.node), choices, larger.node, element("div", { class: "md-scroll" }, list, empty, cell, editsGroup(link, signal)), notes);
  let sliders = new Map();
  let shape = null;
  const lead = (tags) => { for (const [key, slider] of sliders) slider.leads(tags?.[key]); };
  link.on("outlook", lead, signal);
  link.on("messages", () => { for (const slider of sliders.values()) slider.settle(); }, signal);
  link.on("handles", (h) => {
    fill(motif, [["", "pick a motif …"], ...(h.motifs ?? [])], h.motif ?? "");
    scope.set(h.scope);
    const whole = scope.node.querySelector('[data-value="crystal"]');
    whole.textContent = h.crystal === false ? "molecule" : "crystal";
    whole.title = h.crystal === false ? "Act on the whole molecule: its symmetry coordinates, by frame, stretches and bends" : "Act on the whole crystal: displacement modes of the cell by wavevector, orbit and irrep";
    const none = h.crystal === false ? "Choose a motif above, or click one of its atoms: its distortion modes appear here. Those of the whole molecule are under \u201cmolecule\u201d." : PICK_FIRST;
    pattern.set(h.pattern);
    symmetry.set(h.symmetry);
    choices.style.display = h.choices && h.groups?.length ? "" : "none";
    larger.set(h.supercells ?? []);
    motif.disabled = h.scope === "crystal"; // the handles are not a motif's
    pattern.node.parentElement.style.display = h.patterns ? "" : "none";
    reset.disabled = !h.moved;
    const specs = (h.groups ?? []).flatMap((g) => g.sliders);
    const now = JSON.stringify([h.groups?.map((g) => [g.name, g.sliders.map((s) => [s.key, s.label, s.min, s.max])]), h.cell?.map((s) => [s.key])]);
    if (now !== shape) {
      shape = now;
      sliders = new Map();
      const make = (s) => { const slider = new Slider(link, s, { op: s.op, scope: h.scope, motif: h.motif }); sliders.set(s.key, slider); slider.tiedTo = () => [...sliders.values()].filter((o) => o !== slider && slider.spec.tied && o.spec.tied === slider.spec.tied && !o.spec.locked); return slider.node; };
      list.replaceChildren(...(h.groups ?? []).map((g) => {
        const details = element("details", { open: open.get(g.name) ?? g.open ?? true, class: "md-group" }, element("summary", {}, g.title), ...g.sliders.map(make));
        details.addEventListener("toggle", () => open.set(g.name, details.open));
        return details;
      }));
      cell.replaceChildren(...(h.cell?.length ? [element("details", { open: true, class: "md-group" }, element("summary", {}, "Cell"), ...h.cell.map(make))] : []));
    }
    for (const s of [...specs, ...(h.cell ?? [])]) { const slider = sliders.get(s.key); if (slider) { slider.spec = s; slider.set(s.value); slider.tie(s); } }
    lead(link.get("outlook"));
    empty.style.display = specs.length ? "none" : "";
    empty.textContent = h.hint || none;
    notes.replaceChildren(...(h.notes ?? []).map((n) => element("p", {}, n)));
  }, signal);
}
