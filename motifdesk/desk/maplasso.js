// maplasso.js: a lasso drawn over the map. plotly's own looks at every point for every move of the pointer (half a second with
// 100,000 points); this one draws a line, and Python decides once what lies inside.

const LASSO_LEAST = 4; // corners; fewer are a click

MAP_LAYERS.push((map) => {
  const { link } = map;
  const { signal } = map.controller;
  const shape = svg("path", { class: "md-lasso-shape" });
  const pad = element("div", { class: "md-lasso-pad", "aria-hidden": "true" });
  let corners = null;
  const draw = () => shape.setAttribute("d", corners?.length > 1 ? `M${corners.map((p) => map.toPixel(p).join(",")).join("L")}Z` : "");
  const end = (event) => {
    if (!corners) return;
    if (event.type === "pointerup" && corners.length >= LASSO_LEAST) {
      link.send({ op: "find", polygon: [corners.map((p) => p[0]), corners.map((p) => p[1])] });
      link.reveal?.("finds");
    } else shape.setAttribute("d", "");
    corners = null;
  };
  pad.addEventListener("pointerdown", (e) => {
    if (e.button !== 0) return;
    pad.setPointerCapture(e.pointerId);
    corners = [map.toData(e)];
    draw();
    e.preventDefault();
  }, { signal });
  pad.addEventListener("pointermove", (e) => { if (corners) { corners.push(map.toData(e)); draw(); } }, { signal });
  for (const name of ["pointerup", "pointercancel"]) pad.addEventListener(name, end, { signal });
  for (const name of ["mousedown", "mousemove", "mouseup", "click"]) pad.addEventListener(name, (e) => e.stopPropagation(), { signal });
  // the wheel still zooms
  pad.addEventListener("wheel", (e) => { e.preventDefault(); map.gd.querySelector(".nsewdrag")?.dispatchEvent(new WheelEvent("wheel", e)); }, { signal, passive: false });
  const layer = {
    place() {
      const host = map.layer.parentElement;
      if (!host) return;
      if (!shape.isConnected) map.layer.append(shape);
      if (!pad.isConnected) host.append(pad);
      const on = Boolean(link.get("mapbar")?.lasso);
      pad.style.display = on ? "" : "none";
      if (!on) shape.setAttribute("d", "");
      if (corners) draw();
    },
    dispose() { pad.remove(); shape.remove(); },
  };
  link.on("mapbar", () => layer.place(), signal);
  // a shape that has been looked into says nothing about a map that has been moved since
  map.gd.on("plotly_relayout", () => { if (!corners) shape.setAttribute("d", ""); });
  return layer;
});
