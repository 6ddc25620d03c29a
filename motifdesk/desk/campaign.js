// campaign.js: a campaign's candidates as a table in the read-outs: sorted, searched, starred, opened by a click or Enter. The points
// on the map are a layer that Python draws; a lasso there becomes this table.

const CANDIDATE_HEADS = [["starred", "★", "Starred first"], ["", "", ""], ["formula", "Formula", ""], ["status", "Status", ""], ["energy_per_atom", "eV/atom", "Energy per atom"], ["above_hull", "Above hull", "eV/atom above the hull of the competing phases"], ["natoms", "Atoms", "Atoms of the cell"], ["generator", "From", "Generator"], ["", "What was said", ""]];

class CandidatesTab {
  constructor(link, signal) {
    this.link = link;
    this.lit = 0;
    const say = (what, more = {}) => link.send({ op: "campaign", what, ...more });
    this.say = say;
    const text = (attributes) => element("input", { type: "text", class: "md-text", "data-lm-suppress-shortcuts": "true", spellcheck: "false", ...attributes });
    // without a campaign: one line that opens a store
    this.path = text({ placeholder: "campaign.sqlite", "aria-label": "Store of a campaign to show, a .sqlite file" });
    const show = () => { if (this.path.value.trim()) say("show", { path: this.path.value.trim() }); };
    this.path.addEventListener("keydown", (e) => { if (e.key === "Enter") show(); });
    this.closedError = element("p", { class: "md-wrong", role: "status", "aria-live": "polite" });
    this.empty = element("div", { class: "md-camp-empty" }, element("p", {}, "What a campaign proposed (", element("code", {}, "motifdesk screen plan.toml"), ") stands here and on the map: sort it, star it, open it."), element("div", { class: "md-row" }, this.path, button("Show", "Show the candidates of this store", show)), this.closedError);
    // with one
    this.query = element("input", { type: "search", class: "md-text md-camp-query", placeholder: "Ir O -F passed hull<0.1 …", "aria-label": "Search the candidates", title: "Elements (Ir), without (-F), Na-Ir-O, Na2IrO3, passed, rejected, error, unique, new, starred, gen=name, hull<0.1, energy<-5, atoms<=12, sg=62", "data-lm-suppress-shortcuts": "true", spellcheck: "false" });
    const go = () => say("search", { query: this.query.value });
    this.query.addEventListener("keydown", (e) => { if (e.key === "Enter") go(); else if (e.key === "Escape") { this.query.value = ""; go(); } });
    this.query.addEventListener("search", () => { if (!this.query.value) go(); });
    this.by = select("Colour the candidates on the map by", [], "", (by) => say("colour", { by }));
    this.legend = element("span", { class: "md-camp-legend", "aria-label": "Colours of the candidates on the map" });
    this.folder = text({ class: "md-text md-camp-folder", value: "shortlist", "aria-label": "Folder for the starred candidates", title: "A new folder: CIFs, table.csv, recipes.json, optimade.json, flows.json" });
    this.export = button("Export ★", "Write the starred candidates to this folder", () => say("export", { folder: this.folder.value.trim() || "shortlist" }));
    this.note = element("span", { class: "md-camp-note", role: "status", "aria-live": "polite" });
    this.count = element("span", { class: "md-camp-count" });
    this.back = button("‹", "Page before (Page Up)", () => this.turn(-1));
    this.next = button("›", "Next page (Page Down)", () => this.turn(1));
    this.pages = element("span", { class: "md-dim" });
    this.body = element("tbody");
    this.heads = CANDIDATE_HEADS.map(([key, label, title]) => {
      const b = key ? element("button", { type: "button", title: title || `Sort by ${label.toLowerCase()}`, "aria-label": `Sort by ${title || label}`, onclick: () => this.sort(key) }, label) : label;
      const th = element("th", { scope: "col", class: /eV|hull|Atoms/.test(label) ? "md-n" : "" }, b);
      th.dataset.key = key;
      return th;
    });
    this.table = element("table", { class: "md-camp-table", role: "grid", "aria-label": "Candidates: arrows move, Enter opens on the desk, S stars" }, element("thead", {}, element("tr", {}, ...this.heads)), this.body);
    this.table.addEventListener("keydown", (e) => this.key(e));
    const pager = element("span", { class: "md-camp-pager" }, this.back, this.pages, this.next);
    this.full = element("div", { class: "md-camp-full" },
      element("div", { class: "md-camp-bar" }, this.query, element("label", { class: "md-camp-label" }, "colour ", this.by), this.legend, element("span", { class: "md-grow" }), button("↻", "Read the store again", () => say("refresh")), button("×", "Take the campaign off the desk", () => say("hide"))),
      element("div", { class: "md-camp-bar" }, this.count, this.note, element("span", { class: "md-grow" }), element("span", { class: "md-camp-pager" }, this.folder, this.export), pager),
      element("div", { class: "md-camp-scroll" }, this.table));
    this.node = element("div", { class: "md-camp" }, this.empty, this.full);
    link.on("candidates", (c) => this.show(c ?? {}), signal);
  }

  sort(by) {
    const c = this.link.get("candidates");
    this.say("sort", { by, descending: c.sort === by ? !c.descending : false });
  }

  turn(step) {
    this.lit = step > 0 ? 0 : this.rows.length - 1;
    this.say("page", { page: this.link.get("candidates").page + step });
  }

  get rows() { return this.link.get("candidates")?.rows ?? []; }

  show(c) {
    this.empty.style.display = c.open ? "none" : "";
    this.full.style.display = c.open ? "" : "none";
    this.closedError.textContent = c.open ? "" : c.error ?? "";
    if (!c.open) return;
    if (document.activeElement !== this.query) this.query.value = c.query;
    fill(this.by, c.options, c.by);
    this.legend.replaceChildren(...this.chips(c.legend ?? []));
    this.count.textContent = `${c.name}: ${c.text}`;
    this.count.title = `${c.name}: ${c.text} (${c.file})`;
    this.note.textContent = c.error || c.said || "";
    this.note.title = this.note.textContent;
    this.note.classList.toggle("md-wrong", Boolean(c.error));
    this.export.textContent = c.starred ? `Export ${c.starred} ★` : "Export ★";
    this.export.disabled = !c.starred;
    this.pages.textContent = c.pages > 1 ? `${c.page + 1} / ${c.pages.toLocaleString("en")}` : "";
    this.back.disabled = c.page === 0;
    this.next.disabled = c.page + 1 >= c.pages;
    this.back.parentElement.style.display = c.pages > 1 ? "" : "none";
    for (const th of this.heads) {
      if (th.dataset.key !== c.sort) th.removeAttribute("aria-sort");
      else th.setAttribute("aria-sort", c.descending ? "descending" : "ascending");
    }
    const held = this.body.contains(document.activeElement);
    this.lit = Math.min(this.lit, Math.max(0, c.rows.length - 1));
    this.body.replaceChildren(...c.rows.map((r, k) => this.line(r, k)));
    if (!c.rows.length) this.body.append(element("tr", {}, element("td", { colspan: "9", class: "md-dim" }, "No candidate answers to this.")));
    if (held) this.body.children[this.lit]?.focus({ preventScroll: true });
  }

  chips(legend) {
    if (legend.length === 2 && legend[0][1] === "low") return [element("span", {}, legend[0][0]), element("i", { class: "md-camp-scale" }), element("span", {}, legend[1][0])];
    return legend.map(([name, colour]) => {
      const dot = element("i", { class: "md-camp-dot" });
      dot.style.background = colour;
      return element("span", { class: "md-camp-chip" }, dot, name);
    });
  }

  line(r, k) {
    const cell = (text, kind) => element("td", { class: kind ?? "" }, text);
    const star = element("button", { type: "button", class: "md-camp-star", "aria-pressed": String(r.star), "aria-label": `${r.star ? "Unstar" : "Star"} ${r.id}`, title: r.star ? "On the shortlist; click to take it off (S)" : "Put on the shortlist (S)", tabindex: "-1", onclick: (e) => { e.stopPropagation(); this.star(r); } }, r.star ? "★" : "☆");
    const state = element("span", { class: `md-camp-status md-camp-${r.status}` }, r.status);
    const name = element("td", {}, element("b", {}, formulaNode(r.formula || "no structure")), element("div", { class: "md-dim" }, [r.group, r.new ? "new" : ""].filter(Boolean).join(" · ")));
    const row = element("tr", { tabindex: k === this.lit ? "0" : "-1", role: "row", "data-lm-suppress-shortcuts": "true", title: r.formula ? `Open ${r.id} on the desk (undo brings the design back)` : r.id, "aria-label": `${r.formula || "no structure"}, ${r.status}${r.above ? `, ${r.above} eV per atom above the hull` : ""}${r.star ? ", starred" : ""}`, onclick: () => { this.lit = k; row.focus({ preventScroll: true }); if (r.formula) this.say("open", { row: r.row }); } },
      element("td", {}, star), element("td", { class: "md-camp-picture" }, r.picture ? pictureOf(r.picture, "") : ""), name, element("td", {}, state), cell(r.energy, "md-n"), cell(r.above, "md-n"), cell(r.atoms || "", "md-n"), element("td", { class: "md-dim", title: r.id }, r.generator), element("td", { title: r.reason }, element("div", { class: "md-camp-reason" }, r.reason)));
    return row;
  }

  star(r) { this.say("star", { row: r.row, on: !r.star }); }

  key(e) {
    if (!this.body.contains(e.target)) return;
    const r = this.rows[this.lit];
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (step) {
      const next = this.lit + step;
      if (next < 0 || next >= this.rows.length) { if (!(step > 0 ? this.next : this.back).disabled) this.turn(step); } else this.focus(next);
    } else if (e.key === "PageDown" && !this.next.disabled) this.turn(1);
    else if (e.key === "PageUp" && !this.back.disabled) this.turn(-1);
    else if (e.key === "Home") this.focus(0);
    else if (e.key === "End") this.focus(this.rows.length - 1);
    else if (e.key === "Enter" && r?.formula && e.target.tagName === "TR") this.say("open", { row: r.row });
    else if ((e.key === "s" || e.key === "S") && r && !e.ctrlKey && !e.metaKey) this.star(r);
    else return;
    e.preventDefault();
    e.stopPropagation();
  }

  focus(k) {
    this.body.children[this.lit]?.setAttribute("tabindex", "-1");
    this.lit = k;
    this.body.children[k]?.setAttribute("tabindex", "0");
    this.body.children[k]?.focus();
  }
}

TABS.push({
  key: "candidates", label: "Candidates", title: "What a campaign proposed: on the map and in a table", size: "md-tall",
  make: (link, signal) => new CandidatesTab(link, signal).node,
});
