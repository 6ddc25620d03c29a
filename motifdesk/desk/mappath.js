// mappath.js: the latent path between two designs: its tab of the read-outs (ends, slider, play, files), its line on the map, and how
// far off the known structures the markers are.

const PLAY_MS = 140;

// The next click on a point of the map chooses an end of the path.
function pickPathEnd(link, point) {
  if (!link.picksEnd) return false;
  link.send({ op: "path", end: link.picksEnd, which: `known:${point.pointIndex ?? point.pointNumber}` });
  link.pickEnd?.(null);
  return true;
}

class PathSlider extends Slider {
  done() {
    clearTimeout(this.rest);
    this.pointer = false;
    if (!this.busy) return;
    this.busy = false;
    this.link.send({ op: "along", end: "release" });
  }

  cancel() {
    clearTimeout(this.rest);
    this.busy = this.pointer = false;
    this.link.send({ op: "along", end: "cancel" });
  }
}

// Residual of every image as a small curve over the slider: where the straight line of codes leaves what crystals are.
function pathChart() {
  const node = svg("svg", { class: "md-path-chart", viewBox: "0 0 100 26", preserveAspectRatio: "none", role: "img" });
  const floor = svg("line", { class: "md-path-floor", x1: 0, x2: 100, y1: 25, y2: 25 });
  const cut = svg("line", { class: "md-path-cut", y1: 0, y2: 26 });
  const curve = svg("polyline", { class: "md-path-curve" });
  const now = svg("line", { class: "md-path-now", y1: 0, y2: 26 });
  node.append(floor, cut, curve, now);
  const height = (r) => 25 - 23 * Math.min(1, Math.max(0, (Math.log10(Math.max(r, 1e-9)) + 8) / 8)); // 1e-8 (certified) to 1
  return {
    node,
    set(residuals, exchange) {
      const last = Math.max(1, residuals.length - 1);
      curve.setAttribute("points", residuals.map((r, k) => `${(100 * k) / last},${height(r)}`).join(" "));
      const at = exchange === null || exchange === undefined ? null : (100 * (exchange - 0.5)) / last;
      cut.style.display = at === null ? "none" : "";
      if (at !== null) { cut.setAttribute("x1", at); cut.setAttribute("x2", at); }
      node.setAttribute("aria-label", residuals.length ? `Residual of the images, at most ${Math.max(...residuals).toExponential(1)}` : "No path");
    },
    at(t) { now.setAttribute("x1", 100 * t); now.setAttribute("x2", 100 * t); },
  };
}

function pathView(link, signal) {
  const ends = {};
  const row = (end, letter, words) => {
    const which = select(`${words} of the path`, [["design", "the design now"]], "design", (v) => {
      file.style.display = v === "other" ? "" : "none";
      if (v === "other") file.focus();
      else if (v) link.send({ op: "path", end, which: v });
    });
    const file = element("input", { type: "text", class: "md-text", placeholder: "path of a structure file, then Enter", "aria-label": `Path of a structure file for ${letter}`, "data-lm-suppress-shortcuts": "true", spellcheck: "false" });
    file.style.display = "none";
    file.addEventListener("keydown", (e) => { if (e.key === "Enter" && file.value.trim()) link.send({ op: "path", end, which: file.value.trim() }); });
    const pick = element("button", { type: "button", class: "md-button md-toggle", "aria-pressed": "false", title: `Click a point of the map to make it ${letter}`, "aria-label": `Choose ${letter} by a click on the map`, onclick: () => link.pickEnd(link.picksEnd === end ? null : end) }, "on the map");
    ends[end] = { which, file, pick };
    return element("div", { class: "md-path-end" }, element("b", { class: `md-path-letter md-path-${end}` }, letter), which, file, pick);
  };
  const rows = [row("a", "A", "Beginning"), row("b", "B", "End")];
  link.picksEnd = null;
  link.pickEnd = (end) => {
    link.picksEnd = end;
    for (const name of ["a", "b"]) ends[name].pick.setAttribute("aria-pressed", String(end === name));
    link.map?.gd.classList.toggle("md-picking", Boolean(end));
  };
  const swap = button("⇅", "Exchange A and B", () => link.send({ op: "path", swap: true }), { class: "md-button md-path-swap" });
  const count = select("Images of the path", [["11", "11 images"], ["21", "21 images"], ["41", "41 images"]], "21", (v) => link.send({ op: "path", count: Number(v) }));
  const composition = segmented("Composition along the path", [["follow", "to B", "Both ends are the designs: where the species differ they are exchanged in the middle"], ["keep", "keep A's species", "The atoms of A all the way: with other species, as near to B's geometry as they come"]], (v) => link.send({ op: "path", composition: v }));
  const bar = element("progress", { class: "md-path-progress", max: 1, value: 0, "aria-label": "Images decoded" });
  const stop = button("Cancel", "Stop decoding the path", () => link.send({ op: "path", stop: true }));
  const busy = element("div", { class: "md-path-busy" }, element("span", {}, "decoding …"), bar, stop);
  const note = element("p", { class: "md-hint", role: "status", "aria-live": "polite" });
  const slider = new PathSlider(link, { key: "along", label: "from A to B", spoken: "Place on the path", hint: "0: A; 1: B. Every place is a decoded image", value: 0, min: 0, max: 1, step: 0.05, rest: 0, unit: "", digits: 2 }, { op: "along" });
  const chart = pathChart();
  const told = element("span", { class: "md-path-told" });
  let playing = null;
  const halt = (how) => {
    if (!playing) return;
    clearInterval(playing);
    playing = null;
    play.textContent = "▶ Play";
    if (how === "cancel") slider.cancel(); else slider.done();
  };
  const play = button("▶ Play", "Play from A to B; pause to keep the image shown, otherwise the design comes back", () => {
    if (playing) return halt("release");
    const last = count_of() - 1;
    let k = 0;
    play.textContent = "❚❚ Pause";
    slider.pointer = true;
    slider.moved(0);
    playing = setInterval(() => {
      if (link.waiting) return; // the page is still behind: no image is skipped
      k += 1;
      if (k > last) return halt("cancel");
      slider.moved(k / last);
      told_at(k / last);
    }, PLAY_MS);
  });
  signal.addEventListener("abort", () => clearInterval(playing));
  const folder = element("input", { type: "text", class: "md-text", value: "path", "aria-label": "Folder for the images of the path", "data-lm-suppress-shortcuts": "true", spellcheck: "false" });
  const format = select("Format of the images", [["cif", "CIF"], ["poscar", "POSCAR"], ["extxyz", "extXYZ"]], "cif", () => {});
  const write = button("Write images", "Write every image of the path as a numbered file", () => link.send({ op: "path", folder: folder.value, format: format.value }));
  const result = element("p", { class: "md-result", role: "status", "aria-live": "polite" });
  const files = element("div", { class: "md-row" }, format, "in", folder, write);
  const left = element("div", { class: "md-path-left" }, element("div", { class: "md-path-ends" }, element("div", { class: "md-path-rows" }, ...rows), swap), element("div", { class: "md-row" }, composition.node, count));
  const walk = element("div", { class: "md-path-walk", role: "group", "aria-label": "Walk along the path" }, slider.node, element("div", { class: "md-path-over" }, chart.node), element("div", { class: "md-row" }, play, told), files, result);
  const right = element("div", { class: "md-path-right" }, busy, note, walk);
  const node = element("div", { class: "md-path" }, left, right);

  const count_of = () => link.get("latentpath")?.residuals?.length ?? 2;
  const told_at = (t) => {
    const p = link.get("latentpath") ?? {};
    const k = Math.round(t * (count_of() - 1));
    const r = p.residuals?.[k];
    const far = p.percent?.[k];
    chart.at(t);
    told.textContent = r === undefined ? "" : [`residual ${r < 1e-12 ? "0" : r.toExponential(1)}`, far === null || far === undefined ? "" : `farther out than ${far.toFixed(0)} % of known structures`].filter(Boolean).join(" · ");
    told.title = "Residual: how far the image is from the straight line of codes (below 1e-8: it has that very code). Then: how far from known structures it lies";
  };
  slider.range.addEventListener("input", () => told_at(Number(slider.range.value)));
  link.on("latentpath", (p) => {
    const choices = p.choices ?? [["design", "the design now"]];
    for (const [end, { which, file }] of Object.entries(ends)) {
      const value = p[end] ?? "";
      fill(which, [...(value ? [] : [["", "choose …"]]), ...choices, ["other", "a file …"]], value);
      if (value) file.style.display = "none";
    }
    fill(count, (p.counts ?? [21]).map((n) => [String(n), `${n} images`]), String(p.count ?? 21));
    composition.set(p.composition ?? "follow");
    const ready = p.state === "ready";
    if (!ready && playing) { clearInterval(playing); playing = null; play.textContent = "▶ Play"; slider.busy = false; }
    busy.style.display = p.state === "decoding" ? "" : "none";
    bar.max = Math.max(1, p.total ?? 1);
    bar.value = p.done ?? 0;
    node.setAttribute("aria-busy", String(p.state === "decoding"));
    walk.classList.toggle("md-path-off", !ready);
    walk.setAttribute("aria-disabled", String(!ready));
    for (const control of [slider.range, slider.number, slider.zero, play, write]) control.disabled = !ready;
    note.textContent = p.error || (ready ? p.note : p.state === "decoding" ? "" : "Choose A and B: the design, a step of its history, a known structure (the list “Known”, or a click on the map), a file.");
    note.classList.toggle("md-wrong", Boolean(p.error));
    const step = ready ? 1 / (count_of() - 1) : 0.05;
    for (const control of [slider.range, slider.number]) control.step = step;
    slider.spec.digits = 2;
    slider.set(p.at ?? (ready ? Number(slider.range.value) : 0));
    chart.set(ready ? p.residuals : [], p.exchange);
    if (ready) told_at(Number(slider.range.value)); else told.textContent = "";
    result.textContent = p.text ?? "";
    result.dataset.level = p.level ?? "";
  }, signal);
  return node;
}

TABS.push({
  key: "path", label: "Path", title: "The way between two designs through the latent space: walk along it, write its images", size: "md-mid",
  make: pathView, look: (link, shown) => link.send({ op: "path", look: shown }),
});

// The path on the map: where its images really lie, with the two ends.
MAP_LAYERS.push((map) => {
  const group = svg("g", { class: "md-way" });
  const [line, after] = [0, 1].map(() => svg("polyline", { class: "md-way-line" }));
  const gap = svg("line", { class: "md-way-gap" }); // where atoms are exchanged nothing lies on the way
  const dots = svg("g", { class: "md-way-dots" });
  const letters = ["A", "B"].map((letter) => {
    const node = svg("g", { class: `md-way-end md-way-${letter.toLowerCase()}` });
    const text = svg("text", { "text-anchor": "middle", dy: "0.35em" });
    text.textContent = letter;
    node.append(svg("circle", { r: 8 }), text);
    return node;
  });
  group.append(line, after, gap, dots, ...letters);
  const layer = {
    place() {
      if (!group.isConnected) map.layer.prepend(group);
      const points = map.link.get("latentpath")?.line ?? [];
      group.style.display = points.length > 1 && map.axes() ? "" : "none";
      if (points.length < 2 || !map.axes()) return;
      const cut = map.link.get("latentpath").exchange;
      const at = points.map((p) => map.toPixel(p));
      const broken = cut !== null && cut !== undefined;
      const points_of = (part) => part.map((p) => p.join(",")).join(" ");
      line.setAttribute("points", points_of(broken ? at.slice(0, cut) : at));
      after.setAttribute("points", broken ? points_of(at.slice(cut)) : "");
      gap.style.display = broken ? "" : "none";
      if (broken) for (const [k, v] of Object.entries({ x1: at[cut - 1][0], y1: at[cut - 1][1], x2: at[cut][0], y2: at[cut][1] })) gap.setAttribute(k, v);
      dots.replaceChildren(...at.slice(1, -1).map(([cx, cy], k) => svg("circle", { cx, cy, r: 2.4, class: broken && k + 1 >= cut ? "md-way-later" : "" })));
      [at[0], at[at.length - 1]].forEach(([x, y], k) => letters[k].setAttribute("transform", `translate(${x} ${y})`));
    },
    dispose() { group.remove(); },
  };
  map.link.on("latentpath", () => layer.place(), map.controller.signal);
  return layer;
});

// How far off the known structures the design and the probe's target are.
MAP_LAYERS.push((map) => {
  const layer = {
    place() {
      const known = map.link.get("manifold") ?? {};
      const level = known.landed?.level ?? "";
      map.landed.dataset.level = level;
      map.tie.dataset.level = level;
      map.probe.dataset.level = known.target?.level ?? "";
      map.probe.title = known.target ? `Asked for: ${known.target.words}. Landed: ${known.landed.words}` : "Drag me over the map (or use the arrow keys): the structure follows";
    },
    dispose() {},
  };
  map.link.on("manifold", () => layer.place(), map.controller.signal);
  return layer;
});
