// scene.js: where everything of a scene is: every vertex is a drawn atom, and a drawn atom is positions[site] + image @ cell, gathered
// here from the one binary array that Python sends.

const CELL_CORNERS = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]];
const CELL_EDGES = [[0, 1], [0, 2], [0, 3], [1, 4], [1, 5], [2, 4], [2, 6], [3, 5], [3, 6], [4, 7], [5, 7], [6, 7]];

const rgb = (hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16) / 255);
const mixed = (a, b, t) => a.map((x, k) => x * (1 - t) + b[k] * t);
const repeated = (colour, count) => Float32Array.from({ length: 3 * count }, (_, k) => colour[k % 3]);

function sdfOf(scene, points) {
  // cell-less, without bonds: NGL rotates nothing and invents no bond. V2000 holds 999 atoms.
  const n = scene.symbol.length;
  const cut = (x) => Math.max(-9999, Math.min(9999, x)).toFixed(4);
  const xyz = (k) => [points[3 * k], points[3 * k + 1], points[3 * k + 2]].map(cut);
  const lines = ["design", "  MotifDesk", ""];
  if (n <= 999) {
    lines.push(`${String(n).padStart(3)}  0  0  0  0  0  0  0  0  0999 V2000`);
    for (let k = 0; k < n; k++) lines.push(`${xyz(k).map((x) => x.padStart(10)).join("")} ${scene.symbol[k].padEnd(3)} 0  0  0  0  0  0  0  0  0  0  0  0`);
  } else {
    lines.push("  0  0  0     0  0            999 V3000", "M  V30 BEGIN CTAB", `M  V30 COUNTS ${n} 0 0 0 0`, "M  V30 BEGIN ATOM");
    for (let k = 0; k < n; k++) lines.push(`M  V30 ${k + 1} ${scene.symbol[k]} ${xyz(k).join(" ")} 0`);
    lines.push("M  V30 END ATOM", "M  V30 END CTAB");
  }
  return [...lines, "M  END", "$$$$", ""].join("\n");
}

// A pane over it has a link, a scene, and NGL.
class SceneGeometry {
  // Where the drawn atoms of a scene are, from positions [3 N] then the cell [9] (rows), float32; null for another topology's frame.
  read(scene) {
    const view = this.link.get("positions");
    const buffer = view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
    const all = this.instead ?? new Float32Array(buffer); // a film shows its own frames
    const { site, image, count } = scene;
    if (all.length !== 3 * count + 9) return null; // a frame of the next or the last topology
    const cell = all.subarray(3 * count);
    const xyz = scene === this.scene && this.points ? this.points : new Float32Array(3 * site.length);
    for (let k = 0; k < site.length; k++) {
      const [i, j, l] = [image[3 * k], image[3 * k + 1], image[3 * k + 2]];
      for (let c = 0; c < 3; c++) xyz[3 * k + c] = all[3 * site[k] + c] + i * cell[c] + j * cell[3 + c] + l * cell[6 + c];
    }
    return { points: xyz, all, cell };
  }

  gather() {
    const found = this.read(this.scene);
    if (found) Object.assign(this, found);
    return Boolean(found);
  }

  // The longest extent of the design along the longer side of the pane, the next across it, a little from above.
  pose() {
    const { NGL } = this;
    const { width, height } = this.stage.viewer.container.getBoundingClientRect();
    const rows = (this.scene.frame?.length ? this.box().slice(1) : this.scene.cell ? [0, 3, 6].map((k) => this.cell.subarray(k, k + 3)) : []).map((r) => new NGL.Vector3(...r));
    if (rows.length < 3) return new NGL.Quaternion().setFromEuler(new NGL.Euler(-1.25, 0.0, -0.42));
    rows.sort((p, q) => q.length() - p.length());
    const along = rows[0].normalize();
    const across = rows[1].sub(along.clone().multiplyScalar(rows[1].dot(along))).normalize();
    const [x, y] = width >= height ? [along, across] : [across.negate(), along];
    const z = new NGL.Vector3().crossVectors(x, y);
    const turn = new NGL.Matrix4().set(x.x, x.y, x.z, 0, y.x, y.y, y.z, 0, z.x, z.y, z.z, 0, 0, 0, 0, 1);
    const tilt = new NGL.Quaternion().setFromEuler(new NGL.Euler(0.32, -0.3, 0));
    return tilt.multiply(new NGL.Quaternion().setFromRotationMatrix(turn));
  }

  edgeArrays(pairs) {
    const xyz = this.points;
    const count = pairs.length / 2;
    const [a, b, middle] = [0, 1, 2].map(() => new Float32Array(3 * count));
    for (let k = 0; k < count; k++) for (let c = 0; c < 3; c++) {
      a[3 * k + c] = xyz[3 * pairs[2 * k] + c];
      b[3 * k + c] = xyz[3 * pairs[2 * k + 1] + c];
      middle[3 * k + c] = (a[3 * k + c] + b[3 * k + c]) / 2;
    }
    return { position1: a, position2: b, position: middle };
  }

  // The box drawn: the cell, or a slab's (its corner and three vectors in fractional coordinates), or none.
  box() {
    const cartesian = (f) => [0, 1, 2].map((c) => f[0] * this.cell[c] + f[1] * this.cell[3 + c] + f[2] * this.cell[6 + c]);
    const frame = this.scene.frame ?? [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1];
    return this.scene.cell && frame.length ? [0, 3, 6, 9].map((k) => cartesian(frame.slice(k, k + 3))) : null;
  }

  cellArrays() {
    const [origin, ...rows] = this.box();
    const corners = CELL_CORNERS.map((f) => origin.map((x, c) => x + f[0] * rows[0][c] + f[1] * rows[1][c] + f[2] * rows[2][c]));
    const position1 = new Float32Array(CELL_EDGES.flatMap(([a]) => corners[a]));
    const position2 = new Float32Array(CELL_EDGES.flatMap(([, b]) => corners[b]));
    return { position1, position2, position: position1.map((x, k) => (x + position2[k]) / 2) };
  }

  triangles(p) {
    const out = new Float32Array(3 * p.tri.length);
    for (let k = 0; k < p.tri.length; k++) for (let c = 0; c < 3; c++) out[3 * k + c] = this.points[3 * p.tri[k] + c];
    return out;
  }

  motifNames(p) {
    if (p?.mesh?.name?.startsWith?.("motif:")) return { motif: Number(p.mesh.name.slice(6)) };
    if (p?.atom) return { atom: p.atom.index, site: this.scene.site[p.atom.index] };
    return null;
  }

  // Numbers read back from what is drawn, for tests and benchmarks.
  report() {
    if (!this.component || !this.scene) return null;
    const store = this.component.structure.atomStore;
    const n = this.scene.site.length;
    const atoms = Array.from({ length: n }, (_, k) => [store.x[k], store.y[k], store.z[k]]);
    const attribute = (buffer, name) => {
      const a = buffer.geometry?.attributes?.[name] ?? buffer.geometry?.attributes?.position;
      return a ? Array.from(a.array) : [];
    };
    const lists = (this.layers ?? []).filter((c) => c.name.startsWith("polyhedra")).flatMap((c) => c.reprList[0].repr.bufferList.map((b, k) => ({ name: c.shape?.name, position: attribute(b, "position") })));
    const bonds = this.lines ? this.bondsDrawn() : [];
    const camera = Array.from(this.stage.viewerControls.getOrientation().elements);
    return { scene: this.scene.id, frame: this.shown, count: this.scene.count, site: this.scene.site, image: this.scene.image, atoms, polyhedra: lists, bonds, bondPairs: this.scene.bonds, camera, components: this.stage.compList.length, loads: this.loads, tools: this.tools.report(), missing: this.ghosts.report() };
  }

  bondsDrawn() {
    const buffer = this.linesRepr.repr.bufferList[0];
    const attributes = buffer.geometry.attributes;
    return { names: Object.keys(attributes), position1: Array.from(attributes.position1?.array ?? []), position2: Array.from(attributes.position2?.array ?? []) };
  }

  // Where a drawn atom or the middle of a motif's polyhedron is on the page, for tests that click.
  screen(drawn) {
    const v = new this.NGL.Vector3(...drawn);
    const p = this.stage.viewerControls.getPositionOnCanvas(v);
    const box = this.stage.viewer.renderer.domElement.getBoundingClientRect();
    return { x: box.left + p.x, y: box.top + (box.height - p.y) };
  }
}
