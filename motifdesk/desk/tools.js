// tools.js: over the structure pane: measuring between drawn atoms, arrows of displacement or force, pictures and films of the scene. Everything
// follows the one positions array, as the scene does.

const TOOL_COLOUR = [0.86, 0.16, 0.47];
const NEAR_PX = 16;
const ARROW_COLOURS = { start: [0.80, 0.10, 0.45], forces: [0.10, 0.40, 0.95] };
const STALE_MS = 300; // forces of a drag come a frame late: only those that stay behind grow pale

class StageTools {
  constructor(pane) {
    Object.assign(this, { pane, link: pane.link });
    this.board = element("div", { class: "md-measures", "aria-hidden": "true" });
    this.notes = element("div", { class: "md-tool-notes", role: "status", "aria-live": "polite" });
    pane.view.el.append(this.board, this.notes);
    this.place = () => this.write();
    pane.stage.viewer.signals.rendered.add(this.place);
    const listen = (name, callback) => this.link.on(name, callback, pane.signal);
    listen("tools", (t) => { this.tell(t ?? {}); this.follow(); });
    listen("shifts", () => this.follow());
    listen("shoot", (request) => this.shoot(request));
  }

  get tools() { return this.link.get("tools") ?? {}; }

  // a point is [site, i, j, k]: a site and a lattice image
  at([site, i, j, k]) {
    const { all, scene } = this.pane;
    const cell = all.subarray(3 * scene.count);
    return [0, 1, 2].map((c) => all[3 * site + c] + i * cell[c] + j * cell[3 + c] + k * cell[6 + c]);
  }

  // what is measured, how long the arrows are, what the colours mean: over the stage, so that nothing moves when it changes
  tell(t) {
    const magnified = t.arrows && t.scale > 1.05 ? `, drawn ${t.scale.toFixed(1)}×` : "";
    const arrows = t.arrows_of === "forces" ? t.arrow_note : `moved since the start: ${t.arrow_note}${magnified}`;
    const lines = [t.figure || (t.measuring ? "click 2 to 4 atoms" : ""), t.arrows ? arrows : ""];
    const legend = element("div", { class: "md-legend" }, ...(t.legend ?? []).map(([text, tint]) => {
      const item = element("span", {}, text);
      item.style.setProperty("--md-colour", tint);
      return item;
    }));
    this.notes.replaceChildren(...lines.filter(Boolean).map((text) => element("p", { class: "md-figure" }, text)), legend);
    this.arrowNote = t.arrows ? legend.previousSibling : null;
  }

  // The atom meant is the one nearest to the pointer: a ray would stop at the translucent polyhedra in front of it.
  clicked(hit) {
    if (!this.tools.measuring) return false;
    const drawn = this.nearest() ?? hit?.atom;
    if (drawn !== undefined) {
      const { site, image } = this.pane.scene;
      this.link.send({ op: "measure", site: site[drawn], image: image.slice(3 * drawn, 3 * drawn + 3) });
    } else if (!hit) this.link.send({ op: "measure", clear: true });
    return true; // nothing is picked while measuring: a near miss must not lose the handles
  }

  nearest() {
    const { stage, scene, points, NGL } = this.pane;
    const at = stage.mouseObserver?.canvasPosition;
    if (!at) return undefined;
    let best = [NEAR_PX, undefined];
    for (let k = 0; k < scene.site.length; k++) {
      const p = stage.viewerControls.getPositionOnCanvas(new NGL.Vector3(...points.subarray(3 * k, 3 * k + 3)));
      const far = Math.hypot(p.x - at.x, p.y - at.y);
      if (far < best[0]) best = [far, k];
    }
    return best[1];
  }

  // The atoms that the layers stand for; while a handle is held only their places and lengths change.
  shown() {
    const { scene } = this.pane;
    const shifts = this.shifts();
    const points = (this.tools.points ?? []).filter((p) => p[0] < scene.count);
    return { points, shifts, drawn: shifts ? this.moved(shifts) : [] };
  }

  follow() {
    const { pane } = this;
    if (!pane.component || !pane.scene || !pane.all) return;
    const { points, drawn } = this.shown();
    if (this.layers && this.stands === JSON.stringify([points, drawn, this.tools.arrows_of])) this.move();
    else this.draw();
    this.pale();
  }

  // The layers are few and small: made anew when what is measured changes, moved in place with the design.
  draw() {
    const { pane } = this;
    const { stage, NGL, scene } = pane;
    if (!pane.component || !scene || !pane.all) return;
    const { points, shifts, drawn } = this.shown();
    this.stands = JSON.stringify([points, drawn, this.tools.arrows_of]);
    const old = this.layers ?? [];
    this.layers = [];
    this.movers = [];
    if (points.length) {
      const spheres = () => new Float32Array(points.flatMap((p) => this.at(p)));
      const shape = new NGL.Shape("measured");
      shape.addBuffer(new NGL.SphereBuffer({ position: spheres(), color: repeated(TOOL_COLOUR, points.length), radius: new Float32Array(points.length).fill(0.3) }, { disablePicking: true }));
      const ends = () => {
        const [a, b] = [points.slice(0, -1), points.slice(1)].map((list) => new Float32Array(list.flatMap((p) => this.at(p))));
        return { position1: a, position2: b, position: a.map((x, k) => (x + b[k]) / 2) };
      };
      const lines = points.length - 1;
      if (lines) shape.addBuffer(new NGL.CylinderBuffer({ ...ends(), color: repeated(TOOL_COLOUR, lines), color2: repeated(TOOL_COLOUR, lines), radius: new Float32Array(lines).fill(0.055) }, { disablePicking: true, radialSegments: 10 }));
      const repr = this.show(shape, "measured", { opacity: 0.85 });
      this.movers.push(() => repr.bufferList[0].setAttributes({ position: spheres() }));
      if (lines) this.movers.push(() => repr.bufferList[1].setAttributes(ends()));
    }
    if (drawn.length) {
      const name = this.forces ? "forces" : "displacements";
      const shape = new NGL.Shape(name);
      shape.addBuffer(new NGL.ArrowBuffer({ ...this.arrows(drawn, shifts), color: repeated(ARROW_COLOURS[this.forces ? "forces" : "start"], drawn.length), radius: new Float32Array(drawn.length).fill(this.forces ? 0.09 : 0.07) }, { aspectRatio: 2.2, disablePicking: true, radialSegments: 12 }));
      const repr = this.show(shape, name, {});
      this.arrowRepr = repr;
      // the arrows of a move in progress: the same atoms, new lengths
      this.movers.push(() => { const now = this.shifts(); if (now) repr.bufferList[0].setAttributes(this.arrows(drawn, now)); });
    }
    else this.arrowRepr = null;
    this.drawnArrows = drawn;
    for (const gone of old) stage.removeComponent(gone);
    this.write();
    stage.viewer.requestRender();
  }

  show(shape, name, options) {
    const component = this.pane.stage.addComponentFromObject(shape, { name });
    this.layers.push(component);
    return component.addRepresentation("buffer", options).repr;
  }

  shifts() {
    const view = this.link.get("shifts");
    if (!this.tools.arrows || !view?.byteLength || !this.pane.scene) return null;
    const all = new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
    return all.length === 3 * this.pane.scene.count ? all : null;
  }

  // drawn atoms whose site has moved
  moved(shifts) {
    return this.pane.scene.site.flatMap((s, k) => (this.pane.scene.radius[k] && Math.hypot(shifts[3 * s], shifts[3 * s + 1], shifts[3 * s + 2]) >= 0.01 ? [k] : []));
  }

  get forces() { return this.tools.arrows_of === "forces"; }

  // forces of a structure that is no longer shown
  pale() {
    clearTimeout(this.paling);
    const fade = (opacity) => {
      this.arrowNote?.classList.toggle("md-tool-stale", opacity < 1);
      if (this.arrowRepr && this.arrowRepr.opacity !== opacity) this.arrowRepr.setParameters({ opacity });
    };
    if (this.tools.arrows && this.tools.stale) this.paling = setTimeout(() => fade(0.35), STALE_MS);
    else fade(1);
  }

  // displacements: from where the atom was, lengthened by the scale that the bar names; forces: from the atom's surface
  arrows(drawn, shifts) {
    const { scene, points } = this.pane;
    const scale = this.tools.scale || 1;
    const [a, b] = [new Float32Array(3 * drawn.length), new Float32Array(3 * drawn.length)];
    drawn.forEach((k, n) => {
      const [x, y, z] = shifts.subarray(3 * scene.site[k], 3 * scene.site[k] + 3);
      const ahead = this.forces ? (0.9 * scene.radius[k]) / Math.max(Math.hypot(x, y, z), 1e-6) : -1; // in lengths of the shift
      for (let c = 0; c < 3; c++) {
        const step = shifts[3 * scene.site[k] + c];
        a[3 * n + c] = points[3 * k + c] + ahead * step;
        b[3 * n + c] = a[3 * n + c] + scale * step;
      }
    });
    return { position1: a, position2: b };
  }

  move() { for (const mover of this.movers ?? []) mover(); }

  // live figures beside the lines; they follow the camera as well as the design
  write() {
    const { pane } = this;
    const points = (this.tools.points ?? []).filter((p) => p[0] < (pane.scene?.count ?? 0));
    if (points.length < 2 || !pane.all) { if (this.board.childElementCount) this.board.replaceChildren(); return; }
    const xyz = points.map((p) => this.at(p));
    const figure = measured(xyz);
    const middle = points.length === 3 ? xyz[1] : [0, 1, 2].map((c) => xyz.reduce((sum, p) => sum + p[c], 0) / xyz.length);
    const at = pane.stage.viewerControls.getPositionOnCanvas(new pane.NGL.Vector3(...middle));
    let tag = this.board.firstElementChild;
    if (!tag) { tag = element("span", { class: "md-measure" }); this.board.append(tag); }
    if (tag.textContent !== figure) tag.textContent = figure;
    tag.style.transform = `translate(${at.x + 8}px, ${pane.view.el.clientHeight - at.y + 6}px)`;
    this.figure = figure;
  }

  // A picture, or the frames of a film, back to Python. While a film is taken the pane shows its frames and nothing else.
  async shoot(request) {
    if (!request?.id || request.id === this.shot || !this.pane.component) return;
    this.shot = request.id;
    const { pane, link } = this;
    const { stage } = pane;
    const reply = (content, buffers = []) => link.input.send({ op: "shot", id: request.id, kind: request.kind, ...content, n: ++link.sent }, undefined, buffers);
    try {
      const blobs = [];
      const take = async (factor) => blobs.push(await stage.makeImage({ factor, antialias: true, trim: false, transparent: false }));
      if (request.kind === "png") await take(2);
      else {
        const bytes = new Uint8Array(request.frames.buffer, request.frames.byteOffset, request.frames.byteLength).slice();
        const all = new Float32Array(bytes.buffer);
        const size = all.length / request.count;
        this.showForces(false); // they are of the last frame alone
        for (let k = 0; k < request.count; k++) {
          pane.instead = all.subarray(k * size, (k + 1) * size);
          pane.move();
          await take(1);
        }
      }
      reply({}, await Promise.all(blobs.map((b) => b.arrayBuffer())));
    } catch (error) {
      reply({ error: String(error?.message ?? error) });
    } finally {
      pane.instead = null;
      this.showForces(true);
      if (pane.component) pane.move();
    }
  }

  showForces(shown) {
    for (const layer of this.layers ?? []) if (layer.name === "forces") layer.setVisibility(shown);
  }

  report() {
    const count = (name) => (this.layers ?? []).filter((c) => c.name === name).length;
    return { figure: this.figure ?? "", measured: count("measured"), displacements: count("displacements"), forces: count("forces"), pale: (this.arrowRepr?.opacity ?? 1) < 1, arrows: this.drawnArrows?.length ?? 0 };
  }

  detach() {
    clearTimeout(this.paling);
    this.pane.stage.viewer.signals.rendered.remove(this.place);
    this.board.remove();
    this.notes.remove();
  }
}

function measured(xyz) {
  const minus = (a, b) => a.map((x, c) => x - b[c]);
  const dot = (a, b) => a.reduce((sum, x, c) => sum + x * b[c], 0);
  const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const size = (a) => Math.sqrt(dot(a, a));
  const degrees = (y, x) => `${((180 / Math.PI) * Math.atan2(y, x)).toFixed(1)}°`;
  if (xyz.length === 2) return `${size(minus(xyz[1], xyz[0])).toFixed(3)} Å`;
  if (xyz.length === 3) { const [a, b] = [minus(xyz[0], xyz[1]), minus(xyz[2], xyz[1])]; return degrees(size(cross(a, b)), dot(a, b)); }
  const [a, b, c] = [1, 2, 3].map((k) => minus(xyz[k], xyz[k - 1]));
  const m = cross(b, c);
  return degrees(size(b) * dot(a, m), dot(cross(a, b), m));
}

// The row of the view panel: what the colours mean, measuring, arrows.
function toolRow(link, signal) {
  const colour = select("What the colours of the structure mean", [["species", "colour: species"]], "species", (v) => link.send({ op: "colouring", by: v }));
  const ruler = element("button", { type: "button", class: "md-button md-toggle", "aria-pressed": "false", title: "Measure: click 2 atoms for a distance, 3 for an angle, 4 for a dihedral", onclick: () => link.send({ op: "measure", on: !link.get("tools")?.measuring }) }, "Measure");
  const arrows = element("button", { type: "button", class: "md-button md-toggle", "aria-pressed": "false", title: "Arrows: how each atom has moved since the design was opened, or the force on it", onclick: () => link.send({ op: "arrows", on: !link.get("tools")?.arrows }) }, "Arrows");
  const kind = select("What the arrows show", [["start", "from start"]], "start", (v) => link.send({ op: "arrows", on: true, of: v }));
  const names = element("input", { type: "text", class: "md-text md-sites", placeholder: "or name sites: Ir8 O0", "aria-label": "Sites to measure between, such as Ir8 O0 Ir9", "data-lm-suppress-shortcuts": "true", spellcheck: "false" });
  names.addEventListener("keydown", (e) => { if (e.key === "Enter") link.send({ op: "measure", text: names.value }); if (e.key === "Escape") { names.value = ""; link.send({ op: "measure", clear: true }); } });
  const row = element("div", { class: "md-tools" }, colour, ruler, names, arrows, kind, handButtons(link, signal), element("span", { class: "md-grow" }), missingButtons(link, signal));
  link.on("tools", (t) => {
    fill(colour, t.colourings ?? [["species", "colour: species"]], t.colouring ?? "species");
    ruler.setAttribute("aria-pressed", String(Boolean(t.measuring)));
    arrows.setAttribute("aria-pressed", String(Boolean(t.arrows)));
    fill(kind, t.arrow_choices ?? [["start", "from start"]], t.arrows_of ?? "start");
    kind.style.display = t.arrows ? "" : "none";
    names.style.display = t.measuring ? "" : "none";
  }, signal);
  return row;
}
