// energy.js: energies and relaxation by a calculator: fields, buttons, figures, and a chart that grows with the steps.

const drawnNode = (tag, attributes = {}, ...children) => {
  const node = svg(tag, attributes);
  node.append(...children);
  return node;
};

// round numbers between low and high, about `count` of them
function roundTicks(low, high, count) {
  const span = high - low || 1;
  const raw = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const found = [];
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + 1e-9 * span; v += step) found.push([v, (Math.abs(v) < step / 1e6 ? 0 : v).toFixed(digits)]);
  return found;
}

// Powers of ten and their halves for an axis of logarithms
function powerTicks(low, high) {
  const found = [];
  for (let p = Math.floor(Math.log10(low)); p <= Math.ceil(Math.log10(high)); p++) {
    for (const m of [1, 2, 5]) {
      const v = m * 10 ** p;
      if (v >= low * 0.999 && v <= high * 1.001) found.push([v, String(Number(v.toPrecision(1)))]);
    }
  }
  return found.length > 5 ? found.filter(([v]) => Math.abs(Math.log10(v) - Math.round(Math.log10(v))) < 1e-6) : found;
}

// Energy and largest force over the steps, one above the other over one axis.
class StepChart {
  constructor() {
    this.svg = drawnNode("svg", { class: "md-steps-chart", role: "img", "aria-label": "Energy and largest force over the steps of the relaxation" });
    this.tip = element("div", { class: "md-chart-tip", "aria-hidden": "true" });
    this.empty = element("p", { class: "md-chart-empty" }, "Relax, and the energy and the largest force are drawn here step by step.");
    this.node = element("div", { class: "md-chart-box" }, this.empty, this.svg, this.tip);
    new ResizeObserver(() => this.draw()).observe(this.node);
    this.svg.addEventListener("pointermove", (e) => this.hover(e.offsetX));
    this.svg.addEventListener("pointerleave", () => this.hover(null));
  }

  set(chart, steps) {
    this.chart = chart;
    this.limit = steps;
    this.draw();
  }

  draw() {
    const { chart } = this;
    const [w, h] = [this.node.clientWidth, this.node.clientHeight];
    const shown = Boolean(chart?.step?.length);
    this.empty.style.display = shown ? "none" : "";
    this.svg.style.display = shown ? "" : "none";
    if (!shown || w < 60 || h < 60) return;
    const left = 46;
    const right = w - 10;
    const last = Math.max(5, chart.step.at(-1));
    const x = (step) => left + ((right - left) * step) / last;
    const foot = h - 18;
    const half = (foot - 16) / 2;
    const parts = [
      this.panel("md-line-energy", "energy, meV/atom from the first step", 14, half - 12, chart.energy, x, { left, right, log: false }),
      this.panel("md-line-force", "largest force, eV/Å", 14 + half + 8, half - 12, chart.force, x, { left, right, log: true, line: chart.fmax }),
    ];
    const axis = drawnNode("g", { class: "md-axis" }, ...roundTicks(0, last, Math.min(8, Math.floor((right - left) / 50))).filter(([v]) => Number.isInteger(v)).map(([v, text]) => drawnNode("text", { x: x(v), y: h - 5, "text-anchor": "middle" }, text)));
    this.guide = drawnNode("line", { class: "md-guide", y1: 12, y2: foot, x1: -9, x2: -9 });
    this.svg.setAttribute("viewBox", `0 0 ${w} ${h}`);
    this.svg.setAttribute("width", w);
    this.svg.setAttribute("height", h);
    this.svg.replaceChildren(axis, ...parts, this.guide);
    this.x = x;
    this.svg.setAttribute("aria-label", `Relaxation, ${chart.step.at(-1)} steps: energy ${chart.energy.at(-1)} meV/atom from the first, largest force ${chart.force.at(-1)} eV/Å where ${chart.fmax} is asked for`);
  }

  panel(kind, title, top, height, values, x, { left, right, log, line }) {
    const all = line ? [...values, line] : values;
    let [low, high] = [Math.min(...all), Math.max(...all)];
    if (log) { low = Math.max(low, 1e-5) / 1.25; high = Math.max(high, 1e-5) * 1.25; }
    else { const room = Math.max(0.06 * (high - low), 0.02); low -= room; high += room; }
    const scale = log ? (v) => Math.log(Math.max(v, low) / low) / Math.log(high / low) : (v) => (v - low) / (high - low);
    const y = (v) => top + height * (1 - scale(v));
    const ticks = log ? powerTicks(low, high) : roundTicks(low, high, Math.max(2, Math.floor(height / 26)));
    const grid = ticks.flatMap(([v, text]) => [drawnNode("line", { x1: left, x2: right, y1: y(v), y2: y(v) }), drawnNode("text", { x: left - 5, y: y(v) + 3.5, "text-anchor": "end" }, text)]);
    const points = values.map((v, k) => `${x(this.chart.step[k]).toFixed(1)},${y(v).toFixed(1)}`);
    const drawn = [drawnNode("g", { class: "md-axis" }, ...grid, drawnNode("text", { class: "md-axis-title", x: left, y: top - 4 }, title))];
    if (line) drawn.push(drawnNode("line", { class: "md-goal", x1: left, x2: right, y1: y(line), y2: y(line) }), drawnNode("text", { class: "md-goal-name", x: right, y: top - 4, "text-anchor": "end" }, `– –  relaxed below ${line}`));
    drawn.push(drawnNode("polyline", { class: kind, points: points.join(" ") }));
    const [cx, cy] = points.at(-1).split(",");
    drawn.push(drawnNode("circle", { class: kind, cx, cy, r: 3 }));
    return drawnNode("g", {}, ...drawn);
  }

  hover(at) {
    const { chart } = this;
    if (at === null || !chart?.step?.length || !this.x) { this.tip.style.display = "none"; this.guide?.setAttribute("x1", -9); this.guide?.setAttribute("x2", -9); return; }
    let best = 0;
    chart.step.forEach((s, k) => { if (Math.abs(this.x(s) - at) < Math.abs(this.x(chart.step[best]) - at)) best = k; });
    const place = this.x(chart.step[best]);
    for (const name of ["x1", "x2"]) this.guide.setAttribute(name, place);
    this.tip.textContent = `step ${chart.step[best]}: ${chart.energy[best].toFixed(2)} meV/atom, ${chart.force[best].toPrecision(3)} eV/Å`;
    this.tip.style.display = "block";
    this.tip.style.left = `${Math.max(46, Math.min(place + 8, this.node.clientWidth - this.tip.offsetWidth - 4))}px`;
  }
}

function energyView(link, signal) {
  const field = (label, unit, attributes, title) => {
    const input = element("input", { class: "md-text", "aria-label": `${label}${unit ? `, ${unit}` : ""}`, title, "data-lm-suppress-shortcuts": "true", spellcheck: "false", ...attributes });
    return { input, node: element("label", { class: "md-field-inline", title }, element("span", {}, label), input, unit ? element("span", {}, unit) : null) };
  };
  const names = element("datalist", { id: `md-calculators-${Math.random().toString(36).slice(2)}` }, ...["chgnet", "distilled"].map((name) => element("option", { value: name })));
  const calculator = field("by", "", { type: "text", value: "chgnet", "aria-label": "Calculator", list: names.id }, "chgnet, distilled (fast, rougher), or module:Class of any ASE calculator (naming a module runs its code)");
  const fmax = field("until force <", "eV/Å", { type: "number", value: 0.05, min: 0, step: 0.01 }, "Relaxed when no force is larger, the cell's included");
  const steps = field("steps", "", { type: "number", value: 200, min: 0, step: 10 }, "Steps at most; a relaxation that needs more is called not relaxed");
  let free = true;
  const cell = segmented("The cell in a relaxation", [["free", "cell free", "The cell relaxes with the atoms"], ["fixed", "fixed", "Only the atoms move"]], (v) => { free = v === "free"; cell.set(v); });
  cell.set("free");
  const asked = () => ({ calculator: calculator.input.value.trim() || "chgnet", fmax: fmax.input.valueAsNumber, steps: steps.input.valueAsNumber, cell: free });
  // only what is no number: ranges are Python's, whose sentence names them
  const wrong = () => [fmax, steps].find((f) => !Number.isFinite(f.input.valueAsNumber));
  const send = (what, more = {}) => {
    const bad = what === "relax" ? wrong() : null;
    if (bad) {
      said.textContent = `${bad.input.getAttribute("aria-label")}: give a number`;
      said.dataset.level = "bad";
      bad.input.focus();
      return;
    }
    link.send({ op: "energy", what, ...more });
  };
  const evaluate = button("Energy", "Energy, forces and stress of the design as it is", () => send("evaluate", { calculator: asked().calculator }));
  const relax = button("Relax", "Relax the design; the stage follows, and the end is one step of the history", () => send("relax", asked()), { class: "md-button md-primary" });
  const keep = button("Keep this frame", "Stop here and keep the frame shown as a step, called not relaxed", () => send("keep"));
  const cancel = button("Cancel", "Stop, and go back to the design as it was (Escape)", () => send("cancel"));
  const clock = element("span", { class: "md-run" });
  const bar = element("progress", { class: "md-progress", max: 1, "aria-label": "Steps of the relaxation" });
  const said = element("p", { class: "md-energy-said", role: "status", "aria-live": "polite" });
  const rows = element("dl", { class: "md-facts-list" });
  const chart = new StepChart();
  const left = element("div", { class: "md-energy-left" },
    element("div", { class: "md-energy-fields" }, calculator.node, fmax.node, steps.node, cell.node, names),
    element("div", { class: "md-row md-energy-buttons" }, evaluate, relax, keep, cancel, clock), bar, said, rows);
  const node = element("div", { class: "md-energy" }, left, chart.node);
  node.addEventListener("keydown", (e) => {
    if (e.key === "Escape" && link.get("energy")?.busy) { e.preventDefault(); e.stopPropagation(); send("cancel"); }
  });
  const tell = () => {
    const e = link.get("energy") ?? {};
    clock.textContent = e.busy ? [e.phase, e.busy === "relax" && e.step !== undefined ? `step ${e.step} of ${e.steps}` : "", elapsed(e.since)].filter(Boolean).join(" · ") : "";
  };
  const ticking = setInterval(tell, 1000);
  signal.addEventListener("abort", () => clearInterval(ticking));
  link.on("energy", (e) => {
    const busy = Boolean(e.busy);
    for (const control of [evaluate, relax, calculator.input, fmax.input, steps.input]) control.disabled = busy;
    cell.node.classList.toggle("md-energy-off", busy);
    // what a button did keeps the focus on its successor
    const focused = [evaluate, relax, keep, cancel].includes(document.activeElement) || node.dataset.held === "1";
    keep.style.display = e.keep ? "" : "none";
    cancel.style.display = busy ? "" : "none";
    if (focused && busy) cancel.focus();
    else if (focused && !busy && document.activeElement !== keep) relax.focus();
    bar.style.display = e.busy === "relax" ? "" : "none";
    if (e.step) bar.value = e.step / (e.steps || 1); else bar.removeAttribute("value");
    tell();
    said.textContent = e.text ?? "";
    said.dataset.level = e.level ?? "";
    node.classList.toggle("md-energy-stale", Boolean(e.stale));
    rows.replaceChildren(...(e.rows ?? []).map((r) => element("div", { class: "md-fact", title: r.title }, element("dt", {}, r.label), element("dd", { "data-level": r.level || null }, r.value))));
    rows.setAttribute("aria-label", e.stale ? "Figures of an earlier design" : "Figures of the design");
    chart.set(e.chart, e.steps);
    chart.node.classList.toggle("md-past", Boolean(e.past));
  }, signal);
  return node;
}

function elapsed(since) {
  if (!since) return "";
  const s = Math.max(0, Math.round(Date.now() / 1000 - since));
  return s < 60 ? `${s} s` : `${Math.floor(s / 60)} min ${s % 60} s`;
}

TABS.push({ key: "energy", label: "Energy", title: "Energy, forces and stress by a calculator; relaxation", size: "md-mid", make: energyView });
