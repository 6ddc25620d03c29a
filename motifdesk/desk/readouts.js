// readouts.js: the read-outs' tabs. A tab is {key, label, title, size, make(link, signal) -> node, look(link, shown)}: `size` makes the strip
// taller while it is open ("md-mid", "md-tall" or ""), `look` tells Python whether somebody looks at it (what costs time is worked
// out only then). Other modules add theirs with TABS.push.

const TABS = [];

function readoutsPanel(el, link, signal) {
  const stamp = element("span", { class: "md-stamp" });
  const verdict = element("p", { class: "md-verdict", role: "status", "aria-live": "polite" });
  const nodes = TABS.map((tab) => tab.make(link, signal));
  const tabs = segmented("What is read out", TABS.map((t) => [t.key, t.label, t.title]), (v) => show(v));
  let open = null;
  const show = (which) => {
    if (which === open) return;
    const before = TABS.find((t) => t.key === open);
    open = which;
    tabs.set(which);
    TABS.forEach((tab, k) => { nodes[k].style.display = tab.key === which ? "" : "none"; });
    const size = TABS.find((t) => t.key === which)?.size;
    for (const name of ["md-tall", "md-mid"]) el.closest(".md-frame")?.classList.toggle(name, name === size);
    before?.look?.(link, false);
    TABS.find((t) => t.key === which)?.look?.(link, true);
  };
  el.append(element("div", { class: "md-bar md-tabs" }, element("h3", {}, "Read-outs"), tabs.node), element("div", { class: "md-say" }, verdict, element("span", { class: "md-grow" }), stamp), ...nodes);
  show(TABS[0].key);
  link.reveal = show;
  link.on("readouts", (r) => {
    stamp.textContent = stamp.title = r.stamp ?? "";
    verdict.textContent = r.verdict ?? "";
    verdict.dataset.level = r.level ?? "";
  }, signal);
  link.on("stale", (stale) => el.classList.toggle("md-all-stale", Boolean(stale)), signal);
}

// One number: what does not fit half the width has all of it.
function factRow(row) {
  const wide = row.label.length + row.value.length > 46 ? " md-wide" : "";
  const [formula, ...atoms] = row.value.split(" (");
  const value = row.label === "Formula" ? element("span", {}, formulaNode(formula), ...atoms.map((a) => ` (${a}`)) : row.value;
  return element("div", { class: `md-fact${wide}${row.stale ? " md-stale" : ""}`, title: `${row.label}: ${row.value}` }, element("dt", {}, row.label), element("dd", { "data-level": row.level ?? "" }, value));
}

TABS.push({
  key: "numbers", label: "Numbers", title: "Numbers about the design",
  make(link, signal) {
    const body = element("dl", { class: "md-facts-list md-numbers" });
    link.on("readouts", (r) => body.replaceChildren(...(r.rows ?? []).map(factRow)), signal);
    return element("div", { class: "md-scroll" }, body);
  },
});

TABS.push({
  key: "net", label: "Motif graph", title: "The motifs, how they share ligands, and the net they form", size: "md-tall",
  look: (link, shown) => link.send({ op: "net", shown }),
  make(link, signal) {
    const picture = element("img", { class: "md-net-picture", alt: "Motif graph" });
    const levels = element("ol", { class: "md-net-levels", "aria-label": "Levels of the structure, from atoms to the net" });
    const paint = () => {
      const svg = link.get("net")?.svg?.[document.body.getAttribute("data-jp-theme-light") === "false" ? "dark" : "light"];
      // as an image, an SVG can neither run anything nor load anything
      picture.src = svg ? `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}` : "";
      picture.style.display = svg ? "" : "none";
    };
    link.on("net", (n) => {
      paint();
      picture.alt = n.title ?? "Motif graph";
      levels.replaceChildren(...(n.levels ?? []).map(([name, text, items]) => element("li", {}, element("b", {}, name), element("div", {}, text, ...(items ?? []).map((line) => element("p", {}, line))))));
    }, signal);
    const themed = new MutationObserver(paint);
    themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
    signal.addEventListener("abort", () => themed.disconnect());
    return element("div", { class: "md-net" }, picture, levels);
  },
});
