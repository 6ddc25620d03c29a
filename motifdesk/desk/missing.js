// missing.js: proposals for a missing atom: translucent spheres on the stage and a list beside them. A sphere's colour is the element,
// its opacity and size the confidence. Everything shown belongs to the design as it is: Python takes it away when that changes.

class Ghosts {
  constructor(pane) {
    Object.assign(this, { pane, link: pane.link, layers: [], lit: 0 });
    this.list = element("ul", { class: "md-missing-list", role: "listbox", "aria-label": "Proposals for the missing atom", tabindex: "0", "data-lm-suppress-shortcuts": "true" });
    this.note = element("p", { class: "md-missing-note", role: "status", "aria-live": "polite" });
    this.close = button("×", "Dismiss the proposals (Escape)", () => this.dismiss(), { class: "md-dismiss" });
    this.board = element("section", { class: "md-missing", "aria-label": "What is missing here?" }, element("header", {}, element("b", {}, "Missing here?"), this.close), this.note, this.list, element("p", { class: "md-missing-hint" }, "Enter accepts · Esc dismisses"));
    this.board.addEventListener("keydown", (e) => this.key(e));
    for (const name of ["pointerdown", "mousedown", "wheel"]) this.board.addEventListener(name, (e) => e.stopPropagation());
    pane.view.el.append(this.board);
    this.link.on("missing", (m) => this.show(m), pane.signal);
  }

  get proposals() { return this.link.get("missing")?.proposals ?? []; }

  show(m) {
    const open = m?.state === "asking" || m?.state === "shown";
    this.board.style.display = open ? "" : "none";
    this.note.textContent = m?.text ?? "";
    this.lit = 0;
    this.list.replaceChildren(...(m?.proposals ?? []).map((p, k) => {
      const row = element("li", { role: "option", id: `md-missing-${m.id}-${k}`, title: `Put ${p.element} there (${p.percent})`, onclick: () => this.accept(k), onpointerenter: () => this.light(k) },
        element("span", { class: "md-missing-dot", "aria-hidden": "true" }), element("b", {}, p.element), element("span", { class: "md-missing-bar", "aria-hidden": "true" }), element("span", { class: "md-missing-percent" }, p.percent));
      row.style.setProperty("--md-colour", p.colour);
      row.style.setProperty("--md-share", `${Math.round(100 * p.confidence)}%`);
      return row;
    }));
    this.aside(m?.proposals?.[0]);
    this.light(0);
    const busy = document.activeElement; // whoever types elsewhere is left alone
    const ours = !busy || busy === document.body || this.board.closest(".md-frame")?.contains(busy);
    if (m?.state === "shown" && m.proposals.length && ours) this.list.focus({ preventScroll: true });
  }

  // the list lies on the side where the surest proposal is not
  aside(surest) {
    const { stage, NGL } = this.pane;
    if (!surest || !this.pane.component) return;
    const at = stage.viewerControls.getPositionOnCanvas(new NGL.Vector3(...surest.position));
    this.board.dataset.side = at.x > stage.viewer.renderer.domElement.getBoundingClientRect().width / 2 ? "left" : "right";
  }

  key(e) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    const count = this.proposals.length;
    if (step && count) this.light((this.lit + step + count) % count);
    else if ((e.key === "Enter" || e.key === " ") && count && e.target !== this.close) this.accept(this.lit);
    else if (e.key === "Escape") this.dismiss();
    else return;
    e.preventDefault();
    e.stopPropagation();
  }

  light(k) {
    this.lit = k;
    [...this.list.children].forEach((row, n) => row.setAttribute("aria-selected", String(n === k)));
    const row = this.list.children[k];
    if (row) this.list.setAttribute("aria-activedescendant", row.id); else this.list.removeAttribute("aria-activedescendant");
    this.draw();
  }

  accept(k) { this.link.send({ op: "missing", what: "accept", id: this.link.get("missing").id, index: k }); }

  dismiss() { this.link.send({ op: "missing", what: "dismiss" }); }

  draw() {
    const { pane } = this;
    const { stage, NGL } = pane;
    const old = this.layers;
    this.layers = [];
    if (pane.component) {
      this.proposals.forEach((p, k) => {
        if (!p.ghost && k !== this.lit) return;
        const shape = new NGL.Shape(`proposal ${k}`);
        const lit = k === this.lit;
        shape.addSphere(p.position, lit ? mixed(rgb(p.colour), ACCENT, 0.35) : rgb(p.colour), p.radius * (0.75 + 0.5 * p.confidence) * (lit ? 1.12 : 1), `proposal:${k}`);
        const component = stage.addComponentFromObject(shape, { name: "proposal" });
        component.addRepresentation("buffer", { opacity: 0.25 + 0.5 * p.confidence, depthWrite: false, roughness: 0.5 });
        this.layers.push(component);
      });
    }
    for (const gone of old) stage.removeComponent(gone);
    stage.viewer.requestRender();
  }

  // a picked thing of the stage: is it a proposal?
  hit(p) {
    const found = /^proposal:(\d+)$/.exec(p?.sphere?.name ?? "");
    return found ? Number(found[1]) : null;
  }

  report() {
    const m = this.link.get("missing") ?? {};
    return { state: m.state, text: this.note.textContent, drawn: this.layers.length, listed: [...this.list.children].map((row) => row.textContent), proposals: m.proposals ?? [] };
  }

  detach() { this.board.remove(); }
}

// The buttons of the view panel: delete what is picked, ask what is missing.
function missingButtons(link, signal) {
  const cut = button("Delete", "Delete the picked atoms", () => link.send({ op: "delete" }), { class: "md-button md-delete" });
  const ask = button("Missing?", "What is missing here? A network proposes the element and the place of a missing atom", () => link.send({ op: "missing", what: "ask" }), { class: "md-button md-ask-missing" });
  link.on("highlight", (h) => {
    cut.disabled = !h?.atoms?.length;
    cut.title = h?.atoms?.length ? `Delete ${h.atoms.length === 1 ? "the picked atom" : `the ${h.atoms.length} picked atoms`}` : "Pick atoms to delete them";
  }, signal);
  link.on("missing", (m) => { ask.disabled = m?.state === "asking"; }, signal);
  return element("span", { class: "md-missing-tools" }, cut, ask);
}
