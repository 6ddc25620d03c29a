// map.js: what lies over the map and moves: probe, trail, where the design really landed. An SVG and one HTML element inside the
// figure's container, so that the big trace is never touched; plotly reports no drags, hence the pointer events.

const SVG = "http://www.w3.org/2000/svg";
const svg = (tag, attributes = {}) => {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
};
const MAP_LAYERS = []; // (map) => {place(), dispose()}: what other modules draw over the map
const KEY_STEP = 0.008; // of the axis range; ten times with Shift
const KEY_REST_MS = 700; // arrow keys become one step of the history after this rest

class MapPane {
  constructor(link, view) {
    this.link = link;
    this.view = view;
    this.gd = view.el._fullLayout ? view.el : view.el.querySelector(".js-plotly-plot");
    this.controller = new AbortController();
    link.controller.signal.addEventListener("abort", () => this.controller.abort());
    this.dragging = null;
    this.build();
    this.drawn = MAP_LAYERS.map((make) => make(this));
    for (const name of ["overlay", "map_ready"]) link.on(name, () => this.place(), this.controller.signal);
    for (const event of ["plotly_relayouting", "plotly_relayout", "plotly_afterplot"]) this.gd.on(event, () => this.place());
    this.card = new MapCard(this);
    this.fitted = { w: 0, h: 0 };
    this.sizer = new ResizeObserver(() => this.resize());
    this.sizer.observe(view.el.parentElement ?? view.el);
    this.resize();
  }

  // plotly's own autosize measures before JupyterLab has laid out the cell
  resize() {
    const box = this.view.el.parentElement?.getBoundingClientRect();
    if (!box || box.width < 60 || box.height < 60) return;
    const [w, h] = [Math.floor(box.width), Math.floor(box.height)];
    if (w === this.fitted.w && h === this.fitted.h) return;
    this.fitted = { w, h };
    globalThis.Plotly?.relayout?.(this.gd, { width: w, height: h }) ?? this.view.relayoutTo?.(w, h);
    this.place();
  }

  build() {
    const { signal } = this.controller;
    const host = this.gd.querySelector(".svg-container") ?? this.gd;
    host.querySelectorAll(".md-overlay, .md-probe").forEach((old) => old.remove());
    this.layer = svg("svg", { class: "md-overlay", "aria-hidden": "true" });
    this.trail = svg("polyline", { class: "md-trail" });
    this.steps = svg("g", { class: "md-steps" });
    this.tie = svg("line", { class: "md-tie" });
    this.landed = svg("circle", { class: "md-landed", r: 6 });
    this.layer.append(this.trail, this.steps, this.tie, this.landed);
    this.probe = element("div", {
      class: "md-probe", tabindex: "0", role: "application", "data-lm-suppress-shortcuts": "true", "data-jp-suppress-context-menu": "true",
      "aria-label": "Probe: drag it over the map, or move it with the arrow keys; the structure follows. Escape cancels.",
      title: "Drag me over the map (or use the arrow keys): the structure follows",
    });
    host.append(this.layer, this.probe);
    nameMap(this.gd);
    const stop = (event) => event.stopPropagation();
    const options = { signal };
    this.probe.addEventListener("pointerdown", (e) => this.start(e), options);
    this.probe.addEventListener("pointermove", (e) => this.drag(e), options);
    this.probe.addEventListener("pointerup", (e) => this.end(e), options);
    this.probe.addEventListener("pointercancel", (e) => this.end(e), options);
    for (const name of ["mousedown", "mousemove", "mouseup", "click", "dblclick"]) this.probe.addEventListener(name, stop, options);
    this.probe.addEventListener("mousedown", (e) => e.preventDefault(), options);
    this.probe.addEventListener("keydown", (e) => this.key(e), options);
  }

  axes() {
    const layout = this.gd._fullLayout;
    return layout?.xaxis?.p2d ? [layout.xaxis, layout.yaxis] : null;
  }

  toData(event) {
    const [x, y] = this.axes();
    const box = this.gd.querySelector(".svg-container").getBoundingClientRect();
    return [x.p2d(event.clientX - box.left - x._offset), y.p2d(event.clientY - box.top - y._offset)];
  }

  toPixel([x, y]) {
    const [xaxis, yaxis] = this.axes();
    return [xaxis._offset + xaxis.d2p(x), yaxis._offset + yaxis.d2p(y)];
  }

  place() {
    const axes = this.axes();
    const state = this.link.get("overlay") ?? {};
    const live = Boolean(this.link.get("map_ready") && axes);
    this.probe.style.display = this.layer.style.display = live ? "" : "none";
    if (!live) return;
    if (!this.probe.isConnected) { this.build(); return this.place(); }
    const [xaxis, yaxis] = axes;
    this.layer.style.clipPath = `inset(${yaxis._offset}px ${Math.max(0, this.layer.clientWidth - xaxis._offset - xaxis._length)}px ${Math.max(0, this.layer.clientHeight - yaxis._offset - yaxis._length)}px ${xaxis._offset}px)`;
    const trail = (state.trail ?? []).map((p) => this.toPixel(p));
    this.trail.setAttribute("points", trail.map((p) => p.join(",")).join(" "));
    this.steps.replaceChildren(...trail.slice(0, -1).map(([cx, cy]) => svg("circle", { cx, cy, r: 2.6 })));
    const landed = state.landed ? this.toPixel(state.landed) : null;
    this.landed.style.display = landed ? "" : "none";
    this.landed.classList.toggle("md-stale", Boolean(state.stale));
    if (landed) { this.landed.setAttribute("cx", landed[0]); this.landed.setAttribute("cy", landed[1]); }
    const target = this.dragging ?? this.keyed ?? state.target ?? state.landed;
    this.probe.style.display = target ? "" : "none";
    if (target) {
      const at = this.toPixel(target);
      const [left, top] = [[at[0], xaxis], [at[1], yaxis]].map(([v, a]) => Math.min(Math.max(v, a._offset), a._offset + a._length));
      this.probe.style.left = `${left}px`;
      this.probe.style.top = `${top}px`;
      this.tie.style.display = landed ? "" : "none";
      if (landed) for (const [k, v] of Object.entries({ x1: landed[0], y1: landed[1], x2: left, y2: top })) this.tie.setAttribute(k, v);
    }
    this.target = target;
    for (const layer of this.drawn) layer.place();
  }

  start(event) {
    if (event.button !== 0) return;
    event.stopPropagation();
    this.probe.setPointerCapture(event.pointerId);
    this.probe.focus({ preventScroll: true });
    this.release();
    const [x, y] = this.toData(event);
    const [tx, ty] = this.target;
    this.grip = [tx - x, ty - y];
    this.dragging = [tx, ty];
    this.moved = false;
    this.probe.classList.add("md-held");
  }

  drag(event) {
    if (!this.dragging) return;
    event.stopPropagation();
    const [x, y] = this.toData(event);
    this.dragging = [x + this.grip[0], y + this.grip[1]];
    this.moved = true;
    this.place();
    this.link.live({ op: "probe", x: this.dragging[0], y: this.dragging[1] });
  }

  end(event) {
    if (!this.dragging) return;
    event.stopPropagation();
    this.probe.classList.remove("md-held");
    const cancelled = event.type === "pointercancel";
    if (this.moved) this.link.send({ op: cancelled ? "cancel" : "release", what: "probe" });
    this.dragging = null;
    // the probe rests where it was left until Python says where it belongs
    this.link.output.set("overlay", { ...this.link.get("overlay"), ...(this.moved && !cancelled ? { target: this.target } : {}) });
    this.place();
  }

  key(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (event.key === "Escape" && (this.keyed || this.dragging)) {
      clearTimeout(this.rest);
      this.keyed = this.dragging = null;
      this.probe.classList.remove("md-held");
      this.link.send({ op: "cancel", what: "probe" });
      this.place();
    } else if (event.key === "Enter" && this.keyed) this.release();
    else if (step) {
      const range = this.axes().map((a) => Math.abs(a.range[1] - a.range[0]));
      const factor = KEY_STEP * (event.shiftKey ? 10 : 1);
      this.keyed = [0, 1].map((k) => (this.keyed ?? this.target)[k] + step[k] * factor * range[k]);
      this.place();
      this.link.live({ op: "probe", x: this.keyed[0], y: this.keyed[1] });
      clearTimeout(this.rest);
      this.rest = setTimeout(() => this.release(), KEY_REST_MS);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  release() {
    clearTimeout(this.rest);
    if (!this.keyed) return;
    this.link.output.set("overlay", { ...this.link.get("overlay"), target: this.keyed });
    this.keyed = null;
    this.link.send({ op: "release", what: "probe" });
  }

  report() {
    const pixel = (node) => { const b = node.getBoundingClientRect(); return { x: b.left + b.width / 2, y: b.top + b.height / 2 }; };
    return { probe: pixel(this.probe), target: this.target, overlay: this.link.get("overlay"), axes: this.axes()?.map((a) => [...a.range]), points: this.gd.data?.[0]?.x?.length ?? 0, plot: this.gd.querySelector(".svg-container").getBoundingClientRect().toJSON() };
  }

  dispose() {
    this.controller.abort();
    this.sizer?.disconnect();
    this.card?.dispose();
    for (const layer of this.drawn) layer.dispose();
    this.layer?.remove();
    this.probe?.remove();
  }
}

// Once the points are there and a view that takes what comes after them.
async function redraw(link) {
  while (!link.get("map_ready") && !link.controller.signal.aborted) await pause(50);
  link.send({ op: "redraw_map" });
}

// A view of plotly's stays subscribed to its model after it was removed (its cell was moved, say) and throws at the next change, so that
// the views after it never hear of it. What a listener throws ends with it; one that may be a removed view's is not called again.
function forgive(model) {
  for (const [event, listeners] of Object.entries(model._events ?? {})) {
    if (!event.startsWith("change:_py2js_")) continue;
    for (const listener of listeners) {
      const plain = listener.callback;
      if (plain._callback) continue;
      const kind = function (...given) {
        try {
          if (!kind.over) plain.apply(this, given);
        } catch (error) {
          console.debug(error);
          kind.over = model._events[event].length - 1 > Object.keys(model.views ?? {}).length; // one listener is the model's own
        }
      };
      kind._callback = plain; // by which `off` knows it
      listener.callback = kind;
    }
  }
}

async function attachMap(link) {
  const { signal } = link.controller;
  const model = await modelOf(link.manager, link.get("figure_id"), signal);
  let lost = givenUp(model);
  const drawn = (v) => v.el?._fullLayout?.xaxis ?? v.el?.querySelector?.(".js-plotly-plot")?._fullLayout?.xaxis;
  while (!signal.aborted) {
    const view = await liveView(model, drawn, signal);
    if (!view) return;
    forgive(model);
    if (await lost) redraw(link);
    lost = false;
    if (link.map?.view !== view) {
      link.map?.dispose();
      link.map = new MapPane(link, view);
    }
    while (view.el.isConnected && !signal.aborted) await pause(300);
  }
}
