// bridge.js: entry of the module made of core, stage, map, panels and this. Output is never displayed and starts the bridge; a Panel
// shows one part of the desk's chrome.

globalThis.motifdesk.render = async ({ model, el, signal }) => {
  const kind = model.get("kind");
  if (!PANELS[kind]) return;
  const link = await linkOf(model.widget_manager, model.get("output_id"));
  el.classList.add("md-panel", `md-${kind}`);
  PANELS[kind](el, link, signal ?? link.controller.signal);
};

export default {
  async initialize({ model, signal }) {
    const id = model.get("own_id");
    const link = await linkOf(model.widget_manager, id);
    if (signal?.aborted) return;
    signal?.addEventListener("abort", () => { link.dispose(); DESKS.delete(id); });
    attachStage(link);
    attachMap(link);
  },
};
