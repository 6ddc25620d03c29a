// history.js: the steps of the design as a tree: go to one, name it, put two of them side by side; and whether all is saved.

function historyPanel(el, link, signal) {
  const list = element("ol", { class: "md-steps-list", "aria-label": "Steps of the design; choose one to go to it, F2 names it" });
  const compare = button("Compare", "Put two steps side by side", () => link.send(link.get("compare")?.a ? { op: "compare", close: true } : { op: "compare" }), { class: "md-button md-compare-open", "aria-pressed": "false" });
  el.append(element("div", { class: "md-bar" }, element("h3", {}, "History"), element("span", { class: "md-grow" }), savedMark(link, signal), compare), element("div", { class: "md-scroll" }, list));
  const rename = (row, n) => {
    const field = element("input", { type: "text", class: "md-text md-step-field", value: n.called ?? "", maxlength: "80", placeholder: n.short ?? n.name, "aria-label": `Name of step ${n.id}`, "data-lm-suppress-shortcuts": "true", spellcheck: "false" });
    let over = false;
    const end = (keep) => {
      if (over) return;
      over = true;
      editing = null;
      if (keep && field.value.trim() !== (n.called ?? "")) link.send({ op: "name_step", node: n.id, name: field.value });
      show(link.get("history"));
      list.querySelector(`[data-node="${n.id}"] .md-step`)?.focus();
    };
    field.addEventListener("keydown", (e) => {
      e.stopPropagation();
      if (e.key === "Enter") end(true);
      if (e.key === "Escape") end(false);
    });
    field.addEventListener("blur", () => end(true));
    editing = n.id;
    row.replaceChildren(field);
    field.focus();
    field.select();
  };
  let editing = null; // a list drawn anew would take the field away under the hand
  const rowOf = (n) => {
    if (n.gap !== undefined) {
      const more = element("button", { type: "button", class: "md-step md-gap", title: "Show these steps", onclick: () => link.send({ op: "window", around: n.gap }) }, `⋯ ${n.text}`);
      more.style.setProperty("--md-depth", n.depth);
      return element("li", {}, more);
    }
    const name = n.called || n.name;
    const b = element("button", { type: "button", class: "md-step", "aria-current": n.current ? "step" : null, title: `Go to: ${n.called ? `${n.called} (${n.name})` : n.name}`, onclick: () => link.send({ op: "goto", node: n.id }) },
      element("span", { class: "md-dot", "aria-hidden": "true" }), n.called ? element("span", { class: "md-step-called" }, n.called) : null, element("span", { class: "md-step-name" }, n.short ?? n.name));
    b.setAttribute("aria-label", `Go to: ${name}`);
    b.addEventListener("keydown", (e) => { if (e.key === "F2") { e.preventDefault(); e.stopPropagation(); rename(row, n); } });
    const pair = link.get("compare");
    const pills = ["a", "b"].map((side) => {
      const pressed = pair?.[side]?.node === n.id;
      const pill = element("button", { type: "button", class: "md-side-pill", "aria-pressed": String(pressed), "aria-label": `Compare: ${name} as side ${side.toUpperCase()}`, title: `Put this step on side ${side.toUpperCase()}`, onclick: () => {
        const now = link.get("compare");
        const other = now?.[side === "a" ? "b" : "a"]?.node ?? link.get("history").nodes.find((m) => m.current)?.id ?? 0;
        link.send({ op: "compare", [side]: n.id, [side === "a" ? "b" : "a"]: other });
      } }, side.toUpperCase());
      return pill;
    });
    const pen = element("button", { type: "button", class: "md-step-tool", "aria-label": `Name this step: ${name}`, title: "Name this step (F2)", onclick: () => rename(row, n) }, "✎");
    const row = element("li", { class: "md-step-row", "data-node": n.id }, b, pen, ...pills);
    row.style.setProperty("--md-depth", n.depth);
    row.classList.toggle("md-off-path", !n.on_path);
    row.classList.toggle("md-fork", Boolean(n.fork));
    return row;
  };
  const show = (h) => {
    if (editing !== null) return;
    const focused = list.contains(document.activeElement) ? document.activeElement : null;
    const where = focused?.closest("[data-node]")?.dataset.node;
    const kind = focused?.className;
    list.replaceChildren(...(h?.nodes ?? []).map(rowOf));
    // the list is drawn anew; the keyboard stays where it was
    if (where) [...list.querySelectorAll(`[data-node="${where}"] button`)].find((b) => b.className === kind)?.focus();
    list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  };
  link.on("history", show, signal);
  link.on("compare", (c) => {
    const on = Boolean(c?.a);
    el.classList.toggle("md-choosing", on);
    compare.setAttribute("aria-pressed", String(on));
    show(link.get("history"));
  }, signal);
  link.on("header", (h) => { compare.disabled = !h.can_undo && !h.can_redo; }, signal);
}

// Whether what is designed here is written down: where, when, or why not. A switch: autosave on or off.
function savedMark(link, signal) {
  const mark = element("button", { type: "button", class: "md-saved", role: "switch", onclick: () => link.send({ op: "autosave", on: !link.get("kept")?.on }) });
  link.on("kept", (k) => {
    mark.textContent = k?.on ? k.text || "autosave" : "autosave off";
    mark.dataset.level = k?.on ? k.level ?? "" : "";
    mark.setAttribute("aria-checked", String(Boolean(k?.on)));
    const where = k?.on ? (k.title ? k.title : "Saving begins with the first step made by hand") : "Nothing is saved by itself";
    mark.title = `${where}. Click to turn autosave ${k?.on ? "off" : "on"}.`;
    mark.setAttribute("aria-label", `Autosave: ${mark.textContent}`);
  }, signal);
  return mark;
}
