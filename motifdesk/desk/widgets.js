// widgets.js: buttons, choices and sliders that every panel is made of.

const button = (label, title, onclick, attributes = {}) => element("button", { type: "button", class: "md-button", title, "aria-label": title, onclick, ...attributes }, label);

const select = (label, options, value, onchange) => {
  const node = element("select", { "aria-label": label, title: label, class: "md-select", "data-lm-suppress-shortcuts": "true", onchange: (e) => onchange(e.target.value) });
  fill(node, options, value);
  return node;
};

const fill = (node, options, value) => {
  const signature = JSON.stringify(options);
  if (node.dataset.options !== signature) {
    node.replaceChildren(...options.map(([v, text]) => element("option", { value: v }, text)));
    for (const [k, [v]] of options.entries()) node.options[k].value = v;
    node.dataset.options = signature;
  }
  if (node.value !== String(value)) node.value = String(value);
};

const segmented = (label, options, onchoose) => {
  const group = element("div", { class: "md-segmented", role: "radiogroup", "aria-label": label });
  const buttons = options.map(([value, text, title]) => {
    const b = element("button", { type: "button", role: "radio", title, "aria-label": title, onclick: () => onchoose(value) }, text);
    b.dataset.value = value;
    return b;
  });
  group.append(...buttons);
  group.addEventListener("keydown", (e) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (!step) return;
    e.preventDefault();
    e.stopPropagation();
    const now = buttons.findIndex((b) => b.getAttribute("aria-checked") === "true");
    const next = buttons[(now + step + buttons.length) % buttons.length];
    next.focus();
    onchoose(next.dataset.value);
  });
  return { node: group, set: (value) => buttons.forEach((b) => {
    b.setAttribute("aria-checked", String(b.dataset.value === value));
    b.tabIndex = b.dataset.value === value ? 0 : -1;
  }) };
};

// A line drawing of 12 x 12 in the colour of the text.
const sign = (way) => {
  const [svg, path] = ["svg", "path"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  for (const [key, value] of Object.entries({ viewBox: "0 0 12 12", width: 12, height: 12, "aria-hidden": "true" })) svg.setAttribute(key, value);
  for (const [key, value] of Object.entries({ d: way, fill: "none", stroke: "currentColor", "stroke-width": 1.3, "stroke-linecap": "round" })) path.setAttribute(key, value);
  svg.append(path);
  return svg;
};

// A slider with its number. Live while it moves; one step of the history when the pointer is released, or after a rest of the keys.
class Slider {
  constructor(link, spec, live) {
    Object.assign(this, { link, spec, live, busy: false });
    const common = { step: spec.step, min: spec.min, max: spec.max, "data-lm-suppress-shortcuts": "true" };
    this.range = element("input", { type: "range", ...common, "aria-label": `${spec.spoken ?? spec.label} in ${spec.unit || "units"}` });
    this.number = element("input", { type: "number", ...common, "aria-label": `${spec.spoken ?? spec.label}, numeric` });
    this.name = element("span", { class: "md-name", title: spec.hint || spec.label }, spec.label);
    this.tag = element("span", { class: "md-irrep" }, spec.irrep || "");
    this.lead = element("span", { class: "md-lead" });
    this.zero = element("button", { type: "button", class: "md-zero", title: `Reset ${spec.label}`, "aria-label": `Reset ${spec.label}` }, "↺");
    this.node = element("div", { class: "md-slider" }, this.tag, this.name, this.lead, this.number, this.zero, this.range);
    if (spec.locked !== undefined) this.node.insertBefore(this.tieButtons(), this.number);
    this.node.dataset.key = spec.key;
    this.range.addEventListener("pointerdown", (e) => { this.pointer = true; this.busy = true; this.held = -e.timeStamp; });
    this.range.addEventListener("pointerup", (e) => { this.held += e.timeStamp; });
    this.range.addEventListener("input", () => this.moved(Number(this.range.value)));
    // a quick click may be the first half of a double one, which resets: no step of its own then
    this.range.addEventListener("change", () => (!this.pointer ? this.later() : this.held < 250 ? this.later(450) : this.done()));
    this.range.addEventListener("keydown", (e) => {
      if (e.key === "Escape") this.cancel();
      else if (e.key === "0" && !e.ctrlKey && !e.metaKey && !e.altKey) { e.preventDefault(); this.exact(spec.rest); }
    });
    this.range.addEventListener("dblclick", () => this.exact(spec.rest));
    // Enter is not always a change to the browser, and leaving the field afterwards may be one, of a number that the slider
    // has written: only what was typed counts, and once
    const typed = () => { if (this.told === null) { this.told = ""; this.asked(this.number.value); } };
    this.number.addEventListener("input", () => { this.told = null; });
    this.number.addEventListener("change", typed);
    this.number.addEventListener("keydown", (e) => { if (e.key === "Enter") typed(); else if (e.key === "Escape") { this.told = ""; this.cancel(); this.number.value = this.written(this.spec.value); } });
    this.zero.addEventListener("click", () => this.exact(spec.rest));
    this.set(spec.value);
  }

  // lock it, or tie it to another one: press both their links
  tieButtons() {
    const { link, spec } = this;
    const toggle = (way, label, onclick) => element("button", { type: "button", class: "md-hold", "aria-pressed": "false", title: label, "aria-label": `${label}: ${spec.label}`, onclick }, sign(way));
    this.lock = toggle("M3 6V4a3 3 0 0 1 6 0v2M2 6h8v5H2z", "Lock this handle: others move and reset without it", () => link.send({ op: "lock", key: spec.key, on: this.lock.getAttribute("aria-pressed") !== "true" }));
    this.couple = toggle("M5 7 7 5M5.5 3.5l1-1a2 2 0 0 1 3 3l-1 1M6.5 8.5l-1 1a2 2 0 0 1-3-3l1-1", "Tie this handle to another: press both; press again to untie", () => {
      const other = link.tying;
      link.tying = null;
      if (other && other !== spec.key) link.send({ op: "couple", keys: [other, spec.key] });
      else if (this.spec.tied) link.send({ op: "couple", keys: [spec.key] });
      else if (!other) link.tying = spec.key;
      this.tie(this.spec);
    });
    this.couple.addEventListener("keydown", (e) => { if (e.key === "Escape" && link.tying) { link.tying = null; this.tie(this.spec); e.preventDefault(); e.stopPropagation(); } });
    return element("span", { class: "md-ties" }, this.lock, this.couple);
  }

  tie(spec) {
    if (!this.lock) return;
    this.lock.setAttribute("aria-pressed", String(Boolean(spec.locked)));
    this.couple.setAttribute("aria-pressed", String(Boolean(spec.tied) || this.link.tying === spec.key));
    this.couple.classList.toggle("md-tying", this.link.tying === spec.key);
    this.node.classList.toggle("md-locked", Boolean(spec.locked));
    if (this.couple.lastChild.nodeType === Node.TEXT_NODE) this.couple.lastChild.remove();
    if (spec.tied) this.couple.append(String(spec.tied));
    this.range.disabled = this.number.disabled = this.zero.disabled = Boolean(spec.locked);
  }

  // the space group this handle leads to; known a moment after the pick
  leads(tag) {
    this.lead.textContent = tag?.text ? (tag.same ? tag.text : `→ ${tag.text}`) : "";
    this.lead.title = tag?.title ?? "";
    this.lead.classList.toggle("md-same", Boolean(tag?.same));
    this.name.title = [this.spec.hint || this.spec.label, tag?.title, tag?.ends].filter(Boolean).join("; ");
    this.bound(tag);
  }

  // the slider ends where atoms would meet; not under the hand, and never before where it stands
  bound(tag) {
    if (this.busy || !tag) return; // not known yet: as it was
    const { min, max, value } = this.spec;
    const ends = [Math.min(tag?.low ?? min, value), Math.max(tag?.high ?? max, value)];
    if (this.ends?.[0] === ends[0] && this.ends?.[1] === ends[1]) return;
    this.ends = ends;
    [this.range.min, this.range.max] = [this.number.min, this.number.max] = ends;
    this.show(value);
  }

  // with the digits of this handle; no minus before a nought
  written(value) {
    const text = value.toFixed(this.spec.digits ?? 3);
    return Number(text) === 0 ? text.replace("-", "") : text;
  }

  show(value) {
    this.range.value = value;
    this.range.setAttribute("aria-valuetext", `${value.toFixed(3)} ${this.spec.unit}`);
    const [low, high] = this.ends ?? [this.spec.min, this.spec.max];
    const at = (v) => `${(100 * (Math.min(Math.max(v, low), high) - low)) / (high - low || 1)}%`;
    const [a, b] = value < this.spec.rest ? [value, this.spec.rest] : [this.spec.rest, value];
    this.range.style.setProperty("--md-from", at(a));
    this.range.style.setProperty("--md-to", at(b));
    this.node.classList.toggle("md-moved", this.written(value) !== this.written(this.spec.rest));
  }

  set(value) {
    if (this.busy) return; // the hand on the slider is right until it lets go
    this.show(value);
    if (document.activeElement !== this.number) this.number.value = this.written(value);
  }

  moved(value) {
    this.busy = true;
    this.show(value);
    this.number.value = this.written(value);
    for (const other of this.tiedTo?.() ?? []) other.follow(other.spec.rest + ((value - this.spec.rest) * other.spec.ratio) / this.spec.ratio);
    this.link.live({ ...this.live, key: this.spec.key, value });
  }

  // where the one it is tied to takes it; Python says the same when it lets go
  follow(value) {
    this.show(value);
    this.number.value = this.written(value);
  }

  later(ms = 600) { clearTimeout(this.rest); this.rest = setTimeout(() => this.done(), ms); }

  done() {
    clearTimeout(this.rest);
    this.pointer = false;
    if (!this.busy) return;
    this.busy = false;
    this.link.send({ op: "release", what: this.live.op });
  }

  cancel() {
    clearTimeout(this.rest);
    this.busy = this.pointer = false;
    for (const other of this.tiedTo?.() ?? []) other.set(other.spec.value);
    this.set(this.spec.value); // a move that never became a preview leaves nothing for Python to take back
    this.link.send({ op: "cancel", what: this.live.op });
  }

  // a number typed: an empty field asks for nothing
  asked(text) {
    if (text.trim() !== "" && Number.isFinite(Number(text))) this.exact(Number(text));
    else this.number.value = this.written(this.spec.value);
  }

  // what was asked for is refused, perhaps: the handle shows what is
  settle() {
    if (this.busy) return;
    this.show(this.spec.value);
    if (this.told !== null || document.activeElement !== this.number) this.number.value = this.written(this.spec.value);
  }

  exact(value) {
    if (!Number.isFinite(value)) return this.set(this.spec.value);
    if (this.lock && Math.abs(value - this.spec.value) < 1e-9) return this.cancel(); // a handle that is there already: no step
    this.moved(value);
    this.done();
  }
}

// IrO6 with its 6 below the line, built from text nodes
function formulaNode(text) {
  const node = element("span");
  for (const part of text.split(/(\d+)/)) if (part) node.append(/^\d+$/.test(part) ? element("sub", {}, part) : part);
  return node;
}
