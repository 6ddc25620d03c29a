// keys.js: the keyboard. Keys without a modifier belong to the desk while the focus is in it; those with one belong to JupyterLab
// (Ctrl+S saves the notebook), but for undo, redo, copy and paste. Escape gives the focus back to the notebook's cell.

const TYPING = "input:not([type=range]):not([type=checkbox]):not([type=file]):not([type=button]), textarea, select, [contenteditable=true]";
const NATIVE = new Set(["a", "c", "v", "x", "z", "y", "arrowleft", "arrowright", "arrowup", "arrowdown", "home", "end", "backspace", "delete", "enter"]);
const OURS = new Set(["z", "y", "c", "v"]);
const QUIET = "data-lm-suppress-shortcuts"; // on the node with the focus: there JupyterLab's selectors match first
const ROTATE_PX = 24;
const STAGE_KEYS_SPOKEN = "Arrow keys turn it, plus and minus zoom, N and P pick the next and the previous motif, question mark lists all keys.";
const PANES = [".md-header", ".md-pane-view", ".md-pane-map", ".md-side", ".md-readouts", ".md-history", ".md-export", ".md-messages"];
const FOCUSABLE = "button, input, select, textarea, summary, a[href], [tabindex]";

const KEYS = [
  ["Everywhere on the desk", [
    ["Tab, Shift+Tab", "the next or previous control"], ["F6, Shift+F6", "the next or previous pane"],
    ["Ctrl+Z, Ctrl+Shift+Z", "undo, redo"], ["Ctrl+V", "open the structure that was copied as text"],
    ["Escape", "cancel what is held; then back to the notebook's cell"], ["?", "these keys"],
  ]],
  ["Structure", [
    ["← → ↑ ↓", "turn; with Shift: shift"], ["+ −", "zoom"], ["F or 0", "fit the view"],
    ["N, P", "pick the next or previous motif"], ["], [", "pick the next or previous atom"],
    ["Delete", "delete the picked atoms"], ["Move, then ← → ↑ ↓", "step what is picked; Page Up, Page Down: to you, away"], ["Escape", "pick nothing"],
  ]],
  ["Map", [["← → ↑ ↓", "move the probe; with Shift: ten times as far"], ["Enter", "let go: one step of the history"], ["Escape", "cancel the drag"]]],
  ["Sliders", [["← →", "a small step; a rest makes it one step of the history"], ["Page Up, Page Down", "a large step"], ["Home, End", "to either end"], ["0", "back to rest, as a double click"], ["Escape", "cancel"]]],
  ["History", [["Enter", "go to the step"], ["F2", "name the step"], ["Escape", "close the comparison"]]],
  ["Choices and lists", [["← → ↑ ↓", "the next choice"], ["Enter", "choose"]]],
];

const labOwns = (event, typing) => {
  if (!(event.ctrlKey || event.metaKey || event.altKey)) return event.key === "Enter" && event.shiftKey && !typing;
  return !(typing ? NATIVE : OURS).has(event.key.toLowerCase());
};

// Whether JupyterLab hears of this event is settled before its own listener runs.
function arbitrate(event, frame, typing) {
  if (!labOwns(event, typing)) return event.target.setAttribute(QUIET, "true");
  const muted = [];
  for (let node = event.target; node && node !== frame.parentElement; node = node.parentElement) if (node.hasAttribute?.(QUIET)) muted.push(node);
  for (const node of muted) node.removeAttribute(QUIET);
  setTimeout(() => { for (const node of muted) node.setAttribute(QUIET, "true"); }, 0);
}

const visible = (node) => node.checkVisibility({ visibilityProperty: true }) && !node.disabled && node.tabIndex >= 0;

function nextPane(frame, step) {
  const panes = PANES.flatMap((name) => [...frame.querySelectorAll(name)]).filter((pane) => [...pane.querySelectorAll(FOCUSABLE)].some(visible));
  if (!panes.length) return;
  const here = panes.findIndex((pane) => pane.contains(document.activeElement));
  const pane = panes[(Math.max(here, step > 0 ? -1 : 0) + step + panes.length) % panes.length];
  const first = pane.classList.contains("md-pane-map") ? pane.querySelector(".md-probe") : pane.classList.contains("md-pane-view") ? pane.querySelector(".md-canvas") : null;
  (first && visible(first) ? first : [...pane.querySelectorAll(FOCUSABLE)].find(visible))?.focus();
}

function leave(frame) {
  const cell = frame.closest(".jp-Cell");
  if (cell) { if (!cell.hasAttribute("tabindex")) cell.tabIndex = -1; cell.focus(); }
  else document.activeElement?.blur();
}

globalThis.motifdesk.keys?.abort();
globalThis.motifdesk.keys = new AbortController();
{
  const { signal } = globalThis.motifdesk.keys;
  window.addEventListener("keydown", (event) => {
    const at = deskAt(event.target);
    if (!at || event.isComposing) return;
    const typing = event.target.matches(TYPING);
    arbitrate(event, at.frame, typing);
    const modified = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    const take = () => { event.preventDefault(); event.stopPropagation(); };
    if (event.key === "F6" && !modified) { take(); return nextPane(at.frame, event.shiftKey ? -1 : 1); }
    if (typing || event.target.closest("dialog")) return;
    if (event.key === "?" && !modified) { take(); return showKeys(at.frame); }
    if (modified && !event.altKey && (key === "z" || key === "y")) { take(); at.link.send({ op: key === "y" || event.shiftKey ? "redo" : "undo" }); }
  }, { capture: true, signal });
  // what nothing on the desk has taken
  window.addEventListener("keydown", (event) => {
    const at = deskAt(event.target);
    if (!at || event.key !== "Escape" || event.defaultPrevented || event.target.matches(TYPING) || event.target.closest("dialog, input")) return;
    event.preventDefault();
    if (at.frame.classList.contains("md-comparing")) return at.link.send({ op: "compare", close: true });
    leave(at.frame);
  }, { signal });
}

function showKeys(frame) {
  const before = document.activeElement;
  const close = button("×", "Close", () => card.close(), { class: "md-dismiss" });
  const lists = KEYS.map(([title, rows]) => element("section", {}, element("h4", {}, title), element("dl", {}, ...rows.map(([key, text]) => element("div", {}, element("dt", {}, element("kbd", {}, key)), element("dd", {}, text))))));
  const card = element("dialog", { class: "md-help", "aria-label": "Keys of the desk" }, element("header", {}, element("b", {}, "Keys of the desk"), close), element("div", { class: "md-help-lists" }, ...lists));
  card.addEventListener("close", () => { card.remove(); before?.focus?.({ preventScroll: true }); });
  card.addEventListener("click", (event) => { if (event.target === card) card.close(); }); // beside the card
  card.addEventListener("keydown", (event) => event.stopPropagation());
  frame.append(card);
  card.showModal();
}

const helpButton = () => button("?", "Keys of the desk", (event) => showKeys(event.currentTarget.closest(".md-frame")), { class: "md-button md-keys" });

// The structure pane by keyboard: turning, zooming, picking.
function stageKeys(pane, box) {
  const { stage, link } = pane;
  stage.keyBehavior?.dispose(); // NGL's own: letters that spin and rock
  for (const [name, value] of Object.entries({ role: "application", tabindex: "0", [QUIET]: "true" })) box.setAttribute(name, value);
  box.classList.add("md-canvas");
  for (const canvas of box.querySelectorAll("canvas")) { canvas.removeAttribute("tabindex"); canvas.setAttribute("aria-hidden", "true"); }
  const said = element("span", { class: "md-said", role: "status", "aria-live": "polite" });
  pane.view.el.append(said);
  const options = { signal: pane.signal };
  pane.signal.addEventListener("abort", () => said.remove());
  box.addEventListener("pointerdown", () => box.focus({ preventScroll: true }), options);

  // a pick that was asked for counts until the answer is here: keys come faster
  let asked = {};
  let patience = null;
  const answered = () => { clearTimeout(patience); asked = {}; };
  link.on("highlight", (h) => {
    const site = pane.scene?.site[h?.atoms?.[0]];
    if (asked.kind === "none" ? (h?.picked ?? null) === null : asked.site === undefined ? h?.picked === asked.motif : site === asked.site) answered();
  }, pane.signal);
  const pick = (message) => {
    clearTimeout(patience);
    patience = setTimeout(answered, 2000); // a pick that changes nothing has no answer
    asked = message;
    link.send({ op: "pick", shift: false, ...message });
  };
  const motif = (step) => {
    const known = [...new Set((pane.scene?.polyhedra ?? []).map((p) => p.motif))].sort((a, b) => a - b);
    if (!known.length) return;
    const now = known.indexOf(asked.motif ?? link.get("highlight")?.picked);
    const next = known[now < 0 ? (step > 0 ? 0 : known.length - 1) : (now + step + known.length) % known.length];
    said.textContent = `${pane.scene.motifs?.[next] ?? `motif ${next}`} picked`;
    pick({ kind: "motif", motif: next });
  };
  const atom = (step) => {
    const { scene } = pane;
    if (!scene?.count) return;
    const last = asked.site ?? scene.site[link.get("highlight")?.atoms?.[0]];
    const next = last === undefined ? (step > 0 ? 0 : scene.count - 1) : (last + step + scene.count) % scene.count;
    const owner = scene.polyhedra.find((p) => p.centre === next) ?? scene.polyhedra.find((p) => p.members.includes(next));
    said.textContent = `${scene.label?.[next] ?? `atom ${next}`} picked`;
    pick({ kind: "atom", site: next, drawn: next, motif: owner?.motif ?? null });
  };
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const others = {
    "+": () => stage.trackballControls.zoom(-3), "=": () => stage.trackballControls.zoom(-3), "-": () => stage.trackballControls.zoom(3), "−": () => stage.trackballControls.zoom(3),
    f: () => pane.fit(pane.fitted), 0: () => pane.fit(pane.fitted), Home: () => pane.fit(pane.fitted),
    n: () => motif(1), p: () => motif(-1), "]": () => atom(1), "[": () => atom(-1),
    Delete: () => { if (link.get("highlight")?.atoms?.length) link.send({ op: "delete" }); },
  };
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !pane.component) return;
    if (pane.hand.key(event)) { event.preventDefault(); event.stopPropagation(); return; }
    const way = arrows[event.key];
    const act = others[event.key] ?? others[event.key.toLowerCase()];
    const picked = link.get("highlight") ?? {};
    if (way) stage.trackballControls[event.shiftKey ? "pan" : "rotate"](way[0] * ROTATE_PX, way[1] * ROTATE_PX * (event.shiftKey ? -1 : 1));
    else if (act) act();
    else if (event.key === "Escape" && ((picked.picked ?? null) !== null || picked.atoms?.length || (asked.kind && asked.kind !== "none"))) {
      pick({ kind: "none" });
      said.textContent = "nothing picked";
    } else return;
    stage.viewer.requestRender();
    event.preventDefault();
    event.stopPropagation();
  }, options);
}

// What a screen reader is told of the drawing of the map; the rest of it are layers.
function nameMap(gd) {
  gd.querySelectorAll(".main-svg").forEach((layer, k) => {
    if (k) return layer.setAttribute("aria-hidden", "true");
    layer.setAttribute("role", "img");
    layer.setAttribute("aria-label", "Map of known structures. The field Find lists them; the probe moves over it.");
  });
}
