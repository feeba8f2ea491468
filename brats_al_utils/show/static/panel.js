// Shows what the kernel sends and tells it what is done. The model has no state of its own: see panel.py.
// Whatever comes as text goes into the page as text.

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
  body.append(pictures, facts);
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
      frame.append(image, made("div", "mark"));
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
    const mark = figure.querySelector(".mark");
    mark.hidden = !spec.marked;
    if (spec.marked) [mark.style.left, mark.style.top] = spec.marked.map((share) => `${100 * share}%`);
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
    (content.fresh ?? []).forEach((name, number) => fill(figures.get(name), buffers[number]));
    next();
  }

  root.addEventListener("keydown", (event) => {
    if (["Control", "Meta"].includes(event.key)) keysAreOurs(false);
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
    for (const figure of figures.values()) URL.revokeObjectURL(figure.querySelector("img").src);
  };
}

export default { render };
