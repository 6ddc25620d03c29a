// life.js: what a desk says of itself: a design saved before, a kernel that is gone; and cameras that follow one another.

function lifeBanner(el, link, signal) {
  const offer = element("div", { class: "md-banner md-offer", role: "status" });
  const dead = element("div", { class: "md-banner md-dead-note", role: "alert" });
  const node = element("div", { class: "md-banners" }, dead, offer);
  link.on("kept", (k) => {
    const offers = k?.offers ?? [];
    node.classList.toggle("md-has-offer", offers.length > 0);
    if (!offers.length) { offer.replaceChildren(); return; }
    const which = select("Which saved design", offers.map(([name, words], n) => [String(n), `${words} (${name})`]), "0", () => {});
    const told = offers.length > 1 ? which : element("span", { title: offers[0][0] }, offers[0][1]);
    offer.replaceChildren(element("span", {}, "Saved from this cell before: "), told,
      button("Continue", "Go on with the saved design", () => link.send({ op: "resume", which: Number(which.value || 0) }), { class: "md-button md-primary" }),
      button("Start anew", "Go on with the structure as the cell opens it; the saved file stays", () => link.send({ op: "anew" })));
  }, signal);
  const die = () => {
    if (signal.aborted || link.controller.signal.aborted) return;
    link.hush();
    const path = link.get("kept")?.title;
    const saved = path ? ` It is saved in ${path.split("/").pop()}: run the cell again and choose Continue.` : " Run the cell again to go on.";
    dead.textContent = `The kernel has restarted or ended: this desk is a picture of the design as it was.${saved}`;
    const frame = el.closest(".md-frame");
    frame?.classList.add("md-dead");
    for (const panel of frame?.querySelectorAll(".md-panel") ?? []) if (panel !== el) panel.inert = true;
    for (const b of el.querySelectorAll("button")) b.disabled = true;
  };
  watchKernel(link, die, signal);
  return node;
}

// Once, when the kernel behind the link is gone. ipywidgets marks the comms of a restarted kernel as dead; a kernel that ended is told
// by the manager's own.
function watchKernel(link, gone, signal) {
  let told = false;
  const tell = () => { if (!told) { told = true; gone(); } };
  const look = () => { if (link.output.comm_live === false) tell(); };
  link.output.on("comm_live_update", look);
  const kernel = link.manager?.kernel;
  const heard = (_, status) => { if (["restarting", "autorestarting", "dead", "terminating"].includes(status)) tell(); };
  kernel?.statusChanged?.connect(heard);
  signal.addEventListener("abort", () => {
    link.output.off("comm_live_update", look);
    kernel?.statusChanged?.disconnect(heard);
  });
}

// Desks whose cameras follow one another: whoever is turned turns the others. In the page alone; the kernel only names them.
function followCameras(link) {
  const watch = setInterval(() => {
    const keys = link.get("cameras") ?? [];
    const pane = link.pane;
    if (!keys.length || !pane?.component) return;
    const matrix = pane.stage.viewerControls.getOrientation();
    const now = Array.from(matrix.elements, (x) => x.toFixed(4)).join();
    if (now === pane.cameraTold) return;
    const first = pane.cameraTold === undefined;
    pane.cameraTold = now;
    if (first) return;
    for (const key of keys) {
      const other = DESKS.get(key)?.live?.pane;
      if (!other?.component) continue;
      other.stage.viewerControls.orient(matrix);
      other.cameraTold = Array.from(other.stage.viewerControls.getOrientation().elements, (x) => x.toFixed(4)).join();
    }
  }, 50);
  link.controller.signal.addEventListener("abort", () => clearInterval(watch));
}
