// families.js: the page of families, the handles of the one that is built, its members. Shares the column of the handles. Pictures
// are shown as images: an SVG there can neither run nor load anything; all text is set as text.

const svgSource = (svg) => (svg ? `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}` : "");

const ELEMENTS = "H Li Be B C N O F Na Mg Al Si P S Cl K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Cs Ba La Ce Pr Nd Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Th U".split(" ");

let fieldNumber = 0;

// Arrow keys among the children of a list that match `what`; Home and End too.
const roving = (list, what) => list.addEventListener("keydown", (e) => {
  const items = [...list.querySelectorAll(what)];
  const here = items.indexOf(document.activeElement);
  if (here < 0) return;
  const top = items[here].getBoundingClientRect().top;
  const columns = Math.max(1, items.filter((n) => Math.abs(n.getBoundingClientRect().top - top) < 2).length);
  const wide = columns > 1 ? columns : 1;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -wide, ArrowDown: wide, Home: -here, End: items.length - 1 - here }[e.key];
  if (step === undefined) return;
  e.preventDefault();
  e.stopPropagation();
  items[Math.min(Math.max(here + step, 0), items.length - 1)].focus();
});

// One parameter that is not a slider: its label, its field, what it means, what is wrong with it.
class Field {
  constructor(link, spec) {
    Object.assign(this, { link, spec });
    this.id = `md-field-${++fieldNumber}`;
    this.error = element("p", { class: "md-field-error", role: "alert", id: `${this.id}-error` });
    this.input = this.make(spec);
    const main = this.input.matches("input, select") ? this.input : this.input.querySelector("input");
    main.id = this.id;
    main.setAttribute("aria-describedby", `${this.id}-hint ${this.id}-error`);
    main.setAttribute("aria-label", spec.label);
    this.main = main;
    const hint = element("p", { class: "md-field-hint", id: `${this.id}-hint` }, spec.hint);
    this.node = element("div", { class: "md-field" }, element("label", { for: this.id, title: spec.hint }, spec.label), this.input, ...(spec.kind === "word" ? [hint] : [Object.assign(hint, { hidden: true })]), this.error);
    this.node.title = spec.hint;
    this.node.dataset.key = spec.key;
    this.set(spec);
  }

  make(spec) {
    const quiet = { "data-lm-suppress-shortcuts": "true" };
    if (spec.kind === "choice") return select(spec.label, spec.choices.map((c) => [c, c === "" ? "none" : c]), spec.value, (v) => this.build(v));
    if (spec.kind === "flag") return element("input", { type: "checkbox", ...quiet, onchange: (e) => this.build(e.target.checked) });
    if (spec.kind === "whole") {
      const field = element("input", { type: "number", min: spec.min, max: spec.max, step: 1, ...quiet, onchange: () => this.step(Number(field.value)) });
      this.less = element("button", { type: "button", "aria-label": `${spec.label} less`, onclick: () => this.step(this.spec.value - 1) }, "−");
      this.more = element("button", { type: "button", "aria-label": `${spec.label} more`, onclick: () => this.step(this.spec.value + 1) }, "+");
      return element("div", { class: "md-stepper" }, this.less, field, this.more);
    }
    const field = element("input", { type: "text", class: `md-text${spec.kind === "word" ? " md-word" : ""}`, spellcheck: "false", autocomplete: "off", placeholder: spec.optional ? "none" : "", ...quiet });
    if (spec.kind === "element") {
      let list = document.getElementById("md-elements");
      if (!list) document.body.append(list = element("datalist", { id: "md-elements" }, ...ELEMENTS.map((e) => element("option", { value: e }))));
      field.setAttribute("list", "md-elements");
    }
    field.addEventListener("input", () => this.say(this.wrong(field.value)));
    const commit = () => { if (!this.wrong(field.value) && field.value.trim() !== this.asked) this.build(this.asked = field.value.trim()); };
    field.addEventListener("change", commit);
    field.addEventListener("keydown", (e) => {
      if (e.key === "Enter") commit();
      if (e.key === "Escape") { this.say(""); this.asked = field.value = this.spec.value; }
    });
    return field;
  }

  // what can be seen without asking the engine
  wrong(text) {
    if (this.spec.kind !== "word") return "";
    const strange = [...text.trim()].find((letter) => !this.spec.letters.includes(letter));
    if (strange) return `“${strange}” is no letter of this family: use ${[...this.spec.letters].join(" ")}`;
    return text.trim() ? "" : `A word needs at least one letter: ${[...this.spec.letters].join(" ")}`;
  }

  step(value) {
    if (!Number.isFinite(value)) return this.set(this.spec);
    this.build(Math.round(Math.min(Math.max(value, this.spec.min), this.spec.max)));
  }

  build(value) {
    if (value === this.spec.value && !this.left) return;
    this.link.send({ op: "build", parameters: { [this.spec.key]: value }, at: this.spec.key });
  }

  say(text) {
    this.error.textContent = text;
    this.main.setAttribute("aria-invalid", String(Boolean(text)));
  }

  set(spec) {
    this.spec = spec;
    this.asked = spec.value;
    if (spec.kind === "flag") this.main.checked = spec.value;
    else if (String(this.main.value) !== String(spec.value)) this.main.value = spec.value;
    if (this.less) [this.less.disabled, this.more.disabled] = [spec.value <= spec.min, spec.value >= spec.max];
  }
}

// A slider of a family with room for a sentence below it.
class FamilySlider extends Slider {
  constructor(link, spec) {
    super(link, { ...spec, label: spec.label, spoken: spec.label }, { op: "family" });
    this.error = element("p", { class: "md-field-error", role: "alert" });
    this.error.style.gridColumn = "1 / -1";
    this.node.append(this.error);
    this.lead.textContent = spec.unit;
    this.zero.title = `Back to ${spec.rest}`;
  }

  exact(value) {
    if (!Number.isFinite(value)) return this.set(this.spec.value);
    super.exact(value); // out of range is for the engine to say, in its own words
  }

  say(text) {
    this.error.textContent = text;
    this.number.setAttribute("aria-invalid", String(Boolean(text)));
  }
}

PANELS.families = (el, link, signal) => {
  const side = () => el.closest(".md-side");
  const tabs = segmented("What this column shows", [["handles", "Handles", "Handles of the picked motif and the cell"], ["families", "Families", "Build a member of a family of structures and change its parameters"]], (v) => showTab(v));
  const body = element("div", { class: "md-family-body" });
  el.append(element("div", { class: "md-bar" }, tabs.node), body);

  const about = element("p", { class: "md-family-about", role: "status" });
  const cards = element("ul", { class: "md-gallery", "aria-label": "Families; choose one to build its usual member" });
  roving(cards, ".md-family-card");
  const page = element("div", { class: "md-family-body" }, about, cards);

  const picture = element("img", { alt: "" });
  const name = element("b");
  const summary = element("p");
  const back = element("button", { type: "button", class: "md-link", onclick: () => turn("gallery") }, "‹ All families");
  const head = element("div", { class: "md-family-head" }, picture, element("div", {}, name, summary, back));
  const again = button("Return", "Build the member again, without the edits made since", () => link.send({ op: "build", parameters: {}, at: "" }));
  const left = element("div", { class: "md-family-left", role: "status" }, element("span", {}, "Edited since: the design has left the family. A family handle builds the member afresh."), again);
  const wrong = element("p", { class: "md-field-error", role: "alert" });
  const list = element("div");
  const neutral = element("input", { type: "checkbox", "aria-label": "Only neutral members", "data-lm-suppress-shortcuts": "true", onchange: () => link.send({ op: "build", parameters: {}, neutral: neutral.checked, at: "" }) });
  const members = element("details", { class: "md-group md-member-box" });
  const memberList = element("ul", { class: "md-members", "aria-label": "Members; choose one to build it" });
  const memberNote = element("p", { class: "md-family-note", role: "status" });
  const more = button("More", "List longer words", () => ask(pages + 1));
  members.append(element("summary", {}, "All members by word"), memberNote, memberList, more);
  roving(memberList, ".md-member");
  const handles = element("div", { class: "md-family-handles" }, list, element("label", { class: "md-check", title: "Refuse members whose usual oxidation states do not add up to zero" }, neutral, "only neutral members"), members);
  const sheet = element("div", { class: "md-family-body" }, head, left, wrong, handles);
  body.append(page, sheet);

  let tab = "handles";
  let shown = "gallery";
  let family = {};
  let controls = new Map();
  let shape = null;
  let pages = 0;
  let wanted = null; // the card that was chosen: its handles open when it is built

  const showTab = (which) => {
    tab = which;
    tabs.set(which);
    side()?.classList.toggle("md-show-families", which === "families");
    if (which === "families") link.send({ op: "families", shown: true });
  };
  const turn = (which) => {
    shown = which === "sheet" && family.name ? "sheet" : "gallery";
    page.style.display = shown === "gallery" ? "" : "none";
    sheet.style.display = shown === "sheet" ? "" : "none";
  };
  const ask = (count) => {
    pages = count;
    link.send({ op: "members", pages });
  };
  members.addEventListener("toggle", () => { if (members.open && !pages) ask(1); });

  const mark = () => {
    for (const card of cards.querySelectorAll(".md-family-card")) {
      if (card.dataset.family === family.name) card.setAttribute("aria-current", "true");
      else card.removeAttribute("aria-current");
    }
  };

  const idle = "Choose one to build it; its parameters become handles. Undo brings the present design back.";
  about.textContent = idle;
  link.on("gallery", (found) => {
    const say = (text) => { about.textContent = text || idle; };
    cards.replaceChildren(...(found ?? []).map((f) => {
      const card = element("button", { type: "button", class: "md-family-card", "aria-label": `${f.title}: ${f.summary}` }, element("img", { src: svgSource(f.picture), alt: "" }), element("span", {}, f.title));
      card.title = `${f.summary}. ${f.source}`;
      card.dataset.family = f.name;
      card.addEventListener("click", () => {
        if (f.name === family.name) return turn("sheet");
        wanted = f.name;
        link.send({ op: "build", family: f.name, at: "" });
      });
      for (const event of ["mouseenter", "focus"]) card.addEventListener(event, () => say(f.summary));
      for (const event of ["mouseleave", "blur"]) card.addEventListener(event, () => say(""));
      return element("li", {}, card);
    }));
    mark();
  }, signal);

  const build = (spec) => {
    const made = spec.kind === "float" ? new FamilySlider(link, spec) : new Field(link, spec);
    controls.set(spec.key, made);
    return made.node;
  };

  link.on("family", (f) => {
    const before = family.name;
    family = f ?? {};
    mark();
    if (!family.name) { shape = null; return turn("gallery"); }
    if (before !== family.name) {
      if (wanted === family.name || before === undefined || shown === "sheet") turn("sheet");
      members.open = false;
      memberList.replaceChildren();
      memberNote.textContent = "";
      pages = 0;
    }
    wanted = null;
    name.textContent = family.title;
    summary.textContent = family.summary;
    summary.title = family.source;
    picture.src = svgSource((link.get("gallery") ?? []).find((g) => g.name === family.name)?.picture);
    left.style.display = family.left ? "" : "none";
    neutral.checked = family.neutral;
    members.style.display = family.word ? "" : "none";
    const now = JSON.stringify([family.name, family.controls.map((c) => [c.key, c.kind, c.min, c.max]), family.known.length]);
    if (now !== shape) {
      shape = now;
      controls = new Map();
      const nodes = family.controls.map(build);
      if (family.known.length) {
        const chooser = select("Known members", [], "", (v) => { if (v !== "") link.send({ op: "known", index: Number(v) }); });
        const row = element("div", { class: "md-field" }, element("label", {}, "Known members"), chooser, element("p", { class: "md-field-error", role: "alert" }));
        row.dataset.key = "known";
        controls.set("known", { chooser, set() {}, say(text) { row.lastChild.textContent = text; } });
        nodes.unshift(row);
      }
      list.replaceChildren(...nodes);
    }
    for (const spec of family.controls) {
      const made = controls.get(spec.key);
      made.spec = spec;
      made.left = family.left;
      if (made instanceof Slider) made.set(spec.value);
      else made.set(spec);
      made.say("");
    }
    const known = controls.get("known")?.chooser;
    if (known) fill(known, [["", "own parameters"], ...family.known.map(([text], k) => [String(k), text])], String(family.known.findIndex(([, same]) => same)).replace("-1", ""));
    for (const row of memberList.querySelectorAll(".md-member")) row.toggleAttribute("aria-current", row.dataset.word === family.current);
  }, signal);

  link.on("family_error", (e) => {
    for (const c of controls.values()) c.say("");
    wrong.textContent = "";
    if (!e?.text) return;
    const owner = shown === "sheet" ? controls.get(e.at) : null;
    if (owner) owner.say(e.text);
    else if (shown === "sheet") wrong.textContent = e.text;
    else about.textContent = e.text;
    neutral.checked = family.neutral ?? true;
  }, signal);

  link.on("members", (m) => {
    if (!m?.rows || m.family !== family.name) return;
    memberNote.textContent = m.working ? "building …" : `${m.rows.length} members among the ${m.seen} shortest of ${m.count} distinct words of up to ${m.longest} letters`;
    more.style.display = !m.working && m.seen < m.count ? "" : "none";
    const focus = document.activeElement?.dataset?.word;
    memberList.replaceChildren(...m.rows.map((r) => {
      const row = element("button", { type: "button", class: "md-member", "aria-label": `${r.word}: ${r.group}, ${r.atoms} atoms` }, element("b", {}, r.word), element("span", {}, r.group), element("span", {}, `${r.atoms} atoms`));
      row.dataset.word = r.word;
      row.title = `${r.formula}, ${r.group}, ${r.atoms} atoms in the cell`;
      row.toggleAttribute("aria-current", r.word === family.current);
      row.addEventListener("click", () => link.send({ op: "build", parameters: { word: r.word }, at: "word" }));
      return element("li", {}, row);
    }));
    if (focus) [...memberList.querySelectorAll(".md-member")].find((n) => n.dataset.word === focus)?.focus();
  }, signal);

  turn("gallery");
  showTab(tab);
};
