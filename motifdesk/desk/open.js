// open.js: files from the person's machine: dropped on the desk, chosen with the Open button, or pasted. The page looks into none of
// them: name and bytes go to Python in pieces, and what comes of it is a step of the history or a message.

const OPEN_PIECE = 1 << 20; // well below what a server takes in one message
const OPEN_MOST = 32e6;
let openings = 0;

// The desk that a node of the page belongs to: its frame and its link.
function deskAt(node) {
  const frame = node?.closest?.(".md-frame");
  const link = frame?.querySelector(".md-header")?.mdLink;
  return link ? { frame, link } : null;
}

async function openFile(link, file, about = {}) {
  const id = `${Date.now()}-${++openings}`;
  const message = { op: "open", file: id, name: file.name ?? "", size: file.size, ...about };
  if (file.size > OPEN_MOST) return link.send(message); // Python says why not
  let bytes;
  try {
    bytes = new Uint8Array(await file.arrayBuffer());
  } catch {
    return link.send({ ...message, unreadable: true }); // a folder, or a file that has gone
  }
  const parts = Math.max(1, Math.ceil(bytes.length / OPEN_PIECE));
  for (let part = 0; part < parts; part++) {
    const piece = bytes.slice(part * OPEN_PIECE, (part + 1) * OPEN_PIECE);
    link.send({ ...message, part, parts }, [piece.buffer]);
    await pause(0); // the page breathes
  }
}

function openButton(el, link, signal) {
  el.mdLink = link;
  const picker = element("input", { type: "file", class: "md-hidden", tabindex: "-1", "aria-label": "Structure file or saved session" });
  picker.addEventListener("change", () => {
    if (picker.files.length) openFile(link, picker.files[0]);
    picker.value = ""; // the same file may be chosen again
  });
  const open = button("Open …", "Open a structure file or a saved session of this computer; it can also be dropped on the desk or pasted", () => picker.click(), { class: "md-button md-open" });
  const said = element("span", { class: "md-said", role: "status", "aria-live": "polite" });
  link.on("opening", (o) => {
    said.textContent = o?.text ?? "";
    el.closest(".md-frame")?.classList.toggle("md-reading", Boolean(o?.busy));
    open.setAttribute("aria-busy", String(Boolean(o?.busy)));
  }, signal);
  return element("span", { class: "md-open-tools" }, open, picker, said);
}

const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

// One set of listeners a page, whatever the number of desks; a newer desk's module takes over from an older one's.
globalThis.motifdesk.opening?.abort();
globalThis.motifdesk.opening = new AbortController();
{
  const options = { capture: true, signal: globalThis.motifdesk.opening.signal };
  let lit = null;
  const light = (frame) => {
    if (lit === frame) return;
    lit?.classList.remove("md-drop");
    lit = frame;
    lit?.classList.add("md-drop");
  };
  for (const name of ["dragenter", "dragover"]) {
    window.addEventListener(name, (event) => {
      const at = carriesFiles(event) && deskAt(event.target);
      light(at ? at.frame : null);
      if (!at) return;
      event.preventDefault(); // otherwise the browser leaves the notebook for the file
      event.stopPropagation();
      event.dataTransfer.dropEffect = "copy";
    }, options);
  }
  window.addEventListener("dragleave", (event) => { if (!event.relatedTarget) light(null); }, options);
  window.addEventListener("drop", (event) => {
    light(null);
    const at = carriesFiles(event) && deskAt(event.target);
    if (!at) return;
    event.preventDefault();
    event.stopPropagation(); // nglview would run what it takes for a script
    const files = [...event.dataTransfer.files];
    if (files.length) openFile(at.link, files[0], files.length > 1 ? { more: true } : {});
  }, options);
  window.addEventListener("paste", (event) => {
    const at = deskAt(event.target);
    if (!at || event.target.matches(TYPING)) return;
    const [file] = event.clipboardData?.files ?? [];
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (!file && !text.trim()) return;
    event.preventDefault();
    event.stopPropagation();
    if (file) openFile(at.link, file);
    else openFile(at.link, new Blob([text], { type: "text/plain" }), { pasted: true });
  }, options);
}
