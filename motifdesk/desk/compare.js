// compare.js: two steps of the history side by side, over structure and map: both drawings through one camera, what differs, and
// "take this one".

function comparePanel(el, link, signal) {
  el.setAttribute("role", "region");
  el.setAttribute("aria-label", "Two steps side by side");
  const camera = new SharedCamera();
  const close = () => link.send({ op: "compare", close: true });
  const ask = () => link.send({ op: "compare", a: Number(sides[0].which.value), b: Number(sides[1].which.value) });
  const head = element("span", { class: "md-compare-head", role: "status", "aria-live": "polite" });
  const swap = button("⇄", "Exchange the two sides", () => { const c = link.get("compare"); if (c?.a) link.send({ op: "compare", a: c.b.node, b: c.a.node }); });
  const end = button("Close ×", "Close the comparison (Escape)", close, { class: "md-button md-compare-close" });
  const sides = ["A", "B"].map((letter) => {
    const which = select(`Step on side ${letter}`, [], "", ask);
    const take = button("Take this one", `Go on with side ${letter}`, () => {
      const node = link.get("compare")?.[letter.toLowerCase()]?.node;
      if (node === undefined) return;
      link.send({ op: "goto", node });
      close();
    }, { class: "md-button md-primary" });
    const drawing = new FlatDrawing(camera, `Structure on side ${letter}`);
    const edits = element("ol", { class: "md-compare-edits", "aria-label": `Steps of side ${letter} since they parted` });
    const verdict = element("span", { class: "md-compare-verdict" });
    const top = element("div", { class: "md-compare-top" }, element("b", { class: "md-side-letter", "aria-hidden": "true" }, letter), which, take);
    return { letter, which, take, drawing, edits, verdict, node: element("section", { class: "md-compare-side", "aria-label": `Side ${letter}` }, top, drawing.canvas, element("div", { class: "md-compare-foot" }, verdict, edits)) };
  });
  const body = element("tbody");
  const differing = element("input", { type: "checkbox", "aria-label": "Only what differs", "data-lm-suppress-shortcuts": "true", checked: true, onchange: () => show(link.get("compare")) });
  const table = element("table", { class: "md-compare-table", "aria-label": "What differs between A and B" },
    element("thead", {}, element("tr", {}, ...[["", ""], ["A", "md-number"], ["B", "md-number"], ["B − A", "md-number"]].map(([t, c]) => element("th", { scope: "col", class: c || null }, t)))), body);
  const moved = element("p", { class: "md-compare-moved" });
  const tableBox = element("div", { class: "md-compare-numbers" }, element("label", { class: "md-check" }, differing, "only what differs"), element("div", { class: "md-scroll" }, table), moved);
  el.append(element("div", { class: "md-bar" }, element("h3", {}, "Compare"), head, element("span", { class: "md-grow" }), swap, end), element("div", { class: "md-compare-body" }, sides[0].node, sides[1].node, tableBox));
  el.addEventListener("keydown", (e) => { if (e.key === "Escape") { e.stopPropagation(); close(); } });
  const fit = () => {
    let reach = Infinity;
    for (const { drawing } of sides) {
      const box = drawing.canvas.getBoundingClientRect();
      const [w, h] = drawing.extent();
      if (box.width > 4) reach = Math.min(reach, box.width / (2 * w), box.height / (2 * h));
    }
    for (const { drawing } of sides) { drawing.reach = Number.isFinite(reach) ? reach : 20; drawing.later(); }
  };
  for (const { drawing } of sides) drawing.resized = fit;
  let open = false;
  const show = (c) => {
    const shown = Boolean(c?.a);
    el.classList.toggle("md-open", shown);
    el.closest(".md-frame")?.classList.toggle("md-comparing", shown);
    if (!shown) { open = false; return; }
    if (!open && link.pane?.stage) camera.from(link.pane.stage.viewerControls.getOrientation().elements); // as the stage looks at it
    head.textContent = [c.head, c.a.factor > 1 ? `arrows from A to B, × ${c.a.factor}` : c.a.factor ? "arrows from A to B" : ""].filter(Boolean).join(" · ");
    sides.forEach((side, k) => {
      const data = c[k ? "b" : "a"];
      fill(side.which, c.steps ?? [], String(data.node));
      side.drawing.canvas.setAttribute("aria-label", `Side ${side.letter}, ${data.formula}: ${data.called || data.name}`);
      side.drawing.set(data);
      side.take.disabled = data.current;
      side.take.textContent = data.current ? "On the desk" : "Take this one";
      side.verdict.textContent = data.verdict;
      side.verdict.dataset.level = data.level;
      side.edits.replaceChildren(...(data.edits.length ? data.edits : ["nothing since they parted"]).map((t) => element("li", {}, t)));
    });
    body.replaceChildren(...c.rows.filter((r) => !differing.checked || !r[5]).map(([label, unit, a, b, change, same]) => element("tr", { class: same ? "md-same" : null }, element("th", { scope: "row", title: label }, label, unit ? element("span", { class: "md-compare-unit" }, ` ${unit}`) : null), ...[a, b, change].map((t) => element("td", { class: "md-number", title: t }, t)))));
    if (!body.children.length) body.append(element("tr", {}, element("td", { colspan: "4" }, "No number differs.")));
    moved.textContent = c.movers.length ? `Moved most: ${c.movers.map(([n, d]) => `${n} ${d}`).join(", ")}` : "";
    if (!open) requestAnimationFrame(fit);
    open = true;
  };
  link.on("compare", show, signal);
  // the page's colours follow the attribute a moment later
  const themed = new MutationObserver(() => { for (const wait of [0, 400, 1500]) setTimeout(() => camera.changed(), wait); });
  themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
  signal.addEventListener("abort", () => themed.disconnect());
  el.report = () => ({ open, rotation: camera.rotation, a: sides[0].drawing.painted, b: sides[1].drawing.painted });
}
