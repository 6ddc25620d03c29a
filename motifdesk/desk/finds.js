// finds.js: searching and lassoing the map, the card of the point under the pointer, and the list of what was found.

const HOVER_MS = 90;

const pictureOf = (svgText, alt) => element("img", { class: "md-sketch", alt, src: svgText ? `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgText)}` : "" });

// over the map, in the corner away from the pointer
class MapCard {
  constructor(map) {
    this.map = map;
    this.link = map.link;
    const { signal } = map.controller;
    this.node = element("div", { class: "md-card", role: "status", "aria-live": "off" });
    this.node.style.display = "none";
    map.view.el.parentElement.append(this.node);
    // plotly's widget reports every hover, click and selection to its Python half (a lasso of 50,000 points: megabytes): nobody listens
    for (const event of ["plotly_hover", "plotly_unhover", "plotly_selected", "plotly_deselect", "plotly_click", "plotly_doubleclick"]) map.gd.removeAllListeners?.(event);
    map.gd.on("plotly_hover", (e) => this.over(e));
    map.gd.on("plotly_unhover", () => this.away());
    map.gd.on("plotly_click", (e) => { const p = e?.points?.[0]; if (p && !pickPathEnd(this.link, p)) { this.asked = this.key(p); this.link.send({ op: "find", hover: p.pointIndex ?? p.pointNumber, curve: p.curveNumber }); } });
    map.gd.addEventListener("dblclick", () => this.open(), { signal });
    this.link.on("card", (card) => this.show(card), signal);
  }

  over(event) {
    const point = event?.points?.[0];
    if (!point || this.map.dragging) return;
    const index = point.pointIndex ?? point.pointNumber;
    this.under = { index, curve: point.curveNumber };
    clearTimeout(this.leaving);
    clearTimeout(this.asking);
    this.asking = setTimeout(() => { this.asked = this.key(point); this.link.send({ op: "find", hover: index, curve: point.curveNumber }); }, HOVER_MS);
    const box = this.map.gd.getBoundingClientRect();
    this.node.classList.toggle("md-card-left", (event.event?.clientX ?? box.left) - box.left > box.width / 2);
  }

  key(point) { return `${point.curveNumber}:${point.pointIndex ?? point.pointNumber}`; }

  // a double click opens the point of a layer; one of the atlas is opened from the list, so that a double click may fit the map
  open() {
    if (this.under?.curve) this.link.send({ op: "find", open: this.under.index, curve: this.under.curve });
  }

  away() {
    this.under = null;
    clearTimeout(this.asking);
    this.leaving = setTimeout(() => { this.node.style.display = "none"; this.asked = null; }, 250);
  }

  show(card) {
    if (!card?.formula || `${card.curve ?? 0}:${card.index}` !== this.asked) { this.node.style.display = "none"; return; }
    const line = (text, kind) => (text ? element("p", { class: kind ?? "" }, text) : null);
    this.node.replaceChildren(...[pictureOf(card.picture, `Drawing of ${card.formula}`), element("div", {}, ...[element("b", {}, formulaNode(card.formula)), line([card.group, card.atoms ? `${card.atoms} atoms` : ""].filter(Boolean).join(" · ")), ...(card.facts ?? []).map((f) => line(f)), line(card.id, "md-dim")].filter(Boolean))]);
    this.node.style.display = "";
  }

  dispose() { this.node.remove(); clearTimeout(this.asking); clearTimeout(this.leaving); }
}

// the search field and the lasso, in the map's bar
function findRow(link, signal) {
  const field = element("input", { type: "search", class: "md-text md-search", placeholder: "find: Ti O -F gap>1 …", "aria-label": "Find known structures on the map: elements, formulas, systems such as Ti-O, sg=62, gap>1", title: 'Find: elements (Ti O), without (-F), system (Ti-O), formula (TiO2), sg=62, gap>1, hull<0.05, natoms<=10, motif=octahedron, anion=O, source (qm9), id', "data-lm-suppress-shortcuts": "true", spellcheck: "false" });
  const lasso = element("button", { type: "button", class: "md-button md-toggle", "aria-pressed": "false", title: "Lasso: draw around points of the map to list them", onclick: () => link.send({ op: "lasso", on: !link.get("mapbar")?.lasso }) }, "Lasso");
  const wrong = element("span", { class: "md-wrong", role: "status", "aria-live": "polite" });
  const go = () => { link.send({ op: "find", query: field.value }); link.reveal?.("finds"); };
  // choosing a colour of the legend searches for its word; choosing it again shows all
  link.ask = (word) => { field.value = field.value.trim() === word ? "" : word; go(); };
  field.addEventListener("keydown", (e) => { if (e.key === "Enter") go(); if (e.key === "Escape") { field.value = ""; link.send({ op: "find", query: "" }); } });
  field.addEventListener("search", () => { if (!field.value) link.send({ op: "find", query: "" }); });
  const row = element("div", { class: "md-find" }, field, lasso, wrong);
  link.on("mapbar", (m) => { row.style.display = m.options?.length ? "" : "none"; lasso.setAttribute("aria-pressed", String(Boolean(m.lasso))); }, signal);
  link.on("finds", (f) => { wrong.textContent = f.error ?? ""; wrong.title = f.error ?? ""; }, signal);
  return row;
}

// the list, a tab of the read-outs
function findsList(link, signal) {
  const title = element("p", { class: "md-finds-title", role: "status", "aria-live": "polite" });
  const rows = element("ol", { class: "md-finds-rows", "aria-label": "Known structures; open one to design from it" });
  const node = element("div", { class: "md-finds" }, title, rows);
  link.on("finds", (f) => {
    title.textContent = [f.title, f.more ? `${f.more} more not listed` : ""].filter(Boolean).join("; ");
    rows.replaceChildren(...(f.rows ?? []).map((r) => {
      const name = `${r.formula} ${r.group}`.trim();
      const open = button("Open", `Open ${name} (${r.id}) on the desk; undo brings the design back`, () => link.send({ op: "find", open: r.index }));
      const id = r.link ? element("a", { href: r.link, target: "_blank", rel: "noopener noreferrer", title: `${r.id} at the Materials Project (opens the network)` }, r.id) : element("span", {}, r.id);
      const far = r.distance === null || r.distance === undefined ? "" : ` · ${r.distance.toFixed(1)} away`;
      const end = button("→ B", `Make ${name} (${r.id}) the end B of the path from the design`, () => { link.send({ op: "path", end: "b", which: `known:${r.index}` }); link.reveal?.("path"); });
      return element("li", { class: "md-find-row" }, pictureOf(r.picture, ""), element("div", {}, element("b", {}, formulaNode(r.formula)), element("span", { class: "md-dim" }, ` ${r.group}`), element("p", { class: "md-dim" }, id, ` · ${r.atoms} atoms${far}`)), end, open);
    }));
  }, signal);
  return node;
}

TABS.push({
  key: "finds", label: "Known", title: "Known structures: nearest to the design, searched for or lassoed on the map",
  make: findsList, look: (link, shown) => link.send({ op: "find", listed: shown }),
});
