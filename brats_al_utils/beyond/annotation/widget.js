// What a reader sees and presses. The kernel decides what is shown and keeps every answer: nothing is kept here, nothing
// is loaded from anywhere, and every name is set as text.

const REPLY_MS = 10000; // a kernel that reads a large volume needs a while
const NO_REPLY =
  "No reply yet: the kernel is busy with another cell, or gone. If it is gone, Run All Cells: it goes on after the last saved answer.";
const KEYS = [
  ["\u2190 \u2192", "other images of the patient"],
  ["Space", "the proposed image"],
  ["\u2191 \u2193", "channel"],
  ["+ \u2212", "zoom (or wheel)"],
  ["Q E", "darker, brighter"],
  ["A D", "less, more contrast"],
  ["0", "reset"],
  ["drag", "move; with Shift: window"],
];

function element(parent, tag, name, text = "") {
  const made = document.createElement(tag);
  made.className = `brats-al-${name}`;
  made.textContent = text;
  parent.append(made);
  return made;
}

function minutes(seconds) {
  if (seconds === null) return "";
  return seconds < 85 ? `about ${Math.max(Math.ceil(seconds / 10), 1) * 10} s left` : `about ${Math.ceil(seconds / 60)} min left`;
}

// Grey levels of 0 to 65535 as bytes, by window: [level, width] as shares of that range.
function shades(levels, [level, width]) {
  const low = 65535 * (level - width / 2);
  const scale = 255 / (65535 * width);
  const bytes = new Uint8ClampedArray(4 * levels.length);
  for (let i = 0; i < levels.length; i += 1) {
    const shade = (levels[i] - low) * scale; // clamped when stored
    bytes[4 * i] = shade;
    bytes[4 * i + 1] = shade;
    bytes[4 * i + 2] = shade;
    bytes[4 * i + 3] = 255;
  }
  return bytes;
}

function render({ model, el }) {
  const root = element(el, "div", "annotator");
  root.tabIndex = 0;
  root.setAttribute("role", "application");
  root.setAttribute("aria-label", "Annotate images");
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab's own keys, as D D, are not meant here
  const head = element(root, "div", "head");
  const bar = element(head, "progress", "progress");
  const counted = element(head, "span", "counted");
  const left = element(head, "span", "left");
  const stage = element(root, "div", "stage");
  const canvas = element(stage, "canvas", "image");
  const top = element(stage, "div", "top");
  const named = element(top, "div", "named");
  const shown = element(top, "div", "shown");
  const ended = element(stage, "div", "ended");
  const foot = element(stage, "div", "foot");
  const other = element(foot, "div", "other");
  const said = element(foot, "div", "said");
  said.setAttribute("role", "status");
  element(foot, "div", "hint", "Click the image, or move to it with Tab, to use the keys.");
  const buttons = element(root, "div", "buttons");
  const legend = element(root, "div", "legend");
  for (const [key, meaning] of KEYS) {
    const item = element(legend, "span", "key");
    element(item, "kbd", "kbd", key);
    item.append(` ${meaning}`);
  }

  let now = null; // what the kernel sent last about the proposal
  let image = null; // what is on the canvas
  let levels = null;
  let window_ = [0.5, 1];
  let view = { x: 0, y: 0, zoom: 1 };
  let timer = null; // runs while a reply is awaited; no key counts meanwhile

  function send(message) {
    if (timer) return;
    timer = setTimeout(silent, REPLY_MS);
    root.classList.add("brats-al-busy");
    try {
      model.send(message);
    } catch {
      silent();
    }
  }
  function silent() {
    answered();
    say(NO_REPLY, true);
  }
  function answered() {
    clearTimeout(timer);
    timer = null;
    root.classList.remove("brats-al-busy");
  }
  function say(text, wrong = false) {
    said.textContent = text;
    said.classList.toggle("brats-al-wrong", wrong);
  }

  const actions = new Map();
  function button(key, label, message, extra = "") {
    const made = element(buttons, "button", `button ${extra}`);
    made.type = "button";
    element(made, "kbd", "kbd", key);
    made.append(` ${label}`);
    const act = () => !made.disabled && send(message());
    made.addEventListener("click", () => {
      root.focus({ preventScroll: true }); // the keys go on working
      act();
    });
    actions.set(key.toLowerCase(), act);
    return made;
  }
  let undo = null;
  function label(labels) {
    if (actions.size) return;
    const answer = (name) => () => ({ ask: "answer", slice_id: now.slice_id, sha256: now.sha256, label: name });
    button("1", labels[0], answer(labels[0]), "brats-al-first");
    button("2", labels[1], answer(labels[1]), "brats-al-second");
    button("U", "unsure", answer("unsure"));
    button("S", "skip", answer("skip"));
    undo = button("Z", "undo", () => ({ ask: "undo" }), "brats-al-undo");
  }

  function place() {
    if (!levels) return;
    const [width, height] = [image.width * image.aspect, image.height];
    const fit = Math.min(stage.clientWidth / width, stage.clientHeight / height);
    const scale = fit * view.zoom;
    canvas.style.width = `${width * scale}px`;
    canvas.style.height = `${height * scale}px`;
    const x = (stage.clientWidth - width * scale) / 2 + view.x;
    const y = (stage.clientHeight - height * scale) / 2 + view.y;
    canvas.style.transform = `translate(${x}px, ${y}px)`;
  }
  function paint() {
    canvas.width = image.width;
    canvas.height = image.height;
    const pixels = new ImageData(shades(levels, window_), image.width, image.height);
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    const [level, width] = window_.map((share) => share * (image.high - image.low));
    const digits = image.high - image.low > 20 ? 0 : 2;
    shown.textContent = `level ${(image.low + level).toFixed(digits)}, width ${width.toFixed(digits)}, ${Math.round(100 * view.zoom)} %`;
    place();
  }
  function reset() {
    const white = Math.max((image.white - image.low) / (image.high - image.low), 0.005);
    view = { x: 0, y: 0, zoom: 1 };
    window_ = [white / 2, white];
    paint();
  }
  function zoom(factor) {
    const zoomed = Math.min(Math.max(view.zoom * factor, 1), 20);
    const ratio = zoomed / view.zoom;
    view = zoomed === 1 ? { x: 0, y: 0, zoom: 1 } : { x: view.x * ratio, y: view.y * ratio, zoom: zoomed };
    paint();
  }
  function rewindow(brighter, contrast) {
    const [level, width] = window_;
    window_ = [Math.min(Math.max(level - brighter * width, 0), 1), Math.min(Math.max(width / contrast, 0.005), 2)];
    paint();
  }
  function look(step, channel = 0) {
    const at = (image.place + step + now.channels.length) % now.channels.length;
    const count = now.channels[at];
    const of = (Math.min(image.channel, count - 1) + channel + count) % count;
    if (at !== image.place || of !== image.channel)
      send({ ask: "look", slice_id: now.slice_id, place: at, channel: of });
  }

  function receive(message, buffers) {
    if (message.kind === "refused") {
      answered();
      say(message.said, true);
      return;
    }
    if (message.kind === "look" && now?.slice_id !== message.slice_id) return;
    answered();
    if (message.kind !== "look") {
      label(message.labels);
      say(message.said);
      undo.disabled = !message.undo;
      bar.max = Math.max(message.total, 1);
      bar.value = message.answered;
      counted.textContent = message.counted;
      left.textContent = minutes(message.seconds_left);
      for (const each of buttons.children) if (each !== undo) each.disabled = message.kind === "ended";
    }
    stage.classList.toggle("brats-al-over", message.kind === "ended");
    if (message.kind === "ended") {
      [now, image, levels] = [null, null, null];
      ended.textContent = message.summary;
      return;
    }
    const before = image;
    const same = now?.slice_id === message.slice_id;
    if (message.kind === "proposal") now = message;
    image = message.image;
    named.textContent = `${now.patient_id}\n${image.name}`;
    const proposed = now.places.includes(image.place);
    other.textContent = proposed ? "" : "Another image: answers are for the proposed one (Space)";
    stage.classList.toggle("brats-al-elsewhere", !proposed);
    stage.classList.toggle("brats-al-broken", Boolean(image.problem));
    root.dataset.sliceId = now.slice_id;
    if (image.problem) {
      levels = null;
      ended.textContent = image.problem;
      return;
    }
    const bytes = buffers[0];
    levels = new Uint16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    if (same && before?.channel === image.channel && !before.problem) paint();
    else reset();
  }

  const moves = {
    arrowleft: () => look(-1),
    arrowright: () => look(1),
    arrowup: () => look(0, -1),
    arrowdown: () => look(0, 1),
    " ": () => look(now.places[0] - image.place),
    "+": () => zoom(1.25),
    "=": () => zoom(1.25),
    "-": () => zoom(0.8),
    q: () => rewindow(-0.05, 1),
    e: () => rewindow(0.05, 1),
    a: () => rewindow(0, 0.9),
    d: () => rewindow(0, 1 / 0.9),
    0: reset,
  };
  root.addEventListener("keydown", (event) => {
    if (event.metaKey || event.altKey || (event.ctrlKey && event.key !== "z")) return;
    if (event.target !== root && (event.key === " " || event.key === "Enter")) return; // a button's own
    const digit = /^(?:Digit|Numpad)([012])$/.exec(event.code); // on some keyboards digits need Shift
    const key = digit ? digit[1] : event.key.toLowerCase();
    const act = actions.get(key);
    const move = moves[key];
    if (!act && !move) return;
    event.preventDefault();
    event.stopPropagation();
    if (act && !event.repeat) act(); // a key that is held down answers one image, not twenty
    else if (move && image && (levels || key.startsWith("arrow") || key === " ")) move();
  });
  stage.addEventListener(
    "wheel",
    (event) => {
      if (!levels || document.activeElement !== root) return; // else the page scrolls
      event.preventDefault();
      zoom(event.deltaY < 0 ? 1.1 : 1 / 1.1);
    },
    { passive: false },
  );
  stage.addEventListener("pointerdown", (event) => {
    root.focus({ preventScroll: true });
    event.preventDefault();
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!levels || !event.buttons) return;
    if (event.shiftKey || event.buttons === 2) rewindow(-event.movementY / 400, 1 + event.movementX / 400);
    else if (view.zoom > 1) {
      view = { ...view, x: view.x + event.movementX, y: view.y + event.movementY };
      place();
    }
  });
  stage.addEventListener("contextmenu", (event) => event.preventDefault());
  const resized = new ResizeObserver(place);
  resized.observe(stage);

  model.on("msg:custom", receive);
  send({ ask: "show" });
  return () => {
    clearTimeout(timer);
    resized.disconnect();
    model.off("msg:custom", receive);
  };
}

export default { render };
