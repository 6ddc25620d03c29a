// core.js: the link between one desk's Python (Output, Input) and everything of it in this page.
// Output is written by Python only, Input by JavaScript only: ipykernel 7 delivers a comm's messages to the shell that last
// published on it, so a widget written from both sides would freeze while a cell is busy.

const DESKS = (globalThis.motifdesk ??= { desks: new Map() }).desks;
const MOST_IN_FLIGHT = 2; // two live messages under way, the newest waiting: 21 frames/s where one gives 12
const PATIENCE_MS = 4000; // an acknowledgement that never comes (kernel restarted) must not block the handles for ever

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function modelOf(manager, id, signal) {
  // after a page reload models are restored in any order
  while (!signal?.aborted) {
    try {
      const model = await manager.get_model(id);
      if (model) return model;
    } catch { /* not yet */ }
    await pause(60);
  }
  return null;
}

// anywidget gives a model up whose module is not ready after two seconds, as in a page that is busy drawing: it drops every message that
// Python has sent and will ever send. Whether that happened to `model`; if so, messages reach it from now on without anywidget's waiting.
async function givenUp(model) {
  try {
    await model._handle_comm_msg({ content: { data: { method: "are you ready" } } }); // no method of the protocol: does nothing
    return false;
  } catch {
    let maker = Object.getPrototypeOf(model);
    while (!Object.hasOwn(maker, "_handle_comm_msg")) maker = Object.getPrototypeOf(maker);
    const plain = Object.getPrototypeOf(maker)._handle_comm_msg;
    model._handle_comm_msg = plain;
    model.comm.on_msg((message) => plain.call(model, message));
    return true;
  }
}

class Link {
  constructor(output, input) {
    this.output = output;
    this.input = input;
    this.sent = output.get("ack") || 0; // after a reload of the page the kernel's count goes on
    this.acknowledged = this.sent;
    this.waiting = null;
    this.frames = []; // times (ms) at which new coordinates reached the stage; the benchmark reads them
    this.pane = null;
    this.map = null;
    this.hand = null; // what the mouse does on the structure: null turns the view; "box", "move", "add"
    this.hands = []; // told when it changes
    this.controller = new AbortController();
    output.on("change:ack", () => this.acknowledge(output.get("ack")));
    this.prime();
  }

  // The kernel sends a comm's messages to the shell that last published on it, at first the main one, where a busy cell would hold
  // them. The echo of a change made here moves them to the shell that the page asked for, once the page has one: hence the wait.
  async prime() {
    const started = this.input.comm?.jsServicesComm?.subshellStarted;
    if (started) await Promise.race([started.catch(() => null), pause(10000)]);
    for (const wait of [0, 700, 2500]) {
      await pause(wait);
      if (this.controller.signal.aborted) return;
      this.input.set("primed", (this.input.get("primed") || 0) + 1);
      this.input.save_changes();
    }
  }

  setHand(mode) {
    this.hand = mode;
    for (const tell of this.hands) tell();
  }

  get(name) { return this.output.get(name); }

  on(name, callback, signal) {
    const run = () => callback(this.output.get(name));
    this.output.on(`change:${name}`, run);
    signal?.addEventListener("abort", () => this.output.off(`change:${name}`, run));
    run();
  }

  // A command: always delivered, in order. A waiting live message goes first: the release must see the last move.
  send(message, buffers) {
    this.flush();
    this.input.send({ ...message, n: ++this.sent }, undefined, buffers);
    this.lastSent = performance.now();
  }

  // A live value (slider or probe under way): newest wins.
  live(message) {
    if (this.silent) return;
    this.waiting = message;
    if (performance.now() - (this.lastSent ?? 0) > PATIENCE_MS) this.acknowledged = this.sent;
    if (this.sent - this.acknowledged < MOST_IN_FLIGHT) this.flush();
    else if (!this.timer) this.timer = setTimeout(() => { this.timer = null; if (this.waiting) this.live(this.waiting); }, PATIENCE_MS + 50);
  }

  flush() {
    const message = this.waiting;
    if (!message) return;
    this.waiting = null;
    this.input.send({ ...message, n: ++this.sent });
    this.lastSent = performance.now();
  }

  acknowledge(n) {
    this.acknowledged = Math.max(this.acknowledged, n);
    if (this.waiting && this.sent - this.acknowledged < MOST_IN_FLIGHT) this.flush();
  }

  // Nobody listens any more: whatever a timer or a view still wants to say is not said.
  hush() {
    this.silent = true;
    clearTimeout(this.timer);
    this.waiting = null;
    const views = [this.pane?.view, this.map?.view].filter(Boolean);
    for (const view of views) view.touch = () => {};
    for (const model of [this.input, ...views.map((v) => v.model)]) model.save_changes = model.send = () => {};
  }

  dispose() {
    this.hush();
    this.controller.abort();
    this.pane?.dispose();
    this.map?.dispose();
  }
}

// One link per desk and page. Panels ask for it by the desk's key; the bridge, which holds Output's model, makes it. Nothing is
// awaited while Output initialises: messages of a comm wait for its model, and a model that waits for messages waits for ever.
function deskOf(key) {
  if (!DESKS.has(key)) {
    const desk = {};
    desk.link = new Promise((done) => { desk.resolve = done; });
    DESKS.set(key, desk);
  }
  return DESKS.get(key);
}

const linkOf = (key) => deskOf(key).link;

async function connect(output, signal) {
  const key = output.get("key");
  const manager = output.widget_manager;
  const input = await modelOf(manager, output.get("input_id"), signal);
  if (!input) return null;
  const link = new Link(output, input);
  link.manager = manager;
  const close = () => {
    link.dispose();
    DESKS.delete(key);
    if (globalThis.motifdesk.latest === link) globalThis.motifdesk.latest = [...DESKS.values()].map((d) => d.live).filter((l) => l?.pane).at(-1);
  };
  output.on("comm:close", close);
  output.on("destroy", close);
  signal?.addEventListener("abort", close);
  deskOf(key).live = link;
  deskOf(key).resolve(link);
  return link;
}

// The live view of a model that satisfies `ready` (a widget displayed twice has two views; a closed one stays listed a while).
async function liveView(model, ready, signal) {
  while (!signal.aborted) {
    const view = await newestView(model, ready);
    if (view) return view;
    await pause(50);
  }
  return null;
}

async function newestView(model, ready) {
  for (const promise of Object.values(model.views ?? {}).reverse()) {
    const view = await Promise.race([promise.catch(() => null), pause(200)]);
    if (view?.el?.isConnected && ready(view)) return view;
  }
  return null;
}

// Whether ipywidgets still knows the view: one that scrolled out of the page is only off the document, a removed one is forgotten.
async function stillListed(model, view) {
  for (const promise of Object.values(model.views ?? {})) {
    if ((await Promise.race([promise.catch(() => null), pause(200)])) === view) return true;
  }
  return false;
}

const element = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked" || key === "disabled") node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((c) => c !== null && c !== undefined));
  return node;
};

const themeColour = (name, fallback) => getComputedStyle(document.body).getPropertyValue(name).trim() || fallback;
