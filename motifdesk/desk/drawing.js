// drawing.js: a structure drawn flat, without a WebGL context: spheres, bonds, polyhedra and the cell, farthest first. Two of them
// share one camera, so that what differs in the picture differs in the structure.

const FLAT_LIGHT = [0.35, 0.55, 0.76];
const DRAWN_CORNERS = [[0, 1], [0, 2], [0, 4], [1, 3], [1, 5], [2, 3], [2, 6], [3, 7], [4, 5], [4, 6], [5, 7], [6, 7]];

const turned = (axis, angle) => {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  return axis === "x" ? [[1, 0, 0], [0, c, -s], [0, s, c]] : [[c, 0, s], [0, 1, 0], [-s, 0, c]];
};
const times = (a, b) => a.map((row) => [0, 1, 2].map((k) => row[0] * b[0][k] + row[1] * b[1][k] + row[2] * b[2][k]));

// What both drawings look through: rotation (rows: right, up, towards the eye), Angstrom to pixels, shift in pixels.
class SharedCamera {
  constructor() {
    this.rotation = turned("x", 0.3);
    this.zoom = 1;
    this.listeners = [];
  }

  changed() { for (const listener of this.listeners) listener(); }

  turn(dx, dy) {
    this.rotation = times(turned("x", dy), times(turned("y", dx), this.rotation));
    this.changed();
  }

  scale(factor) {
    this.zoom = Math.min(8, Math.max(0.3, this.zoom * factor));
    this.changed();
  }

  // NGL's matrix of the stage (columns scaled): its rotation alone
  from(elements) {
    const length = Math.hypot(elements[0], elements[1], elements[2]) || 1;
    this.rotation = [0, 1, 2].map((row) => [0, 1, 2].map((column) => elements[4 * column + row] / length));
  }
}

class FlatDrawing {
  constructor(camera, label) {
    this.camera = camera;
    this.canvas = element("canvas", { class: "md-flat", tabindex: "0", role: "img", "aria-label": label, title: "Drag or use the arrow keys to turn both; wheel, + and - zoom", "data-lm-suppress-shortcuts": "true" });
    this.data = null;
    this.reach = 1; // pixels per Angstrom at zoom 1, the same for both
    camera.listeners.push(() => this.later());
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (e) => { canvas.setPointerCapture(e.pointerId); this.last = [e.clientX, e.clientY]; });
    canvas.addEventListener("pointermove", (e) => {
      if (!this.last) return;
      camera.turn((e.clientX - this.last[0]) / 140, (e.clientY - this.last[1]) / 140);
      this.last = [e.clientX, e.clientY];
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { this.last = null; });
    canvas.addEventListener("wheel", (e) => { e.preventDefault(); camera.scale(Math.exp(-e.deltaY / 600)); }, { passive: false });
    canvas.addEventListener("keydown", (e) => {
      const step = 0.12;
      const how = { ArrowLeft: () => camera.turn(-step, 0), ArrowRight: () => camera.turn(step, 0), ArrowUp: () => camera.turn(0, -step), ArrowDown: () => camera.turn(0, step), "+": () => camera.scale(1.15), "-": () => camera.scale(1 / 1.15) }[e.key];
      if (!how) return;
      e.preventDefault();
      e.stopPropagation();
      how();
    });
    new ResizeObserver(() => this.resized?.()).observe(canvas);
  }

  later() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => { this.pending = null; this.draw(); });
  }

  set(data) {
    this.data = data;
    const p = data?.corners?.length ? data.corners : data?.points ?? [];
    const n = p.length / 3;
    this.centre = [0, 1, 2].map((c) => { let sum = 0; for (let k = 0; k < n; k++) sum += p[3 * k + c]; return sum / Math.max(1, n); });
    this.later();
  }

  look(x, y, z) {
    const r = this.camera.rotation;
    const [a, b, c] = [x - this.centre[0], y - this.centre[1], z - this.centre[2]];
    return [r[0][0] * a + r[0][1] * b + r[0][2] * c, r[1][0] * a + r[1][1] * b + r[1][2] * c, r[2][0] * a + r[2][1] * b + r[2][2] * c];
  }

  // Half width and height in Angstrom of what is drawn, as it is turned now.
  extent() {
    if (!this.data) return [1, 1];
    let [w, h] = [1, 1];
    for (const list of [this.data.points, this.data.corners]) for (let k = 0; k < list.length; k += 3) {
      const [x, y] = this.look(list[k], list[k + 1], list[k + 2]);
      [w, h] = [Math.max(w, Math.abs(x)), Math.max(h, Math.abs(y))];
    }
    return [w + 0.8, h + 0.8];
  }

  draw() {
    const { canvas, data } = this;
    const box = canvas.getBoundingClientRect();
    const ratio = globalThis.devicePixelRatio || 1;
    if (!data || box.width < 4 || box.height < 4) return;
    const [w, h] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
    if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
    const g = canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, box.width, box.height);
    const scale = this.reach * this.camera.zoom;
    const at = (v) => [box.width / 2 + scale * v[0], box.height / 2 - scale * v[1]];
    const points = [];
    for (let k = 0; k < data.points.length; k += 3) points.push(this.look(data.points[k], data.points[k + 1], data.points[k + 2]));
    let [near, far] = [-Infinity, Infinity];
    for (const p of points) { near = Math.max(near, p[2]); far = Math.min(far, p[2]); }
    const page = rgb(this.pageColour());
    const fog = (z) => 0.5 * Math.min(1, Math.max(0, (near - z) / Math.max(near - far, 1e-6)));
    const tint = (colour, z, alpha = 1) => `rgba(${mixed(colour, page, fog(z)).map((x) => Math.round(255 * x)).join(",")},${alpha})`;
    const dark = document.body.getAttribute("data-jp-theme-light") === "false";
    const things = [];
    const line = (a, b, colour, width, alpha) => things.push({ z: (a[2] + b[2]) / 2, paint: (z) => {
      g.strokeStyle = tint(colour, z, alpha);
      g.lineWidth = width;
      g.beginPath(); g.moveTo(...at(a)); g.lineTo(...at(b)); g.stroke();
    } });
    const corner = [];
    for (let k = 0; k < data.corners.length; k += 3) corner.push(this.look(data.corners[k], data.corners[k + 1], data.corners[k + 2]));
    const grey = dark ? [0.62, 0.65, 0.7] : [0.42, 0.45, 0.5];
    if (corner.length === 8) for (const [a, b] of DRAWN_CORNERS) line(corner[a], corner[b], grey, 1.1, 1);
    const colours = data.colour.map(rgb);
    const bond = Math.max(1.5, 0.17 * scale);
    for (let k = 0; k < data.bonds.length; k += 2) {
      const [i, j] = [data.bonds[k], data.bonds[k + 1]];
      const middle = points[i].map((x, c) => (x + points[j][c]) / 2);
      line(points[i], middle, colours[i], bond, 1);
      line(middle, points[j], colours[j], bond, 1);
    }
    for (const p of data.polyhedra) {
      const colour = rgb(p.colour);
      for (let k = 0; k < p.tri.length; k += 3) {
        const [a, b, c] = [0, 1, 2].map((m) => points[p.tri[k + m]]);
        const [u, v] = [b.map((x, m) => x - a[m]), c.map((x, m) => x - a[m])];
        const normal = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
        const size = Math.hypot(...normal) || 1;
        const light = Math.abs(normal.reduce((sum, x, m) => sum + (x / size) * FLAT_LIGHT[m], 0));
        things.push({ z: (a[2] + b[2] + c[2]) / 3, paint: (z) => {
          g.fillStyle = tint(mixed(colour.map((x) => x * 0.72), colour.map((x) => x + (1 - x) * 0.25), light), z, 0.4);
          g.beginPath(); g.moveTo(...at(a)); g.lineTo(...at(b)); g.lineTo(...at(c)); g.closePath(); g.fill();
        } });
      }
      const rim = mixed(colour, dark ? [1, 1, 1] : [0, 0, 0], 0.25);
      for (let k = 0; k < p.edge.length; k += 2) line(points[p.edge[k]], points[p.edge[k + 1]], rim, 1, 0.75);
    }
    points.forEach((p, k) => things.push({ z: p[2] + 0.2, paint: () => {
      const [x, y] = at(p);
      const r = Math.max(2, data.radius[k] * scale);
      const shade = g.createRadialGradient(x - 0.35 * r, y - 0.4 * r, 0.1 * r, x, y, r);
      shade.addColorStop(0, tint(mixed(colours[k], [1, 1, 1], 0.65), p[2]));
      shade.addColorStop(0.45, tint(colours[k], p[2]));
      shade.addColorStop(1, tint(colours[k].map((c) => 0.55 * c), p[2]));
      g.fillStyle = shade;
      g.beginPath(); g.arc(x, y, r, 0, 2 * Math.PI); g.fill();
    } }));
    if (data.arrows) points.forEach((p, k) => {
      const s = 3 * data.site[k];
      const v = [data.arrows[s], data.arrows[s + 1], data.arrows[s + 2]];
      if (Math.hypot(...v) < 0.12) return;
      const r = this.camera.rotation.map((row) => row[0] * v[0] + row[1] * v[1] + row[2] * v[2]);
      things.push({ z: p[2] + r[2] + 0.6, paint: () => this.arrow(g, at(p), at(p.map((x, c) => x + r[c]))) });
    });
    things.sort((a, b) => a.z - b.z);
    for (const thing of things) thing.paint(thing.z);
    this.painted = { atoms: points.length, things: things.length, width: box.width, height: box.height };
  }

  arrow(g, [x1, y1], [x2, y2]) {
    const length = Math.hypot(x2 - x1, y2 - y1);
    if (length < 3) return;
    const [ux, uy] = [(x2 - x1) / length, (y2 - y1) / length];
    const head = Math.min(8, 0.5 * length);
    g.strokeStyle = g.fillStyle = "#d6336c";
    g.lineWidth = 2.2;
    g.beginPath(); g.moveTo(x1, y1); g.lineTo(x2 - head * ux, y2 - head * uy); g.stroke();
    g.beginPath(); g.moveTo(x2, y2);
    g.lineTo(x2 - head * ux + 0.5 * head * uy, y2 - head * uy - 0.5 * head * ux);
    g.lineTo(x2 - head * ux - 0.5 * head * uy, y2 - head * uy + 0.5 * head * ux);
    g.closePath(); g.fill();
  }

  // As #rrggbb, whatever the theme writes: a canvas reads every CSS colour and gives it back so.
  pageColour() {
    const g = this.canvas.getContext("2d");
    g.fillStyle = document.body.getAttribute("data-jp-theme-light") === "false" ? "#111111" : "#ffffff";
    g.fillStyle = getComputedStyle(this.canvas).getPropertyValue("--md-flat-page").trim();
    return /^#[0-9a-f]{6}$/.test(g.fillStyle) ? g.fillStyle : "#ffffff";
  }
}
