// bridge.js: entry of the module made of core, stage, map, panels and this. Output is never displayed and starts the bridge; a Panel
// shows one part of the desk's chrome.

globalThis.motifdesk.render = async ({ model, el, signal }) => {
  const kind = model.get("kind");
  if (!PANELS[kind]) return;
  const link = await linkOf(model.get("key"));
  el.classList.add("md-panel", `md-${kind}`);
  PANELS[kind](el, link, signal ?? link.controller.signal);
};

async function start(model, signal) {
  // what was missed is asked for; this is the first thing of a desk that the page sees
  modelOf(model.widget_manager, model.get("own_id"), signal).then(async (own) => {
    if (own && await givenUp(own)) own.comm.send({ method: "request_state" }, own.callbacks?.());
  });
  const link = await connect(model, signal);
  if (!link) return;
  const named = async (name) => {
    while (!link.get(name) && !link.controller.signal.aborted) await pause(20);
  };
  await named("viewer_id");
  attachStage(link);
  followCameras(link);
  await named("figure_id");
  attachMap(link);
}

export default {
  initialize({ model, signal }) {
    start(model, signal);
  },
};
