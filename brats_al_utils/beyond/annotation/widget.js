// What a reader sees and presses; it follows `stage.js`. The kernel decides what is shown, and keeps every answer.
// Nothing is kept here or loaded from elsewhere, and every name is set as text.

const REPLY_MS = 10000; // a kernel that reads a large volume needs a while
const NO_REPLY =
  "No reply yet: the kernel is busy with another cell, or has stopped. If it has stopped, Run All Cells: it resumes after the last saved answer.";
const NEXT = "Proposing the next images. With enough labels, the committee is trained first, for a minute or more.";
const KEYS = [
  ["1 2 U S Z", "the buttons below the image"],
  ["Shift + 1, 2, U", "the same for all images of the patient that you have not answered"],
  ["\u2190 \u2192", "other images of the patient"],
  ["Space", "the proposed image"],
  ["\u2191 \u2193", "channel"],
  ["N", "a note; Enter ends it"],
  ["G", "answered images: click one to change it"],
  ["F", "full screen"],
  ...STAGE_KEYS,
  ["?", "these keys"],
];

function minutes(seconds) {
  if (seconds === null) return "";
  return seconds < 85 ? `about ${Math.max(Math.ceil(seconds / 10), 1) * 10} s left` : `about ${Math.ceil(seconds / 60)} min left`;
}

function render({ model, el }) {
  const root = element(el, "div", "annotator");
  root.tabIndex = 0;
  root.setAttribute("role", "application");
  root.setAttribute("aria-label", "Annotate images");
  root.dataset.lmSuppressShortcuts = "true"; // keeps JupyterLab's own keys, as D D, from acting here
  const head = element(root, "div", "head");
  const bar = element(head, "progress", "progress");
  const counted = element(head, "span", "counted");
  const needs = element(head, "span", "needs");
  const left = element(head, "span", "left");
  const picture = stageOf(root, root);
  const stage = picture.stage;
  const named = element(stage, "div", "named");
  const ended = element(stage, "div", "ended");
  const summary = element(ended, "div", "summary");
  const next = element(ended, "button", "button", "Propose the next images");
  const grid = element(stage, "div", "grid");
  const legend = element(stage, "div", "legend");
  const foot = element(stage, "div", "foot");
  const other = element(foot, "div", "other");
  const said = element(foot, "div", "said");
  said.setAttribute("role", "status");
  element(foot, "div", "hint", "Click the image, or move to it with Tab, to use the keys.");
  const buttons = element(root, "div", "buttons");
  for (const [key, meaning] of KEYS) {
    element(legend, "kbd", "kbd", key);
    element(legend, "span", "key", meaning);
  }

  let now = null; // what the kernel sent last about the proposal
  let image = null; // what is on the canvas
  let armed = ""; // a label that was pressed while another image was shown
  let timer = null; // runs while a reply is awaited; keys are ignored meanwhile

  function send(message) {
    if (timer) return;
    timer = setTimeout(silent, message.ask === "next" ? 2 ** 31 - 1 : REPLY_MS);
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
  const toggle = (name, on) => root.classList.toggle(`brats-al-${name}`, on);

  const actions = new Map();
  function button(key, text, act, extra = "") {
    const made = element(buttons, "button", `button ${extra}`);
    made.type = "button";
    element(made, "kbd", "kbd", key);
    made.append(` ${text}`);
    const done = (whole) => !made.disabled && act(whole);
    made.addEventListener("click", (event) => {
      root.focus({ preventScroll: true }); // so that the keys still work
      done(event.shiftKey);
    });
    actions.set(key.toLowerCase(), done);
    return made;
  }
  const note = document.createElement("input");
  let undo = null;
  function label(labels) {
    if (actions.size) return;
    const answer = (name) => (whole) => {
      if (!now.places.includes(image.place) && !whole && armed !== name) {
        armed = name;
        say("The answer is for the proposed image, not for this one: press again, or Space to see it.", true);
        return;
      }
      const { slice_id, sha256 } = now;
      send({ ask: "answer", slice_id, sha256, label: name, note: note.value, whole: Boolean(whole), change: now.was !== "" });
    };
    button("1", labels[0], answer(labels[0]), "brats-al-first");
    button("2", labels[1], answer(labels[1]), "brats-al-second");
    button("U", "unsure", answer("unsure"));
    button("S", "skip", answer("skip"));
    undo = button("Z", "undo", () => send({ ask: "undo" }), "brats-al-undo");
    note.className = "brats-al-note";
    note.placeholder = "N: a note on this image";
    note.maxLength = 500;
    note.setAttribute("aria-label", "Note on this image");
    buttons.append(note);
    for (const [key, text] of [["G", "answered"], ["F", "full screen"], ["?", "keys"]])
      button(key, text, () => moves[key.toLowerCase()](), "brats-al-small");
  }
  next.type = "button";
  next.addEventListener("click", () => {
    say(NEXT);
    send({ ask: "next" });
  });

  function look(step, channel = 0) {
    const at = (image.place + step + now.channels.length) % now.channels.length;
    const count = now.channels[at];
    const of = (Math.min(image.channel, count - 1) + channel + count) % count;
    if (at !== image.place || of !== image.channel)
      send({ ask: "look", slice_id: now.slice_id, place: at, channel: of });
  }

  function tile(spec, buffers) {
    const made = element(grid, "button", "tile");
    made.type = "button";
    if (spec.problem) element(made, "span", "problem", spec.problem);
    else paintOn(element(made, "canvas", "small"), spec, sixteen(buffers.shift()), firstWindow(spec));
    element(made, "span", "caption", spec.note ? `${spec.caption}\n${spec.note}` : spec.caption);
    made.addEventListener("click", () => {
      root.focus({ preventScroll: true });
      send({ ask: "open", slice_id: spec.slice_id });
    });
  }
  function showGrid(message, buffers) {
    grid.replaceChildren();
    const which = element(grid, "div", "which");
    for (const option of message.options) {
      const made = element(which, "button", "button brats-al-small", option);
      made.type = "button";
      made.setAttribute("aria-pressed", option === message.which);
      made.addEventListener("click", () => send({ ask: "grid", which: option }));
    }
    for (const spec of message.tiles) tile(spec, buffers);
    if (!message.tiles.length) element(grid, "div", "none", "None.");
  }

  function receive(message, buffers) {
    if (message.kind === "refused") {
      answered();
      say(message.said, true);
      return;
    }
    if (message.kind === "look" && now?.slice_id !== message.slice_id) return;
    answered();
    armed = "";
    toggle("gridded", message.kind === "grid");
    if (message.kind === "grid") {
      showGrid(message, [...buffers]);
      return;
    }
    if (message.kind !== "look") {
      label(message.labels);
      say(message.was ? `Answered: ${message.was}. A label changes it, Space continues.` : message.said);
      undo.disabled = !message.undo;
      bar.max = Math.max(message.total, 1);
      bar.value = message.answered;
      counted.textContent = message.counted;
      needs.textContent = message.needs;
      left.textContent = minutes(message.seconds_left);
      note.value = message.note ?? "";
      for (const name of ["1", "2", "u", "s"]) [...buttons.children][["1", "2", "u", "s"].indexOf(name)].disabled = message.kind === "ended";
    }
    toggle("over", message.kind === "ended");
    if (message.kind === "ended") {
      [now, image] = [null, null];
      picture.clear();
      summary.textContent = message.summary;
      next.hidden = !message.next;
      return;
    }
    const before = image;
    const same = now?.slice_id === message.slice_id;
    if (message.kind === "proposal") now = message;
    image = message.image;
    named.textContent = [now.patient_id, image.name].filter(Boolean).join("\n");
    const proposed = now.places.includes(image.place);
    other.textContent = proposed ? "" : "Another image: answers are for the proposed one (Space)";
    toggle("elsewhere", !proposed);
    toggle("broken", Boolean(image.problem));
    root.dataset.sliceId = now.slice_id;
    if (image.problem) {
      picture.clear();
      summary.textContent = image.problem;
      next.hidden = true;
      return;
    }
    picture.show(image, sixteen(buffers[0]), null, same && before?.channel === image.channel && !before.problem);
  }

  const moves = {
    arrowleft: () => look(-1),
    arrowright: () => look(1),
    arrowup: () => look(0, -1),
    arrowdown: () => look(0, 1),
    " ": () => (now?.was || root.classList.contains("brats-al-gridded") ? send({ ask: "show" }) : look(now.places[0] - image.place)),
    g: () => send(root.classList.contains("brats-al-gridded") ? { ask: "show" } : { ask: "grid", which: "all" }),
    f: () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen()),
    "?": () => root.classList.toggle("brats-al-help"),
    n: () => note.focus(),
  };
  const always = ["g", "f", "?"]; // these work without an image too
  root.addEventListener("keydown", (event) => {
    if (event.target === note) {
      if (event.key === "Enter" || event.key === "Escape") root.focus({ preventScroll: true });
      event.stopPropagation();
      return;
    }
    if (event.metaKey || event.altKey || (event.ctrlKey && event.key !== "z")) return;
    if (event.target !== root && (event.key === " " || event.key === "Enter")) return; // these press a button
    const digit = /^(?:Digit|Numpad)([012])$/.exec(event.code); // event.key differs with Shift, and on some keyboards always
    const key = digit ? digit[1] : event.key.toLowerCase();
    const act = actions.get(key);
    const move = moves[key];
    if (act || move) {
      if (act && !move && !event.repeat) act(event.shiftKey && key !== "z" && key !== "s"); // a key held down answers one image
      else if (move && (image || always.includes(key))) move();
    } else if (!picture.press(key)) return;
    event.preventDefault();
    event.stopPropagation();
  });

  // The first image is in focus if it is on the screen and nobody has touched the page yet.
  let touched = false;
  const touch = () => (touched = true);
  const page = ["pointerdown", "keydown"];
  for (const each of page) document.addEventListener(each, touch, { capture: true, once: true });
  const tries = [100, 500, 1500, 3000].map((wait) =>
    setTimeout(() => {
      const box = stage.getBoundingClientRect();
      if (!touched && box.height && box.top >= 0 && box.top < innerHeight / 2) root.focus({ preventScroll: true });
    }, wait),
  );

  model.on("msg:custom", receive);
  send({ ask: "show" });
  return () => {
    clearTimeout(timer);
    tries.forEach(clearTimeout);
    for (const each of page) document.removeEventListener(each, touch, { capture: true });
    picture.end();
    model.off("msg:custom", receive);
  };
}

export default { render };
