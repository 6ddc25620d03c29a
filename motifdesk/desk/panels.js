// panels.js: the desk's chrome. Each panel shows one trait of Output and sends commands through the link. All text is set as
// text, never as HTML: a CIF may be called <img onerror=...>.

const PANELS = {
  header(el, link, signal) {
    const title = element("span", { class: "md-title" });
    const facts = element("span", { class: "md-facts" });
    const status = element("span", { class: "md-status", role: "status", "aria-live": "polite" });
    const undo = button("↶ Undo", "Undo", () => link.send({ op: "undo" }), { class: "md-button md-undo" });
    const redo = button("↷ Redo", "Redo", () => link.send({ op: "redo" }), { class: "md-button md-redo" });
    el.append(element("span", { class: "md-brand", "aria-hidden": "true" }, "◆"), title, facts, status, element("span", { class: "md-grow" }), openButton(el, link, signal), undo, redo, helpButton(link), lifeBanner(el, link, signal));
    link.on("header", (h) => {
      title.replaceChildren(formulaNode(h.formula ?? ""));
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
    const repeat = pieceChoice(link, signal);
    const fit = button("⤢", "Fit the view to the structure", () => link.pane?.fit(link.pane.fitted));
    el.append(element("h3", {}, "Structure"), chips, element("span", { class: "md-grow" }), repeat.menu, fit, repeat.row, toolRow(link, signal));
    link.on("view", (v) => {
      chips.replaceChildren(...(v.kinds ?? []).map((k) => {
        const chip = element("button", { type: "button", class: "md-chip", "aria-pressed": String(k.shown), title: `${k.shown ? "Hide" : "Show"} the ${k.name} polyhedra`, onclick: () => link.send({ op: "kind", kind: k.name, shown: !k.shown }) }, formulaNode(k.name));
        chip.style.setProperty("--md-colour", k.colour);
        return chip;
      }));
    }, signal);
  },

  mapbar(el, link, signal) {
    const colour = select("Colour the map by", [], "", (v) => link.send({ op: "colour", by: v }));
    const composition = segmented("Composition while the probe is dragged", [["keep", "keep species", "Keep the species: the probe carries the design's own code over the map, and only the geometry follows"], ["follow", "follow map", "Let the composition follow the map"]], (v) => link.send({ op: "composition", value: v }));
    const status = element("div", { class: "md-map-status", role: "status" });
    const legend = element("div", { class: "md-legend", role: "group", "aria-label": "Colours of the map; choose one to show these alone" });
    el.append(element("h3", {}, "Map"), colour, element("span", { class: "md-grow" }), composition.node, findRow(link, signal), legend, status);
    link.on("mapbar", (m) => {
      fill(colour, m.options ?? [], m.by);
      colour.style.display = m.options?.length ? "" : "none";
      composition.set(m.composition);
      status.textContent = m.status ?? "";
      el.closest(".md-pane-map")?.classList.toggle("md-no-map", !m.options?.length); // empty axes are no map
      legend.replaceChildren(...(m.legend ?? []).map(([text, tint, word]) => {
        const item = word ? element("button", { type: "button", class: "md-legend-word", title: `Show “${text}” alone (${word})`, onclick: () => link.ask?.(word) }, text) : element("span", {}, text);
        item.style.setProperty("--md-colour", tint);
        return item;
      }));
    }, signal);
  },

  handles: handlesPanel,
  readouts: readoutsPanel,

  history: historyPanel,
  compare: comparePanel,

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
      const stem = (text) => (text ?? "").replace(/\.[A-Za-z0-9]+$/, ""); // another format is no name of one's own
      if (!name.value || stem(name.value) === stem(suggested) || !known) name.value = stem(x.name) + (formats.find(([k]) => k === format.value)?.[2] ?? "");
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
