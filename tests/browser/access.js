// access.js: what tests/browser/access.py asks of the page. An object of functions, each given plain values and returning them.
({
  // roles, ids, references, pictures and lists
  markup(root, roles) {
    const wrong = [];
    const say = (what, node) => wrong.push(`${what}: ${node.outerHTML.slice(0, 140)}`);
    const shown = (node) => node.checkVisibility({ visibilityProperty: true });
    const inside = [...document.querySelectorAll(`${root}, ${root} *`)];
    const ids = new Map();
    for (const node of document.querySelectorAll("[id]")) ids.set(node.id, (ids.get(node.id) ?? 0) + 1);
    for (const node of inside) {
      const role = node.getAttribute("role");
      if (role !== null && !roles.includes(role)) say(`no such role (${role})`, node);
      if (node.id && ids.get(node.id) > 1) say("an id used twice", node);
      if (node.matches("img") && !node.hasAttribute("alt")) say("a picture without alt", node);
      if (node.tabIndex > 0) say("an order of its own", node);
      for (const name of ["aria-labelledby", "aria-describedby", "aria-activedescendant", "aria-controls", "for", "list"]) {
        for (const id of (node.getAttribute(name) ?? "").split(/\s+/).filter(Boolean)) if (!ids.has(id)) say(`${name} names nothing`, node);
      }
      if (!shown(node)) continue;
      if (node.closest("[aria-hidden=true]") && node.tabIndex >= 0 && node.matches("button, input, select, textarea, a[href], [tabindex]")) say("focusable but hidden", node);
      const needs = { radiogroup: "[role=radio]", tablist: "[role=tab]" }[role];
      if (needs && !node.querySelector(needs)) say("a group of nothing", node);
      if (role === "radio" && !["true", "false"].includes(node.getAttribute("aria-checked"))) say("a choice without a state", node);
      if (node.matches("ul, ol") && !role && [...node.children].some((c) => !c.matches("li"))) say("a list of something else than items", node);
    }
    return wrong;
  },

  // contrast of every visible text
  contrast(root) {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const parse = (text) => { // any colour the browser knows, as [r, g, b, a] in 0...1
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = text;
      canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data].map((v) => v / 255);
    };
    const over = (top, under) => {
      const a = top[3];
      return [0, 1, 2].map((k) => top[k] * a + under[k] * (1 - a)).concat(1);
    };
    const ground = (node) => {
      const layers = [];
      for (let n = node; n; n = n.parentElement) {
        const colour = parse(getComputedStyle(n).backgroundColor);
        layers.push(colour);
        if (colour[3] > 0.999) break;
      }
      return layers.reverse().reduce((under, top) => over(top, under), [1, 1, 1, 1]);
    };
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const luminance = (c) => 0.2126 * linear(c[0]) + 0.7152 * linear(c[1]) + 0.0722 * linear(c[2]);
    const faint = (node) => { let o = 1; for (let n = node; n; n = n.parentElement) o *= Number(getComputedStyle(n).opacity); return o; };
    const wrong = [];
    let checked = 0;
    const walker = document.createTreeWalker(document.querySelector(root), NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const node = walker.currentNode.parentElement;
      if (!walker.currentNode.data.trim() || node.closest("svg, option, script, style")) continue;
      const style = getComputedStyle(node);
      if (!node.checkVisibility({ visibilityProperty: true })) continue;
      if (node.closest(":disabled, [aria-disabled=true], .md-brand, .md-said, .md-stale, .md-all-stale, .md-change-stale")) continue;
      const back = ground(node);
      const ink = parse(style.color);
      const seen = faint(node);
      if (!seen) continue; // there only when its row has the pointer or the focus
      ink[3] *= seen;
      const [a, b] = [luminance(over(ink, back)), luminance(back)].sort((x, y) => y - x);
      const ratio = (a + 0.05) / (b + 0.05);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      checked += 1;
      if (ratio < (large ? 3 : 4.5) - 0.005) wrong.push(`${ratio.toFixed(2)}:1 ${style.color} "${walker.currentNode.data.trim().slice(0, 40)}" .${node.className}`);
    }
    return { checked, wrong };
  },

  // where the focus is
  place(root) {
    const node = document.activeElement;
    if (!node?.closest(root)) return null;
    const box = node.getBoundingClientRect();
    const style = getComputedStyle(node);
    const pane = node.closest(".md-header, .md-pane-view, .md-pane-map, .md-families, .md-handles, .md-readouts, .md-history, .md-export, .md-messages");
    const ring = (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1.5) || style.boxShadow !== "none";
    node.dataset.tabbed = "yes";
    return { pane: pane?.className.match(/md-(pane-)?(header|view|map|families|handles|readouts|history|export|messages)/)?.[2] ?? "", ring,
      name: node.getAttribute("aria-label") || node.textContent.trim().slice(0, 40) || node.outerHTML.slice(0, 80),
      x: box.left, y: box.top, width: box.width, height: box.height };
  },

  // controls that Tab did not visit
  unreached(root) {
    const shown = (n) => n.checkVisibility({ visibilityProperty: true });
    const all = [...document.querySelectorAll(`${root} :is(button, input, select, textarea, summary, a[href], [tabindex="0"])`)];
    const left = all.filter((n) => shown(n) && !n.disabled && n.dataset.tabbed !== "yes")
      // one radio of a group is in the order, arrow keys reach the others
      .filter((n) => n.getAttribute("role") !== "radio" || !n.closest("[role=radiogroup]")?.querySelector("[data-tabbed=yes]"));
    for (const n of document.querySelectorAll("[data-tabbed]")) delete n.dataset.tabbed;
    return left.map((n) => n.outerHTML.slice(0, 140));
  },

  // what does not fit across
  cut(root) {
    const out = [];
    const frame = document.querySelector(`${root} .md-frame`).getBoundingClientRect();
    const page = document.scrollingElement;
    if (page.scrollWidth > page.clientWidth + 1) out.push(`the page scrolls sideways: ${page.scrollWidth} > ${page.clientWidth}`);
    for (const n of document.querySelectorAll(`${root} .md-frame *`)) {
      if (n.closest("svg, .md-chart, .md-stage, .md-said") || !n.checkVisibility({ visibilityProperty: true })) continue;
      const style = getComputedStyle(n);
      const name = `${n.tagName}.${n.className} in .${n.parentElement.className} "${n.textContent.slice(0, 30)}"`;
      if (n.matches("button, input, select, summary") && (n.getBoundingClientRect().right > frame.right + 1 || n.getBoundingClientRect().left < frame.left - 1)) out.push(`${name} is outside`);
      if (n.scrollWidth <= n.clientWidth + 1 || n.clientWidth < 3 || style.display === "inline" || n.matches("input, select")) continue;
      if (style.textOverflow !== "ellipsis") out.push(`${name} is cut: ${n.scrollWidth} > ${n.clientWidth}`);
    }
    return out;
  },

})
