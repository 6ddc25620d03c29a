// diffraction.js: the powder pattern of the design against that of another structure: sticks on two sides of one axis or on top of each
// other, indices under the pointer and in a table that the keyboard walks through.

class PowderChart {
  constructor(light) {
    this.light = light;
    this.svg = drawnNode("svg", { class: "md-powder", role: "img", "aria-label": "Powder pattern" });
    this.tip = element("div", { class: "md-chart-tip", "aria-hidden": "true" });
    this.node = element("div", { class: "md-chart-box" }, this.svg, this.tip);
    this.mirrored = true;
    this.root = false;
    new ResizeObserver(() => this.draw()).observe(this.node);
    this.svg.addEventListener("pointermove", (e) => this.hover(e.offsetX, e.offsetY));
    this.svg.addEventListener("pointerleave", () => this.show(null));
  }

  set(d) { this.d = d; this.draw(); }

  draw() {
    const { d } = this;
    const [w, h] = [this.node.clientWidth, this.node.clientHeight];
    this.svg.style.display = d?.design ? "" : "none";
    this.show(null);
    if (!d?.design || w < 60 || h < 60) return;
    const [left, right, top, foot] = [8, w - 10, 14, h - 18];
    const two = Boolean(d.against);
    const split = two && this.mirrored;
    const [low, high] = d.range;
    const x = (angle) => left + ((right - left) * (angle - low)) / (high - low);
    const base = split ? top + (foot - top) * 0.58 : foot;
    const tall = (i) => (this.root ? Math.sqrt(i / 100) : i / 100);
    const up = (i) => (base - top) * tall(i);
    const down = (i) => (foot - base) * tall(i);
    this.sides = [{ peaks: d.design.peaks, kind: "md-peak", y: (i) => base - up(i) }];
    if (two) this.sides.push({ peaks: d.against.peaks, kind: "md-peak-other", y: split ? (i) => base + down(i) : (i) => base - up(i) });
    Object.assign(this, { x, base });
    const sticks = this.sides.map(({ peaks, kind, y }) => drawnNode("path", { class: kind, d: peaks.map(([a, , i]) => `M${x(a).toFixed(1)} ${base.toFixed(1)}V${y(i).toFixed(1)}`).join("") }));
    const axis = drawnNode("g", { class: "md-axis" }, drawnNode("line", { class: "md-base", x1: left, x2: right, y1: base, y2: base }),
      ...roundTicks(low, high, Math.floor((right - left) / 60)).flatMap(([v, text]) => [drawnNode("line", { x1: x(v), x2: x(v), y1: top, y2: foot }), drawnNode("text", { x: x(v), y: h - 5, "text-anchor": "middle" }, `${text}°`)]));
    // the indices of strong peaks, where there is room for them
    const names = [];
    const taken = [];
    for (const [a, , i, hkl] of [...d.design.peaks].sort((p, q) => q[2] - p[2]).slice(0, 14)) {
      const text = hkl.length > 11 ? `${hkl.split(", ")[0]} …` : hkl;
      const reach = 3.2 * text.length + 3;
      const place = Math.min(Math.max(x(a), left + reach), right - reach);
      if (i < 4 || taken.some(([b, r]) => Math.abs(b - place) < r + reach)) continue;
      taken.push([place, reach]);
      names.push(drawnNode("text", { x: place, y: Math.max(10, this.sides[0].y(i) - 4), "text-anchor": "middle" }, text));
    }
    this.mark = drawnNode("circle", { class: "md-peak-mark", r: 4, cx: -9, cy: -9 });
    this.svg.setAttribute("viewBox", `0 0 ${w} ${h}`);
    this.svg.setAttribute("width", w);
    this.svg.setAttribute("height", h);
    this.svg.replaceChildren(axis, ...sticks.reverse(), drawnNode("g", { class: "md-peak-names" }, ...names), this.mark);
    const strongest = [...d.design.peaks].sort((p, q) => q[2] - p[2]).slice(0, 3).map(([a, , , hkl]) => `${hkl} at ${a.toFixed(2)}°`);
    this.svg.setAttribute("aria-label", `Powder pattern of ${d.design.title}, ${d.design.peaks.length} peaks, strongest ${strongest.join("; ")}${two ? `; below it that of ${d.against.title}` : ""}. The table lists all.`);
  }

  hover(px, py) {
    if (!this.sides || !this.d?.design) return;
    let best = [9, null];
    this.sides.forEach((side, s) => {
      if (s === 1 && this.mirrored ? py < this.base : this.sides.length > 1 && this.mirrored && py > this.base) return;
      side.peaks.forEach((peak, k) => {
        // the taller of two neighbours is meant, unless the other is under the pointer
        const far = Math.abs(this.x(peak[0]) - px) - Math.min(3, peak[2] / 10);
        if (far < best[0]) best = [far, [s, k]];
      });
    });
    this.show(best[1]);
    this.light(best[1]);
  }

  // mark peak [side, index] and say what it is; null: none
  show(which) {
    this.tip.style.display = which ? "block" : "none";
    if (!which || !this.sides) { this.mark?.setAttribute("cx", -9); return; }
    const side = this.sides[which[0]];
    const peak = side?.peaks[which[1]];
    if (!peak) return;
    const [angle, d, i, hkl, many] = peak;
    this.mark.setAttribute("cx", this.x(angle));
    this.mark.setAttribute("cy", side.y(i));
    this.tip.textContent = `${which[0] ? this.d.against.title : "design"}: ${hkl} · ${angle.toFixed(2)}° · d ${d.toFixed(3)} Å · ${i.toFixed(1)} % · ×${many}`;
    this.tip.style.left = `${Math.max(4, Math.min(this.x(angle) + 8, this.node.clientWidth - this.tip.offsetWidth - 4))}px`;
  }
}

function diffractionView(link, signal) {
  const ask = (more) => link.send({ op: "diffraction", ...more });
  const radiation = select("Radiation", [["CuKa", "Cu Kα"]], "CuKa", (v) => ask({ radiation: v }));
  const beside = select("Structure whose pattern is drawn beside the design's", [["previous", "the step before"]], "previous", (v) => ask({ beside: v }));
  const highest = element("input", { type: "number", class: "md-text md-angle", value: 90, min: 10, max: 170, step: 5, "aria-label": "Highest angle 2θ, degrees", title: "Highest angle 2θ", "data-lm-suppress-shortcuts": "true" });
  highest.addEventListener("change", () => { const asked = highest.valueAsNumber; highest.value = String(Number.isFinite(asked) ? Math.min(Math.max(asked, 10), 170) : 90); ask({ highest: highest.valueAsNumber }); });
  const how = segmented("How the two patterns are drawn", [["mirrored", "mirrored", "The other pattern hangs below the axis"], ["overlaid", "overlaid", "Both patterns stand on the axis"]], (v) => { how.set(v); chart.mirrored = v === "mirrored"; chart.draw(); });
  how.set("mirrored");
  const scale = segmented("Heights of the peaks", [["linear", "I", "Heights are intensities"], ["root", "√I", "Heights are roots of intensities: weak peaks, such as those of a superstructure, become visible"]], (v) => { scale.set(v); chart.root = v === "root"; chart.draw(); });
  scale.set("linear");
  const wavelength = element("span", { class: "md-dim" });
  const key = element("div", { class: "md-legend", "aria-hidden": "true" });
  const text = element("p", { class: "md-hint", role: "status", "aria-live": "polite" });
  const body = element("tbody");
  const head = (name, title, kind) => element("th", { scope: "col", title, class: kind }, name);
  const table = element("table", { class: "md-change-table md-peaks", "aria-label": "Peaks of the design; arrow keys go from one to the next" },
    element("thead", {}, element("tr", {}, head("hkl", "families of planes, in the design's cell"), head("2θ", "degrees", "md-number"), head("d, Å", "distance of the planes", "md-number"), head("I, %", "of the strongest peak", "md-number"), head("other", "intensity of the same peak of the other structure; bold: a peak that it does not have", "md-number"))), body);
  const list = element("div", { class: "md-peak-list" }, table);
  let now = 0;
  const light = (which) => {
    for (const row of body.children) row.removeAttribute("aria-selected");
    if (which?.[0] !== 0) return;
    const row = body.children[which[1]];
    row?.setAttribute("aria-selected", "true");
    if (row && !list.contains(document.activeElement)) list.scrollTop = row.offsetTop - list.clientHeight / 2;
  };
  const chart = new PowderChart(light);
  const focus = (k) => {
    const rows = [...body.children];
    if (!rows.length) return;
    now = Math.max(0, Math.min(rows.length - 1, k));
    rows.forEach((row, n) => { row.tabIndex = n === now ? 0 : -1; });
    rows[now].focus();
  };
  body.addEventListener("keydown", (e) => {
    const to = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: body.children.length - 1, PageDown: now + 10, PageUp: now - 10 }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    e.stopPropagation();
    focus(to);
  });
  const node = element("div", { class: "md-diffraction" },
    element("div", { class: "md-change-bar" }, radiation, wavelength, element("span", {}, "2θ to"), highest, element("span", {}, "against"), beside, how.node, scale.node, element("span", { class: "md-grow" }), key), text,
    element("div", { class: "md-powder-body" }, chart.node, list));
  link.on("diffraction", (d) => {
    fill(radiation, d.radiations ?? [["CuKa", "Cu Kα"]], d.radiation ?? "CuKa");
    fill(beside, d.choices ?? [["previous", "the step before"]], d.beside ?? "previous");
    if (d.range && document.activeElement !== highest) highest.value = d.range[1];
    wavelength.textContent = d.wavelength ?? "";
    text.textContent = d.text ?? (d.design ? "" : "computing …");
    node.classList.toggle("md-powder-stale", Boolean(d.stale));
    node.setAttribute("aria-busy", String(Boolean(d.stale)));
    how.node.style.display = d.against ? "" : "none";
    list.style.display = d.design ? "" : "none";
    key.replaceChildren(...[[d.design, "md-key-design", "design"], [d.against, "md-key-other", d.against?.title]].filter(([p]) => p).map(([, kind, name]) => element("span", { class: kind, title: name }, name)));
    const others = new Map((d.against?.peaks ?? []).flatMap((p) => p[3].split(", ").map((hkl) => [hkl, p])));
    const held = body.contains(document.activeElement);
    body.replaceChildren(...(d.design?.peaks ?? []).map(([angle, spacing, i, hkl], k) => {
      const other = hkl.split(", ").map((h) => others.get(h)).find(Boolean);
      const novel = d.against && !other;
      const cells = [[angle.toFixed(2)], [spacing.toFixed(3)], [i.toFixed(1)], [d.against ? (other ? other[2].toFixed(1) : "—") : ""]];
      const row = element("tr", { class: novel ? "md-primary-mode" : null, tabindex: k === now ? "0" : "-1", "data-lm-suppress-shortcuts": "true", onfocus: () => { now = k; chart.show([0, k]); light([0, k]); }, onpointerenter: () => { chart.show([0, k]); light([0, k]); } }, element("th", { scope: "row", title: hkl }, hkl), ...cells.map(([t]) => element("td", { class: "md-number" }, t)));
      return row;
    }));
    if (now >= body.children.length) now = 0;
    if (body.children[now]) body.children[now].tabIndex = 0;
    chart.set(d);
    if (held) focus(now);
  }, signal);
  return node;
}

TABS.push({
  key: "diffraction", label: "XRD", title: "X-ray powder pattern of the design against another structure's", size: "md-mid",
  make: diffractionView, look: (link, shown) => link.send({ op: "diffraction", shown }), // computed only while it is looked at
});
