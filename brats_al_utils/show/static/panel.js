// Shows what the kernel sends and tells it what is done; `stage.js` stands before it. The model has no state of its own:
// see panel.py. Whatever comes as text goes into the page as text.

const STEPS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };

function made(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

// An element that is taken out and put back loses the focus.
function place(parent, children) {
  const same = children.length === parent.children.length && children.every((each, n) => each === parent.children[n]);
  if (!same) parent.replaceChildren(...children);
}

const SVG = "http://www.w3.org/2000/svg";
const SIZE = { width: 400, height: 330, left: 46, right: 10, top: 24, bottom: 38 };

// Points over the unit interval, drawn as three lines of dots: quick, and in the colours of the page.
function plotOf(picked) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "plot");
  svg.setAttribute("viewBox", `0 0 ${SIZE.width} ${SIZE.height}`);
  svg.setAttribute("role", "img");
  function part(tag, name, values = {}, text = "") {
    const made = document.createElementNS(SVG, tag);
    made.setAttribute("class", name);
    for (const [key, value] of Object.entries(values)) made.setAttribute(key, value);
    made.textContent = text;
    svg.append(made);
    return made;
  }
  let [points, groups, high] = [new Float32Array(), new Uint8Array(), 1];
  const x = (value) => SIZE.left + (value * 0.96 + 0.02) * (SIZE.width - SIZE.left - SIZE.right);
  const y = (value) => SIZE.height - SIZE.bottom - (value / high) * (SIZE.height - SIZE.top - SIZE.bottom);
  function draw(spec) {
    svg.replaceChildren();
    svg.setAttribute("aria-label", `${spec.y} against ${spec.x}`);
    high = 0.001;
    for (let n = 1; n < points.length; n += 2) high = Math.max(high, points[n] * 1.04);
    const step = 10 ** Math.floor(Math.log10(high / 2));
    const nice = [1, 2, 5, 10].map((times) => times * step).find((each) => high / each < 6);
    for (const value of [0, 0.25, 0.5, 0.75, 1]) part("text", "tick", { x: x(value), y: SIZE.height - 22, "text-anchor": "middle" }, value);
    for (let value = 0; value < high; value += nice) {
      part("line", "grid", { x1: SIZE.left, x2: SIZE.width - SIZE.right, y1: y(value), y2: y(value) });
      part("text", "tick", { x: SIZE.left - 5, y: y(value) + 4, "text-anchor": "end" }, Number(value.toFixed(3)));
    }
    part("text", "label", { x: x(0.5), y: SIZE.height - 5, "text-anchor": "middle" }, spec.x);
    part("text", "label", { transform: `translate(11 ${y(high / 2)}) rotate(-90)`, "text-anchor": "middle" }, spec.y);
    spec.names.forEach((name, n) => {
      part("path", `dots group${n}`, { d: `M${x(0.1 + 0.4 * n)} 12h0` });
      part("text", "label", { x: x(0.1 + 0.4 * n) + 8, y: 16 }, name);
    });
    const dots = ["", "", ""];
    groups.forEach((group, n) => (dots[group] += `M${x(points[2 * n]).toFixed(1)} ${y(points[2 * n + 1]).toFixed(1)}h0`));
    for (const group of [2, 0, 1]) part("path", `dots group${group}`, { d: dots[group] });
    const at = 2 * spec.selected;
    if (at >= 0 && at < points.length) part("circle", "ring", { cx: x(points[at]), cy: y(points[at + 1]), r: 6 });
  }
  svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect();
    const [right, down] = [((event.clientX - box.left) / box.width) * SIZE.width, ((event.clientY - box.top) / box.height) * SIZE.height];
    let [best, least] = [-1, Infinity];
    groups.forEach((group, n) => {
      const far = (x(points[2 * n]) - right) ** 2 + (y(points[2 * n + 1]) - down) ** 2;
      if (group < 2 && far < least) [best, least] = [n, far];
    });
    if (best >= 0) picked(best);
  });
  return {
    svg,
    fill(name, bytes) {
      const own = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
      if (name === "points") points = new Float32Array(own);
      else groups = new Uint8Array(own);
    },
    draw,
  };
}

function render({ model, el }) {
  const root = made("div", "brats-al-panel");
  root.tabIndex = 0;
  // The keys are the panel's while it has the focus, but JupyterLab's with Control or Command held: to save, for example.
  const keysAreOurs = (ours) => root.toggleAttribute("data-lm-suppress-shortcuts", ours);
  keysAreOurs(true);
  const [said, controls, body] = ["said", "controls", "body"].map((name) => made("div", name));
  const pictures = made("div", "pictures");
  const facts = made("table", "facts");
  said.setAttribute("role", "status");
  said.textContent = "Waiting for the kernel \u2026";
  const stage = stageOf(body, root);
  stage.stage.hidden = true;
  stage.stage.setAttribute("role", "img");
  const plot = plotOf((value) => ask({ name: specs.plot.name, value }));
  body.append(pictures, facts, plot.svg);
  const specs = { plane: null, plot: null }; // what is shown of either
  const bytes = new Map(); // of the plane
  root.append(controls, said, body);
  el.append(root);

  // One question at a time: while it is answered, of each control only the latest value waits.
  let waiting = false;
  const pending = new Map();
  function ask(question) {
    pending.set(question.name, question);
    if (!waiting) next();
  }
  function next() {
    const [first] = pending.values();
    waiting = first !== undefined;
    if (!waiting) return;
    pending.delete(first.name);
    model.send({ event: "asked", ...first });
  }

  const elements = new Map();
  function control(spec) {
    const known = elements.get(spec.name);
    if (!("value" in spec)) {
      const button = known ?? made("button", "button", spec.label);
      if (!known) button.addEventListener("click", () => {
        said.textContent = "Working \u2026";
        ask({ name: spec.name });
      });
      elements.set(spec.name, button);
      return button;
    }
    const label = known ?? made("label", "options" in spec ? "choice" : "slider");
    if (!known) {
      const input = made("options" in spec ? "select" : "input");
      if (!("options" in spec)) input.type = "range";
      input.name = spec.name;
      input.addEventListener("options" in spec ? "change" : "input", () => {
        const output = label.querySelector("output");
        if (output) output.textContent = Number(input.value) + 1;
        ask({ name: spec.name, value: Number(input.value) });
      });
      label.append(made("span"), input);
      if (!("options" in spec)) label.append(made("output"));
      elements.set(spec.name, label);
    }
    label.querySelector("span").textContent = spec.label;
    const input = label.querySelector("select, input");
    if ("options" in spec) {
      const texts = [...input.options].map((option) => option.textContent);
      if (JSON.stringify(texts) !== JSON.stringify(spec.options)) {
        input.replaceChildren(...spec.options.map((text) => made("option", "", text)));
        spec.options.forEach((_, number) => (input.options[number].value = number));
      }
    } else {
      input.min = 0;
      input.max = spec.last;
      label.querySelector("output").textContent = spec.value + 1;
    }
    if (!pending.has(spec.name)) input.value = spec.value;
    return label;
  }

  const figures = new Map();
  function picture(spec) {
    const known = figures.get(spec.name);
    const figure = known ?? made("figure");
    if (!known) {
      const frame = made("div", "frame");
      const image = made("img");
      frame.append(image);
      figure.append(frame, made("figcaption"));
      image.draggable = false;
      const press = (x, y) => figure.dataset.clickable && ask({ name: spec.name, at: [x, y] });
      image.addEventListener("click", (event) => {
        const box = image.getBoundingClientRect();
        press((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
      });
      figure.addEventListener("keydown", (event) => event.key === "Enter" && press(0.5, 0.5));
      figures.set(spec.name, figure);
    }
    figure.dataset.clickable = spec.clickable ? "yes" : "";
    figure.tabIndex = spec.clickable ? 0 : -1;
    figure.style.width = `${spec.width}px`;
    figure.querySelector("img").alt = spec.alt;
    figure.querySelector("figcaption").textContent = spec.caption;
    return figure;
  }

  function fill(figure, buffer) {
    const image = figure.querySelector("img");
    URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(new Blob([buffer], { type: "image/png" }));
  }

  function row([name, value]) {
    const line = made("tr");
    const head = made("th", "", name);
    head.scope = "row";
    line.append(head, made("td", "", value));
    return line;
  }

  function show(content, buffers) {
    if (content.said !== undefined) said.textContent = content.said;
    if (content.controls) place(controls, content.controls.map(control));
    if (content.facts) facts.replaceChildren(...content.facts.map(row));
    if (content.pictures) {
      const named = new Set(content.pictures.map((spec) => spec.name));
      for (const [name, figure] of figures) {
        if (named.has(name)) continue;
        URL.revokeObjectURL(figure.querySelector("img").src);
        figures.delete(name);
      }
      place(pictures, content.pictures.map(picture));
    }
    const before = specs.plane;
    for (const name of Object.keys(specs)) if (content[name] !== undefined) specs[name] = content[name];
    for (const [number, name] of (content.fresh ?? []).entries()) {
      if (name.startsWith("picture ")) fill(figures.get(name.slice(8)), buffers[number]);
      else if (name === "points" || name === "groups") plot.fill(name, buffers[number]);
      else bytes.set(name, buffers[number]);
    }
    stage.stage.hidden = !specs.plane;
    body.classList.toggle("plotted", Boolean(specs.plot));
    if (specs.plane && (content.fresh?.some((name) => bytes.has(name)) || content.plane)) {
      const mask = bytes.get("mask");
      const outlined = mask?.byteLength ? new Uint8Array(mask.buffer, mask.byteOffset, mask.byteLength) : null;
      stage.stage.setAttribute("aria-label", specs.plane.alt);
      stage.show(specs.plane, sixteen(bytes.get("levels")), outlined, Boolean(before));
    }
    if (specs.plot && (content.plot || content.fresh?.length)) plot.draw(specs.plot);
    next();
  }

  root.addEventListener("keydown", (event) => {
    if (["Control", "Meta"].includes(event.key)) keysAreOurs(false);
    if (event.target === root && !event.ctrlKey && !event.metaKey && specs.plane && stage.press(event.key.toLowerCase())) {
      event.preventDefault();
      return;
    }
    const slider = root.querySelector("input[type=range]");
    if (!slider || !(event.key in STEPS) || event.target.tagName === "SELECT" || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    slider.value = Math.min(Math.max(Number(slider.value) + STEPS[event.key], 0), Number(slider.max));
    slider.dispatchEvent(new Event("input"));
  });
  root.addEventListener("keyup", (event) => ["Control", "Meta"].includes(event.key) && keysAreOurs(true));
  root.addEventListener("focusout", () => keysAreOurs(true));
  model.on("msg:custom", show);
  model.send({ event: "ready" });
  return () => {
    model.off("msg:custom", show);
    stage.end();
    for (const figure of figures.values()) URL.revokeObjectURL(figure.querySelector("img").src);
  };
}

export default { render };
