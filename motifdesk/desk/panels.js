// panels.js: the desk's chrome. Each panel shows one trait of Output and sends commands through the link. All text is set as
// text, never as HTML: a CIF may be called <img onerror=...>.

const button = (label, title, onclick, attributes = {}) => element("button", { type: "button", class: "md-button", title, "aria-label": title, onclick, ...attributes }, label);

const select = (label, options, value, onchange) => {
  const node = element("select", { "aria-label": label, title: label, class: "md-select", "data-lm-suppress-shortcuts": "true", onchange: (e) => onchange(e.target.value) });
  fill(node, options, value);
  return node;
};

const fill = (node, options, value) => {
  const signature = JSON.stringify(options);
  if (node.dataset.options !== signature) {
    node.replaceChildren(...options.map(([v, text]) => element("option", { value: v }, text)));
    for (const [k, [v]] of options.entries()) node.options[k].value = v;
    node.dataset.options = signature;
  }
  if (node.value !== String(value)) node.value = String(value);
};

const segmented = (label, options, onchoose) => {
  const group = element("div", { class: "md-segmented", role: "radiogroup", "aria-label": label });
  const buttons = options.map(([value, text, title]) => {
    const b = element("button", { type: "button", role: "radio", title, "aria-label": title, onclick: () => onchoose(value) }, text);
    b.dataset.value = value;
    return b;
  });
  group.append(...buttons);
  group.addEventListener("keydown", (e) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (!step) return;
    e.preventDefault();
    e.stopPropagation();
    const now = buttons.findIndex((b) => b.getAttribute("aria-checked") === "true");
    const next = buttons[(now + step + buttons.length) % buttons.length];
    next.focus();
    onchoose(next.dataset.value);
  });
  return { node: group, set: (value) => buttons.forEach((b) => {
    b.setAttribute("aria-checked", String(b.dataset.value === value));
    b.tabIndex = b.dataset.value === value ? 0 : -1;
  }) };
};

// A slider with its number. Live while it moves; one step of the history when the pointer is released, or after a rest of the keys.
class Slider {
  constructor(link, spec, live) {
    Object.assign(this, { link, live, busy: false });
    const common = { step: spec.step, min: spec.min, max: spec.max, "data-lm-suppress-shortcuts": "true" };
    this.range = element("input", { type: "range", ...common, "aria-label": `${spec.spoken ?? spec.label} in ${spec.unit || "units"}` });
    this.number = element("input", { type: "number", ...common, "aria-label": `${spec.spoken ?? spec.label}, numeric` });
    this.name = element("span", { class: "md-name", title: spec.hint || spec.label }, spec.label);
    this.tag = element("span", { class: "md-irrep" }, spec.irrep || "");
    this.lead = element("span", { class: "md-lead" });
    this.zero = element("button", { type: "button", class: "md-zero", title: `Reset ${spec.label}`, "aria-label": `Reset ${spec.label}` }, "↺");
    this.node = element("div", { class: "md-slider" }, this.tag, this.name, this.lead, this.number, this.zero, this.range);
    this.node.dataset.key = spec.key;
    this.spec = spec;
    this.range.addEventListener("pointerdown", () => { this.pointer = true; this.busy = true; });
    this.range.addEventListener("input", () => this.moved(Number(this.range.value)));
    this.range.addEventListener("change", () => (this.pointer ? this.done() : this.later()));
    this.range.addEventListener("keydown", (e) => { if (e.key === "Escape") this.cancel(); });
    this.range.addEventListener("dblclick", () => this.exact(spec.rest));
    this.number.addEventListener("change", () => this.exact(Number(this.number.value)));
    this.zero.addEventListener("click", () => this.exact(spec.rest));
    this.set(spec.value);
  }

  // the space group this handle leads to; known a moment after the pick
  leads(tag) {
    this.lead.textContent = tag?.text ? (tag.same ? tag.text : `→ ${tag.text}`) : "";
    this.lead.title = tag?.title ?? "";
    this.lead.classList.toggle("md-same", Boolean(tag?.same));
    this.name.title = [this.spec.hint || this.spec.label, tag?.title].filter(Boolean).join("; ");
  }

  show(value) {
    this.range.value = value;
    this.range.setAttribute("aria-valuetext", `${value.toFixed(3)} ${this.spec.unit}`);
    const [low, high] = [this.spec.min, this.spec.max];
    const at = (v) => `${(100 * (Math.min(Math.max(v, low), high) - low)) / (high - low)}%`;
    const [a, b] = value < this.spec.rest ? [value, this.spec.rest] : [this.spec.rest, value];
    this.range.style.setProperty("--md-from", at(a));
    this.range.style.setProperty("--md-to", at(b));
    this.node.classList.toggle("md-moved", Math.abs(value - this.spec.rest) > 1e-9);
  }

  set(value) {
    if (this.busy) return; // the hand on the slider is right until it lets go
    this.show(value);
    if (document.activeElement !== this.number) this.number.value = value.toFixed(this.spec.digits ?? 3);
  }

  moved(value) {
    this.busy = true;
    this.show(value);
    this.number.value = value.toFixed(this.spec.digits ?? 3);
    this.link.live({ ...this.live, key: this.spec.key, value });
  }

  later() { clearTimeout(this.rest); this.rest = setTimeout(() => this.done(), 600); }

  done() {
    clearTimeout(this.rest);
    this.pointer = false;
    if (!this.busy) return;
    this.busy = false;
    this.link.send({ op: "release", what: this.live.op });
  }

  cancel() {
    clearTimeout(this.rest);
    this.busy = this.pointer = false;
    this.link.send({ op: "cancel", what: this.live.op });
  }

  exact(value) {
    if (!Number.isFinite(value)) return this.set(this.spec.value);
    this.moved(value);
    this.done();
  }
}

const PANELS = {
  header(el, link, signal) {
    const title = element("span", { class: "md-title" });
    const facts = element("span", { class: "md-facts" });
    const status = element("span", { class: "md-status", role: "status", "aria-live": "polite" });
    const undo = button("↶ Undo", "Undo", () => link.send({ op: "undo" }), { class: "md-button md-undo" });
    const redo = button("↷ Redo", "Redo", () => link.send({ op: "redo" }), { class: "md-button md-redo" });
    el.append(element("span", { class: "md-brand", "aria-hidden": "true" }, "◆"), title, facts, status, element("span", { class: "md-grow" }), undo, redo);
    link.on("header", (h) => {
      title.textContent = h.formula ?? "";
      facts.textContent = facts.title = h.facts ?? "";
      status.textContent = h.status ?? "";
      status.classList.toggle("md-busy", Boolean(h.busy));
      undo.disabled = !h.can_undo;
      redo.disabled = !h.can_redo;
      undo.title = h.can_undo ? `Undo: ${h.undo_name}` : "Nothing to undo";
      redo.title = h.can_redo ? `Redo: ${h.redo_name}` : "Nothing to redo";
      undo.setAttribute("aria-label", undo.title);
      redo.setAttribute("aria-label", redo.title);
    }, signal);
  },

  view(el, link, signal) {
    const chips = element("div", { class: "md-chips", role: "group", "aria-label": "Polyhedra shown" });
    const repeat = select("Cells drawn (a view; the structure stays one cell)", [["1,1,1", "1 cell"], ["2,1,1", "2×1×1"], ["2,2,1", "2×2×1"], ["2,2,2", "2×2×2"]], "1,1,1", (v) => link.send({ op: "repeat", repeat: v.split(",").map(Number) }));
    const fit = button("⤢", "Fit the view to the structure", () => link.pane?.fit(link.pane.fitted));
    el.append(element("h3", {}, "Structure"), chips, element("span", { class: "md-grow" }), repeat, fit, toolRow(link, signal));
    link.on("view", (v) => {
      chips.replaceChildren(...(v.kinds ?? []).map((k) => {
        const chip = element("button", { type: "button", class: "md-chip", "aria-pressed": String(k.shown), title: `${k.shown ? "Hide" : "Show"} the ${k.name} polyhedra`, onclick: () => link.send({ op: "kind", kind: k.name, shown: !k.shown }) }, formulaNode(k.name));
        chip.style.setProperty("--md-colour", k.colour);
        return chip;
      }));
      repeat.style.display = v.crystal ? "" : "none";
      repeat.value = (v.repeat ?? [1, 1, 1]).join(",");
    }, signal);
  },

  mapbar(el, link, signal) {
    const colour = select("Colour the map by", [], "", (v) => link.send({ op: "colour", by: v }));
    const composition = segmented("Composition while the probe is dragged", [["keep", "keep species", "Keep the species: the probe carries the design's own code over the map, and only the geometry follows"], ["follow", "follow map", "Let the composition follow the map"]], (v) => link.send({ op: "composition", value: v }));
    const status = element("div", { class: "md-map-status", role: "status" });
    const legend = element("div", { class: "md-legend", "aria-hidden": "true" });
    el.append(element("h3", {}, "Map"), colour, element("span", { class: "md-grow" }), composition.node, findRow(link, signal), legend, status);
    link.on("mapbar", (m) => {
      fill(colour, m.options ?? [], m.by);
      colour.style.display = m.options?.length ? "" : "none";
      composition.set(m.composition);
      status.textContent = m.status ?? "";
      el.closest(".md-pane-map")?.classList.toggle("md-no-map", !m.options?.length); // empty axes are no map
      legend.replaceChildren(...(m.legend ?? []).map(([text, tint]) => {
        const item = element("span", {}, text);
        item.style.setProperty("--md-colour", tint);
        return item;
      }));
    }, signal);
  },

  handles(el, link, signal) {
    const motif = select("Picked motif", [["", "pick a motif …"]], "", (v) => link.send({ op: "pick", kind: v === "" ? "none" : "motif", motif: v === "" ? null : Number(v) }));
    const scope = segmented("What the handles act on", [["motif", "motif", "Act on the picked motif alone"], ["orbit", "orbit", "Act on the motif and its symmetry equivalents"], ["all", "all", "Act on every motif of this kind"], ["crystal", "crystal", "Act on the whole crystal: displacement modes of the cell by wavevector, orbit and irrep"]], (v) => link.send({ op: "scope", scope: v }));
    const pattern = segmented("Pattern of the handles over the motifs", [["uniform", "uniform", "Every motif the same way"], ["alternating", "alternating", "Linked motifs opposite ways, as in an antiferro order"]], (v) => link.send({ op: "pattern", value: v }));
    const symmetry = segmented("Symmetry while a handle is moved", [["free", "free", "The symmetry is what comes of it"], ["request", "keep", "Keep exactly what the request leaves standing"], ["break", "break", "Take the cheapest response, however low its symmetry"]], (v) => link.send({ op: "symmetry", value: v }));
    const choices = element("div", { class: "md-choices" }, element("span", { class: "md-choice" }, "symmetry", symmetry.node), element("span", { class: "md-choice md-choice-pattern" }, "pattern", pattern.node));
    const larger = supercellChoice(link);
    const reset = button("Reset", "Reset all handles to zero", () => link.send({ op: "reset" }));
    const list = element("div", { class: "md-modes" });
    const empty = element("p", { class: "md-hint" }, "Click a polyhedron in the structure, or choose a motif above. Its distortion modes appear here.");
    const notes = element("div", { class: "md-notes", role: "status", "aria-live": "polite" });
    const cell = element("div", { class: "md-modes" });
    const open = new Map([["stretch", true], ["bend", true], ["rotation", false]]);
    el.append(element("div", { class: "md-bar" }, element("h3", {}, "Handles"), element("span", { class: "md-grow" }), reset), element("div", { class: "md-pickbar" }, motif, scope.node), choices, larger.node, element("div", { class: "md-scroll" }, list, empty, cell, editsGroup(link, signal)), notes);
    let sliders = new Map();
    let shape = null;
    const lead = (tags) => { for (const [key, slider] of sliders) slider.leads(tags?.[key]); };
    link.on("outlook", lead, signal);
    link.on("handles", (h) => {
      fill(motif, [["", "pick a motif …"], ...(h.motifs ?? [])], h.motif ?? "");
      scope.set(h.scope);
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
        const make = (s) => { const slider = new Slider(link, s, { op: s.op, scope: h.scope, motif: h.motif }); sliders.set(s.key, slider); return slider.node; };
        list.replaceChildren(...(h.groups ?? []).map((g) => {
          const details = element("details", { open: open.get(g.name) ?? g.open ?? true, class: "md-group" }, element("summary", {}, g.title), ...g.sliders.map(make));
          details.addEventListener("toggle", () => open.set(g.name, details.open));
          return details;
        }));
        cell.replaceChildren(...(h.cell?.length ? [element("details", { open: true, class: "md-group" }, element("summary", {}, "Cell"), ...h.cell.map(make))] : []));
      }
      for (const s of [...specs, ...(h.cell ?? [])]) { const slider = sliders.get(s.key); if (slider) { slider.spec = s; slider.set(s.value); } }
      lead(link.get("outlook"));
      empty.style.display = specs.length ? "none" : "";
      empty.textContent = h.hint || "Click a polyhedron in the structure, or choose a motif above. Its distortion modes appear here.";
      notes.replaceChildren(...(h.notes ?? []).map((n) => element("p", {}, n)));
    }, signal);
  },

  readouts(el, link, signal) {
    const body = element("dl", { class: "md-facts-list" });
    const picture = element("img", { class: "md-net-picture", alt: "Motif graph" });
    const levels = element("ol", { class: "md-net-levels", "aria-label": "Levels of the structure, from atoms to the net" });
    const net = element("div", { class: "md-net" }, picture, levels);
    const numbers = element("div", { class: "md-scroll" }, body);
    const tabs = segmented("What is read out", [["numbers", "Numbers", "Numbers about the design"], ["net", "Motif graph", "The motifs, how they share ligands, and the net they form"], ["changes", "Modes", "The design as modes and strain of a parent, and the way to another structure"], ["finds", "Known", "Known structures: nearest to the design, searched for or lassoed on the map"]], (v) => show(v));
    const finds = findsList(link, signal);
    const show = (which) => {
      tabs.set(which);
      numbers.style.display = which === "numbers" ? "" : "none";
      net.style.display = which === "net" ? "" : "none";
      changes.node.style.display = which === "changes" ? "" : "none";
      el.closest(".md-frame")?.classList.toggle("md-tall", which === "net");
      el.closest(".md-frame")?.classList.toggle("md-mid", which === "changes");
      link.send({ op: "net", shown: which === "net" });
      link.send({ op: "changes", shown: which === "changes" }); // worked out only while it is looked at
      finds.style.display = which === "finds" ? "" : "none";
      link.send({ op: "find", listed: which === "finds" });
    };
    const changes = changesView(link, signal);
    const stamp = element("span", { class: "md-stamp" });
    const verdict = element("p", { class: "md-verdict", role: "status", "aria-live": "polite" });
    el.append(element("div", { class: "md-bar" }, element("h3", {}, "Read-outs"), tabs.node, element("span", { class: "md-grow" }), stamp), verdict, numbers, net, changes.node, finds);
    tabs.set("numbers");
    net.style.display = finds.style.display = changes.node.style.display = "none";
    link.reveal = show;
    const paint = () => {
      const svg = link.get("net")?.svg?.[document.body.getAttribute("data-jp-theme-light") === "false" ? "dark" : "light"];
      // as an image, an SVG can neither run anything nor load anything
      picture.src = svg ? `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}` : "";
      picture.style.display = svg ? "" : "none";
    };
    link.on("net", (n) => {
      paint();
      picture.alt = n.title ?? "Motif graph";
      levels.replaceChildren(...(n.levels ?? []).map(([name, text, items]) => element("li", {}, element("b", {}, name), element("div", {}, text, ...(items ?? []).map((line) => element("p", {}, line))))));
    }, signal);
    const themed = new MutationObserver(paint);
    themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
    signal.addEventListener("abort", () => themed.disconnect());
    link.on("readouts", (r) => {
      stamp.textContent = stamp.title = r.stamp ?? "";
      verdict.textContent = r.verdict ?? "";
      verdict.dataset.level = r.level ?? "";
      body.replaceChildren(...(r.rows ?? []).map((row) => element("div", { class: `md-fact${row.stale ? " md-stale" : ""}`, title: `${row.label}: ${row.value}` }, element("dt", {}, row.label), element("dd", { "data-level": row.level ?? "" }, row.value))));
    }, signal);
    link.on("stale", (stale) => el.classList.toggle("md-all-stale", Boolean(stale)), signal);
  },

  history(el, link, signal) {
    const list = element("ol", { class: "md-steps-list", "aria-label": "Steps of the design; choose one to go to it" });
    el.append(element("div", { class: "md-bar" }, element("h3", {}, "History")), element("div", { class: "md-scroll" }, list));
    link.on("history", (h) => {
      list.replaceChildren(...(h.nodes ?? []).map((n) => {
        const b = element("button", { type: "button", class: "md-step", "aria-current": n.current ? "step" : null, title: `Go to: ${n.name}`, onclick: () => link.send({ op: "goto", node: n.id }) }, element("span", { class: "md-dot", "aria-hidden": "true" }), element("span", { class: "md-step-name" }, n.short ?? n.name));
        b.setAttribute("aria-label", `Go to: ${n.name}`);
        b.style.setProperty("--md-depth", n.depth);
        b.classList.toggle("md-off-path", !n.on_path);
        return element("li", {}, b);
      }));
      list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
    }, signal);
  },

  export(el, link, signal) {
    const name = element("input", { type: "text", class: "md-text", "aria-label": "File name", "data-lm-suppress-shortcuts": "true", spellcheck: "false" });
    const format = select("File format", [], "", (v) => { const f = formats.find(([k]) => k === v); if (f) name.value = name.value.replace(/\.[A-Za-z0-9]+$/, "") + f[2]; });
    const replace = element("input", { type: "checkbox", "aria-label": "Replace an existing file", "data-lm-suppress-shortcuts": "true" });
    let formats = [];
    let suggested = "";
    const go = (op) => link.send({ op, name: name.value, format: format.value, overwrite: replace.checked });
    const write = button("Export", "Write the design to this file", () => go("export"), { class: "md-button md-primary" });
    const download = button("Download", "Download the design through the browser", () => go("download"));
    const result = element("p", { class: "md-result", role: "status", "aria-live": "polite" });
    el.append(element("div", { class: "md-bar" }, element("h3", {}, "Export")), element("div", { class: "md-form" }, format, name, element("label", { class: "md-check" }, replace, "replace"), element("div", { class: "md-row" }, write, download)), result);
    link.on("export", (x) => {
      formats = x.formats ?? [];
      const known = formats.some(([v]) => v === format.value);
      fill(format, formats.map(([v, t]) => [v, t]), known ? format.value : x.format);
      // a name the designer typed stays; one that was suggested follows the structure
      if (!name.value || name.value === suggested || !known) name.value = x.name ?? "";
      suggested = x.name;
      result.textContent = x.text ?? "";
      result.dataset.level = x.level ?? "";
    }, signal);
    link.on("download", (d) => {
      if (!d?.id || d.id === link.downloaded) return;
      link.downloaded = d.id;
      const url = URL.createObjectURL(new Blob([d.data ?? d.text], { type: "application/octet-stream" }));
      element("a", { href: url, download: d.name }).click();
      setTimeout(() => URL.revokeObjectURL(url), 2000);
    }, signal);
  },

  messages(el, link, signal) {
    el.setAttribute("role", "alert");
    link.on("messages", (messages) => {
      el.replaceChildren(...(messages ?? []).map((m) => element("div", { class: "md-message", "data-level": m.level }, element("span", {}, m.text), button("×", "Dismiss this message", () => link.send({ op: "dismiss", id: m.id }), { class: "md-dismiss" }))));
    }, signal);
  },
};

// IrO6 with its 6 below the line, built from text nodes
function formulaNode(text) {
  const node = element("span");
  for (const part of text.split(/(\d+)/)) if (part) node.append(/^\d+$/.test(part) ? element("sub", {}, part) : part);
  return node;
}
