// pieces.js: what of the design is drawn (a view: the design stays whole), and the slab that may be made of it.

const CELLS = [["1,1,1", "1 cell"], ["2,1,1", "2×1×1"], ["2,2,1", "2×2×1"], ["2,2,2", "2×2×2"]];

function pieceChoice(link, signal) {
  const number = (label, value, options) => element("input", { type: "number", class: "md-text md-few", value, "aria-label": label, "data-lm-suppress-shortcuts": "true", ...options });
  const hkl = element("input", { type: "text", class: "md-text md-hkl", value: "0 0 1", "aria-label": "Miller indices h k l of the slab, in the design's cell", title: "Miller indices h k l, in the design's cell", "data-lm-suppress-shortcuts": "true", spellcheck: "false" });
  const layers = number("Layers of the slab", "3", { min: "1", max: "40", step: "1" });
  const vacuum = number("Vacuum, in Ångström", "15", { min: "0", max: "100", step: "1" });
  const asked = () => ({ hkl: hkl.value, layers: layers.value === "" ? null : Number(layers.value), vacuum: vacuum.value === "" ? null : Number(vacuum.value) });
  let told = "";
  const show = () => {
    told = JSON.stringify(asked());
    link.send({ op: "piece", kind: "slab", ...asked() });
  };
  for (const field of [hkl, layers, vacuum]) {
    field.addEventListener("change", () => { if (JSON.stringify(asked()) !== told) show(); }); // not again what was refused, when its message is dismissed
    field.addEventListener("keydown", (e) => { if (e.key === "Enter") show(); });
  }
  const make = button("Make slab", "Make this slab the design: one step of the history", () => link.send({ op: "slab", ...asked() }), { class: "md-button md-make-slab" });
  const form = element("span", { class: "md-slab", role: "group", "aria-label": "Slab" }, element("label", {}, "hkl ", hkl), element("label", {}, "layers ", layers), element("label", {}, "vacuum ", vacuum, " Å"), make);
  const words = element("span", { class: "md-piece-words", role: "status" });
  const row = element("div", { class: "md-piece" }, words, form);
  const menu = select("What is drawn (a view: the design stays as it is)", CELLS, "1,1,1", (v) => {
    if (/^\d/.test(v)) {
      link.send({ op: "repeat", repeat: v.split(",").map(Number) });
      link.send({ op: "piece", kind: "cells" });
    } else if (v === "slab") show();
    else link.send({ op: "piece", kind: v });
  });
  menu.classList.add("md-piece-menu");
  const draw = (v) => {
    const piece = v.piece ?? { kind: "cells" };
    menu.style.display = v.crystal ? "" : "none";
    fill(menu, [...CELLS, ...(v.pieces ?? [])], piece.kind === "cells" ? (v.repeat ?? [1, 1, 1]).join(",") : piece.kind);
    words.textContent = v.words ?? "";
    form.style.display = piece.kind === "slab" ? "" : "none";
    row.style.display = v.words ? "" : "none";
    if (piece.kind === "slab" && !row.contains(document.activeElement)) [hkl.value, layers.value, vacuum.value] = [piece.hkl.join(" "), piece.layers, piece.vacuum];
  };
  link.on("view", draw, signal);
  link.on("messages", () => draw(link.get("view") ?? {}), signal); // a view that was refused: the menu shows what is drawn
  return { menu, row };
}
