// hand.js: the hand on the structure pane. "box" draws a box around atoms, "move" drags what is picked in the plane of the screen,
// "add" puts an atom where it clicks. Without a mode the mouse turns the view, as ever.

const HAND_HINTS = { box: "drag a box around atoms; Shift adds", move: "drag what is picked; arrow keys step; Esc takes back", add: "click where the new atom goes" };

class StageHand {
  constructor(pane) {
    Object.assign(this, { pane, link: pane.link });
    const box = (this.box = pane.stage.viewer.container);
    this.band = element("div", { class: "md-band", "aria-hidden": "true" });
    this.note = element("div", { class: "md-hand-note", role: "status", "aria-live": "polite" });
    this.band.style.display = this.note.style.display = "none";
    pane.view.el.append(this.band, this.note);
    const { signal } = pane;
    // before NGL sees it: the view must not turn under the hand
    pane.view.el.addEventListener("mousedown", (e) => this.down(e), { capture: true, signal });
    window.addEventListener("mousemove", (e) => this.drag(e), { signal });
    window.addEventListener("mouseup", (e) => this.up(e), { signal });
    window.addEventListener("keydown", (e) => { if (e.key === "Escape" && this.start) { e.stopPropagation(); e.preventDefault(); this.let("cancel"); } }, { capture: true, signal });
    this.follow = () => { const mode = this.link.hand; this.note.textContent = HAND_HINTS[mode] ?? ""; this.note.style.display = mode ? "" : "none"; box.style.cursor = mode ? "crosshair" : ""; };
    this.link.hands.push(this.follow);
    this.follow();
  }

  canvas(e) {
    const r = this.pane.stage.viewer.renderer.domElement.getBoundingClientRect();
    return { x: e.clientX - r.left, y: r.height - (e.clientY - r.top), inside: e.clientX >= r.left && e.clientX <= r.right && e.clientY >= r.top && e.clientY <= r.bottom };
  }

  at(xyz) { return this.pane.stage.viewerControls.getPositionOnCanvas(new this.pane.NGL.Vector3(...xyz)); }

  // The shortest vector (Å) that moves a point by so many pixels: it lies in the plane of the screen.
  across(origin, dx, dy) {
    const p = this.at(origin);
    const [ex, ey, ez] = [0, 1, 2].map((c) => this.at(origin.map((v, k) => v + (k === c ? 1 : 0))));
    const a = [ex.x - p.x, ey.x - p.x, ez.x - p.x];
    const b = [ex.y - p.y, ey.y - p.y, ez.y - p.y];
    const dot = (u, v) => u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
    const [aa, ab, bb] = [dot(a, a), dot(a, b), dot(b, b)];
    const det = aa * bb - ab * ab;
    const [s, t] = [(bb * dx - ab * dy) / det, (aa * dy - ab * dx) / det];
    return a.map((v, c) => s * v + t * b[c]);
  }

  picked() { return (this.link.get("highlight")?.atoms ?? []).filter((k) => k < this.pane.scene.site.length); }

  middle() {
    const { points, scene } = this.pane;
    const these = this.picked().length ? this.picked() : scene.site.map((_, k) => k);
    const sum = [0, 0, 0];
    for (const k of these) for (let c = 0; c < 3; c++) sum[c] += points[3 * k + c] / these.length;
    return sum;
  }

  down(e) {
    const mode = this.link.hand ?? (e.shiftKey ? "box" : null); // Shift and drag draws a box without the button
    if (!mode || e.button !== 0 || !this.pane.scene || !this.box.contains(e.target)) return;
    const here = this.canvas(e);
    if (!here.inside) return;
    if (mode === "move" && !this.link.get("highlight")?.movable) { this.note.textContent = "pick atoms or a motif first"; return; }
    if (this.link.hand) { // with Shift alone NGL sees the press too: it turns nothing then, and a click still picks
      e.stopPropagation();
      e.preventDefault();
    }
    this.start = { ...here, mode, shift: e.shiftKey, origin: this.middle() };
    this.last = here;
  }

  drag(e) {
    if (!this.start) return;
    this.last = this.canvas(e);
    const { mode, x, y, origin } = this.start;
    if (mode === "move") this.link.live({ op: "move_sites", shift: this.across(origin, this.last.x - x, this.last.y - y) });
    else if (mode === "box") {
      const height = this.pane.stage.viewer.renderer.domElement.getBoundingClientRect().height;
      Object.assign(this.band.style, { display: "", left: `${Math.min(x, this.last.x)}px`, width: `${Math.abs(x - this.last.x)}px`, top: `${height - Math.max(y, this.last.y)}px`, height: `${Math.abs(y - this.last.y)}px` });
    }
  }

  up(e) {
    if (!this.start) return;
    const { mode, x, y, shift, origin } = this.start;
    const end = this.canvas(e);
    if (mode === "box") {
      const { scene, points } = this.pane;
      const within = (v, a, b) => v >= Math.min(a, b) && v <= Math.max(a, b);
      const inside = scene.site.filter((_, k) => { if (!scene.radius[k]) return false; const p = this.at([...points.subarray(3 * k, 3 * k + 3)]); return within(p.x, x, end.x) && within(p.y, y, end.y); });
      if (Math.hypot(end.x - x, end.y - y) > 3) this.link.send({ op: "sites", pick: [...new Set(inside)], how: shift ? "add" : "set" });
    } else if (mode === "add") {
      const p = this.at(origin);
      const far = this.across(origin, end.x - p.x, end.y - p.y);
      const element_ = this.link.newElement?.();
      if (element_) this.link.send({ op: "add_atom", element: element_, position: origin.map((v, c) => v + far[c]) });
      else this.note.textContent = "say which element under Sites first";
    }
    this.let("release");
  }

  let(how) {
    if (this.start?.mode === "move") this.link.send({ op: "end_sites", how });
    this.start = null;
    this.band.style.display = "none";
  }

  // arrow keys in move mode: a step in the plane of the screen; PageUp and PageDown towards the eye and away
  key(e) {
    if (e.key === "Escape" && this.link.hand) { this.link.setHand(null); return true; }
    if (this.link.hand !== "move" || !this.link.get("highlight")?.movable) return false;
    const way = { ArrowLeft: [-1, 0, 0], ArrowRight: [1, 0, 0], ArrowUp: [0, 1, 0], ArrowDown: [0, -1, 0], PageUp: [0, 0, 1], PageDown: [0, 0, -1] }[e.key];
    if (!way) return false;
    const turn = this.pane.stage.viewerControls.rotation.clone().conjugate?.() ?? null;
    const v = new this.pane.NGL.Vector3(...way).applyQuaternion(turn);
    const step = this.link.handStep ?? 0.05;
    this.link.send({ op: "shift_sites", shift: [v.x * step, v.y * step, v.z * step] });
    return true;
  }

  detach() { this.band.remove(); this.note.remove(); const k = this.link.hands.indexOf(this.follow); if (k >= 0) this.link.hands.splice(k, 1); }
}

// Look along a direction of the cell; the camera moves only when asked.
function lookAlong(pane, name) {
  const { NGL, cell } = pane;
  const rows = [0, 3, 6].map((k) => new NGL.Vector3(...(pane.scene.cell ? cell.subarray(k, k + 3) : [Number(k === 0), Number(k === 3), Number(k === 6)])));
  const k = "abc".indexOf(name[0]);
  const cross = (u, v) => new NGL.Vector3().crossVectors(u, v);
  const z = (name.endsWith("*") ? cross(rows[(k + 1) % 3], rows[(k + 2) % 3]) : rows[k].clone()).normalize();
  const guide = rows[(k + 1) % 3].clone();
  const x = guide.sub(z.clone().multiplyScalar(guide.dot(z))).normalize();
  const y = cross(z, x);
  const turn = new NGL.Matrix4().set(x.x, x.y, x.z, 0, y.x, y.y, y.z, 0, z.x, z.y, z.z, 0, 0, 0, 0, 1);
  pane.stage.viewerControls.rotate(new NGL.Quaternion().setFromRotationMatrix(turn));
}

// The buttons of the structure's tool row.
function handButtons(link, signal) {
  const toggle = (mode, text, title) => element("button", { type: "button", class: "md-button md-toggle", "aria-pressed": "false", title, onclick: () => link.setHand(link.hand === mode ? null : mode) }, text);
  const box = toggle("box", "Box", "Box: drag a box around atoms to pick them; Shift adds");
  const move = toggle("move", "Move", "Move: drag the picked atoms or motif in the plane of the screen; arrow keys make steps");
  const along = select("Look along a direction of the cell", [["", "look …"], ["a", "along a"], ["b", "along b"], ["c", "along c"], ["a*", "along a*"], ["b*", "along b*"], ["c*", "along c*"]], "", (v) => { if (v && link.pane?.scene) lookAlong(link.pane, v); along.value = ""; });
  link.hands.push(() => { box.setAttribute("aria-pressed", String(link.hand === "box")); move.setAttribute("aria-pressed", String(link.hand === "move")); });
  return element("span", { class: "md-hand-tools" }, box, move, along);
}
