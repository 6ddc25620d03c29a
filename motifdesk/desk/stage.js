// stage.js: the structure pane. Loads a scene once per topology and moves it in place, as the geometry of scene.js has it.

const ACCENT = [1.0, 0.66, 0.05];
const ALARM = [0.86, 0.12, 0.14];

class StagePane extends SceneGeometry {
  constructor(link, view, NGL) {
    super();
    Object.assign(this, { link, view, NGL, stage: view.stage, sceneId: null, dirty: false, loads: 0 });
    this.controller = new AbortController(); // of this view; the link's outlives a page move
    this.signal = this.controller.signal;
    const { stage } = this;
    for (const name of ["clickPick-left", "clickPick-right", "clickPick-middle"]) stage.mouseControls.remove(name);
    stage.mouseControls.remove("hoverPick");
    // nglview tells Python of every component, for its own bookkeeping, and writes each to the console, which keeps it alive
    for (const name of ["componentAdded", "componentRemoved"]) stage.signals[name].removeAll();
    stage.setParameters({ cameraType: "orthographic", tooltip: false, fogNear: 70, fogFar: 160, clipDist: 0, clipNear: 0, clipFar: 100, hoverTimeout: 30, lightIntensity: 1.05, ambientIntensity: 0.35, sampleLevel: 0 });
    this.paint();
    this.watcher = new MutationObserver(() => this.paint());
    this.watcher.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name", "class"] });
    stage.signals.clicked.add(this.clicked, this);
    stage.signals.hovered.add(this.hovered, this);
    this.tip = element("div", { class: "md-tip", role: "status", "aria-live": "off" });
    view.el.append(this.tip);
    view.el.addEventListener("pointerleave", () => { this.tip.style.display = "none"; }, { signal: this.signal });
    const box = stage.viewer.container;
    stageKeys(this, box);
    const listen = (name, callback) => link.on(name, callback, this.signal);
    listen("scene", () => this.load());
    listen("frame", () => this.schedule());
    listen("highlight", () => this.recolour());
    listen("flagged", () => this.recolour());
    // a new scene is fitted once it is loaded: its atoms are not here yet
    listen("fit", (n) => { if (n && this.component && n !== this.fitted && this.link.get("scene").id === this.scene.id) this.fit(n); });
    this.ghosts = new Ghosts(this);
    new ResizeObserver(() => this.resized()).observe(view.el);
    this.tools = new StageTools(this);
    this.hand = new StageHand(this);
    view.$pickingInfo?.remove?.(); // nglview's own note of a click names no site of the design
  }

  paint() {
    const page = themeColour("--jp-layout-color0", "#ffffff");
    this.stage.setParameters({ backgroundColor: page });
    this.dark = document.body.getAttribute("data-jp-theme-light") === "false";
    if (this.component) this.recolour();
  }

  async load() {
    const scene = this.link.get("scene");
    if (!scene?.site || scene.id === this.sceneId) return;
    const start = this.read(scene);
    if (!start) return;
    this.sceneId = scene.id; // being loaded; what is on the stage stays the old scene until its successor is here
    const { NGL, stage } = this;
    const file = new Blob([sdfOf(scene, start.points)], { type: "text/plain" });
    const component = await stage.loadFile(file, { ext: "sdf", defaultRepresentation: false, name: "design" });
    if (scene.id !== this.sceneId) { stage.removeComponent(component); return; } // overtaken by a newer topology
    const first = !this.component;
    const old = [this.component, ...(this.layers ?? []), this.lines].filter(Boolean);
    Object.assign(this, { component, scene, layers: [] }, start);
    const colours = scene.colour.map((c) => parseInt(c.slice(1), 16));
    const scheme = NGL.ColormakerRegistry.addScheme(function () { this.atomColor = (atom) => colours[atom.index] ?? 0x888888; });
    if (this.scheme) NGL.ColormakerRegistry.removeScheme(this.scheme);
    this.scheme = scheme;
    component.addRepresentation("spacefill", {
      radiusType: "data", radiusData: Object.fromEntries(scene.radius.map((r, k) => [k, r])), radiusScale: 1,
      color: scheme, sphereDetail: 2, roughness: 0.45, metalness: 0.0, disableImpostor: false,
    });
    this.drawLines();
    this.recolour();
    for (const gone of old) stage.removeComponent(gone);
    this.move();
    this.tools.draw();
    this.ghosts.draw();
    this.tip.style.display = "none"; // what it named may be gone
    this.loads += 1;
    const fit = this.link.get("fit") || 0;
    if (first || fit !== this.fitted) this.fit(fit);
    this.announce();
    if (first) this.link.send({ op: "ready" });
    if (this.link.get("scene").id !== this.sceneId) this.load();
  }

  announce() {
    const text = this.link.get("scene").title ?? "structure";
    this.stage.viewer.container.setAttribute("aria-label", `Three-dimensional view of ${text}. ${STAGE_KEYS_SPOKEN}`);
  }

  // Only at the first load, for another structure, or when the designer asks: never while editing.
  fit(n) {
    this.fitted = n;
    const { stage } = this;
    const pose = this.pose();
    stage.animationControls.clear?.();
    stage.viewerControls.rotate(pose); // sets the orientation, whatever it was
    // NGL's autoView leaves room for a sphere around everything and comes a task later; the design should fill the pane now
    const [low, high] = [[Infinity, Infinity, Infinity], [-Infinity, -Infinity, -Infinity]];
    for (let k = 0; k < this.points.length; k += 3) {
      if (!this.scene.radius[k / 3]) continue; // not drawn in this view
      const v = new this.NGL.Vector3(...this.points.subarray(k, k + 3)).applyQuaternion(pose);
      [v.x, v.y, v.z].forEach((x, c) => { low[c] = Math.min(low[c], x); high[c] = Math.max(high[c], x); });
    }
    const box = this.scene.frame?.length ? this.box() : null; // a slab is seen with its vacuum
    for (const f of box ? CELL_CORNERS : []) {
      const v = new this.NGL.Vector3(...box[0].map((x, c) => x + f[0] * box[1][c] + f[1] * box[2][c] + f[2] * box[3][c])).applyQuaternion(pose);
      [v.x, v.y, v.z].forEach((x, c) => { low[c] = Math.min(low[c], x); high[c] = Math.max(high[c], x); });
    }
    const middle = new this.NGL.Vector3(...low.map((x, c) => (x + high[c]) / 2)).applyQuaternion(pose.clone().conjugate());
    const { width, height } = stage.viewer.container.getBoundingClientRect();
    const margin = 2.2; // Angstrom around: atoms have a size
    this.needs = (ratio) => Math.max(high[1] - low[1] + margin, (high[0] - low[0] + margin) * ratio, 4);
    this.ratio = height / Math.max(width, 1);
    const tall = this.needs(this.ratio);
    stage.viewerControls.center(middle);
    stage.viewerControls.distance(tall / (2 * Math.tan((Math.PI / 360) * stage.viewer.perspectiveCamera.fov)));
  }

  // A pane that becomes narrower steps back by as much as a fit would, so that its sides are not cut off, and forward again later.
  resized() {
    const { viewer, viewerControls } = this.stage;
    this.stage.handleResize();
    const { width, height } = viewer.container.getBoundingClientRect();
    if (!this.needs || width < 20 || height < 20) return; // not fitted yet, or not shown
    const ratio = height / width;
    const back = this.needs(ratio) / this.needs(this.ratio);
    this.ratio = ratio;
    if (Math.abs(back - 1) > 1e-4) viewerControls.distance(viewerControls.getCameraDistance() * back);
  }

  // bonds and cell edges: cylinders, because wide lines draw nothing
  drawLines() {
    const { NGL, stage, scene } = this;
    const shape = new NGL.Shape("bonds and cell");
    this.movers = [];
    const add = (arrays, colour, colour2, radius, picking) => {
      const n = arrays.position1.length / 3;
      if (!n) return;
      const buffer = new NGL.CylinderBuffer(
        { ...arrays, color: colour, color2: colour2, radius: new Float32Array(n).fill(radius) },
        { openEnded: false, disablePicking: !picking, radialSegments: 14 });
      shape.addBuffer(buffer);
      return shape.bufferList.length - 1;
    };
    const ends = (offset) => new Float32Array(scene.bonds.filter((_, k) => k % 2 === offset).flatMap((d) => rgb(scene.colour[d])));
    const bond = add(this.edgeArrays(scene.bonds), ends(0), ends(1), 0.085, false);
    const grey = this.dark ? [0.62, 0.65, 0.70] : [0.42, 0.45, 0.50];
    const cell = this.box() ? add(this.cellArrays(), repeated(grey, 12), repeated(grey, 12), 0.022, false) : undefined;
    if (!shape.bufferList.length) { this.lines = null; return; }
    this.lines = stage.addComponentFromObject(shape, { name: "bonds and cell" });
    const list = () => this.linesRepr.repr.bufferList;
    this.linesRepr = this.lines.addRepresentation("buffer", { roughness: 0.5 });
    if (bond !== undefined) this.movers.push(() => list()[bond].setAttributes(this.edgeArrays(scene.bonds)));
    if (cell !== undefined) this.movers.push(() => list()[cell].setAttributes(this.cellArrays()));
  }

  // polyhedra in three layers: picked, in the scope of the handles, the rest
  recolour() {
    if (!this.component || !this.scene) return;
    const { NGL, stage, scene } = this;
    const { picked = null, related = [], atoms = [] } = this.link.get("highlight") ?? {};
    const flagged = new Set(this.link.get("flagged") ?? []); // neighbours have probably changed
    const inScope = new Set(related);
    const layerOf = (p) => (p.motif === picked ? 0 : inScope.has(p.motif) ? 1 : 2);
    const style = [{ opacity: 0.72, edge: 0.05 }, { opacity: 0.50, edge: 0.034 }, { opacity: picked === null ? 0.42 : 0.26, edge: 0.016 }];
    const old = this.layers ?? [];
    this.layers = [];
    this.polyMovers = [];
    for (const layer of [2, 1, 0]) {
      const members = scene.polyhedra.filter((p) => layerOf(p) === layer);
      if (!members.length) continue;
      const faces = new NGL.Shape(`polyhedra ${layer}`);
      for (const p of members) {
        const base = layer === 0 ? mixed(rgb(p.colour), ACCENT, 0.8) : rgb(p.colour);
        faces.addMesh(this.triangles(p), repeated(base, p.tri.length), undefined, undefined, `motif:${p.motif}`);
      }
      const component = stage.addComponentFromObject(faces, { name: `polyhedra ${layer}` });
      const repr = component.addRepresentation("buffer", { opacity: style[layer].opacity, side: "double", depthWrite: false, flatShaded: true, roughness: 0.6 });
      members.forEach((p, k) => this.polyMovers.push(() => repr.repr.bufferList[k].setAttributes({ position: this.triangles(p) })));
      this.layers.push(component);
      const lines = new NGL.Shape(`edges ${layer}`);
      const pairs = members.flatMap((p) => p.edge);
      const colours = new Float32Array(members.flatMap((p) => {
        const colour = flagged.has(p.motif) ? ALARM : layer < 2 ? ACCENT : mixed(rgb(p.colour), this.dark ? [1, 1, 1] : [0, 0, 0], 0.25);
        return Array.from({ length: p.edge.length / 2 }, () => colour).flat();
      }));
      const count = pairs.length / 2;
      lines.addBuffer(new NGL.CylinderBuffer({ ...this.edgeArrays(pairs), color: colours, color2: colours, radius: new Float32Array(count).fill(style[layer].edge) }, { disablePicking: true, radialSegments: 8 }));
      const edges = stage.addComponentFromObject(lines, { name: `edges ${layer}` });
      const edgeRepr = edges.addRepresentation("buffer", {});
      this.polyMovers.push(() => edgeRepr.repr.bufferList[0].setAttributes(this.edgeArrays(pairs)));
      this.layers.push(edges);
    }
    if (atoms.length) {
      const halo = new NGL.Shape("picked atoms");
      const drawn = atoms.filter((a) => a < scene.site.length);
      const centre = () => new Float32Array(drawn.flatMap((a) => [...this.points.subarray(3 * a, 3 * a + 3)]));
      halo.addBuffer(new NGL.SphereBuffer({ position: centre(), color: repeated(ACCENT, drawn.length), radius: new Float32Array(drawn.map((a) => scene.radius[a] * 1.35)) }, { disablePicking: true }));
      const component = stage.addComponentFromObject(halo, { name: "picked atoms" });
      const repr = component.addRepresentation("buffer", { opacity: 0.45, depthWrite: false });
      this.polyMovers.push(() => repr.repr.bufferList[0].setAttributes({ position: centre() }));
      this.layers.push(component);
    }
    for (const gone of old) stage.removeComponent(gone);
    stage.viewer.requestRender();
  }

  schedule() {
    this.dirty = true;
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = null;
      if (this.dirty && this.component) this.move();
    });
  }

  move() {
    this.dirty = false;
    if (!this.scene || !this.component || !this.gather()) return;
    this.component.structure.updatePosition(this.points, false);
    this.component.updateRepresentations({ position: true });
    for (const mover of [...(this.movers ?? []), ...(this.polyMovers ?? [])]) mover();
    this.tools.move();
    this.stage.viewer.requestRender();
    this.link.frames.push(performance.now());
    if (this.link.frames.length > 4000) this.link.frames.splice(0, 2000);
    this.shown = this.link.get("frame");
  }

  clicked(p) {
    const proposal = this.ghosts.hit(p);
    if (proposal !== null) return this.ghosts.accept(proposal);
    const hit = this.motifNames(p);
    if (this.tools.clicked(hit)) return;
    const shift = Boolean(p?.shiftKey);
    if (!hit) return this.link.send({ op: "pick", kind: "none", shift });
    if (hit.motif !== undefined) return this.link.send({ op: "pick", kind: "motif", motif: hit.motif, shift });
    // a ligand belongs to several motifs: the drawn polyhedron that owns this copy of it, the picked one first
    const picked = this.link.get("highlight")?.picked;
    const owners = this.scene.polyhedra.filter((q) => q.members.includes(hit.atom));
    const owner = owners.find((q) => q.centre === hit.atom) ?? owners.find((q) => q.motif === picked) ?? owners[0];
    this.link.send({ op: "pick", kind: "atom", site: hit.site, drawn: hit.atom, motif: owner?.motif ?? null, shift });
  }

  hovered(p) {
    const hit = this.scene && this.motifNames(p);
    const names = this.scene?.motifs ?? {};
    const ghost = this.ghosts.hit(p);
    this.stage.viewer.container.style.cursor = hit || ghost !== null ? "pointer" : "";
    if ((!hit && ghost === null) || !this.stage.viewer.container.matches(":hover")) { this.tip.style.display = "none"; return; } // NGL tells late
    if (ghost !== null) { const q = this.ghosts.proposals[ghost]; this.tip.textContent = q ? `${q.element}, ${q.percent}: click to accept` : ""; }
    else this.tip.textContent = hit.motif !== undefined ? names[hit.motif] ?? `motif ${hit.motif}` : this.scene.label[hit.atom];
    const { x, y } = p.canvasPosition;
    this.tip.style.display = "block";
    this.tip.style.left = `${x + 14}px`;
    this.tip.style.top = `${this.view.el.clientHeight - y + 8}px`;
  }

  detach() {
    this.controller.abort();
    this.tools.detach();
    this.ghosts.detach();
    this.hand.detach();
    this.watcher.disconnect();
    this.stage.signals.clicked.remove(this.clicked, this);
    this.stage.signals.hovered.remove(this.hovered, this);
  }

  dispose() {
    this.detach();
    // the widget's comm is gone: nglview must not report to Python
    this.view.touch = this.view.model.save_changes = () => {};
    this.letGo();
  }

  // The WebGL context is given back at once: browsers allow about 16. NGL's own loop must not draw into a lost one.
  letGo() {
    const { viewer } = this.stage;
    viewer.animate = viewer.render = viewer.requestRender = () => {};
    try { this.stage.dispose(); } catch { /* the view may have gone first */ }
    try { viewer.renderer.forceContextLoss(); } catch { /* already lost */ }
  }

  // Another view of this desk has taken over: this one, if it is still on the page, becomes a picture of what it showed.
  retire() {
    this.detach();
    this.view.touch = () => {};
    this.view.motifdeskRetired = true;
    const host = this.view.el;
    if (host.isConnected) {
      const still = element("img", { class: "md-still", alt: "What this view of the desk showed last" });
      try { this.stage.viewer.render(); still.src = this.stage.viewer.renderer.domElement.toDataURL(); } catch { /* a lost context has no picture */ }
      host.replaceChildren(still, element("p", { class: "md-still-note", role: "status" }, "Shown in another place now. Run this cell again to have the desk here."));
    }
    this.letGo();
  }
}

const stageReady = (view) => Boolean(view.stage?.viewer) && !view.motifdeskRetired;

async function attachStage(link) {
  const { signal } = link.controller;
  const model = await modelOf(link.manager, link.get("viewer_id"), signal);
  while (!signal.aborted) {
    const view = await liveView(model, stageReady, signal);
    if (!view) return;
    if (link.pane?.view !== view) {
      // the only code handed to nglview is this constant: there is no other door to its NGL namespace
      view.executeCode("this.__NGL = NGL");
      while (!view.__NGL && !signal.aborted) await pause(20);
      link.pane?.retire();
      link.pane = new StagePane(link, view, view.__NGL);
      globalThis.motifdesk.latest = link;
    }
    // displayed anew (cell re-run, page moved, shown twice): adopt the newest view; a view that was taken off the page lets go
    for (let k = 0; !signal.aborted; k++) {
      await pause(300);
      if (!view.el.isConnected && !(await stillListed(model, view))) {
        link.pane?.retire();
        link.pane = null;
        break;
      }
      const newest = await newestView(model, stageReady);
      if (newest && newest !== view) break;
    }
  }
}
