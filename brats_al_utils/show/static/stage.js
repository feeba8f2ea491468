// A picture with all its grey levels, to zoom, move and window: of the annotation desk and of panels, whose modules
// follow this text. Whatever comes as text goes into the page as text.

function element(parent, tag, name, text = "") {
  const made = document.createElement(tag);
  made.className = name ? `brats-al-${name}` : "";
  made.textContent = text;
  parent.append(made);
  return made;
}

// Grey levels of 0 to 65535 as bytes, by window: [level, width] as shares of that range; in colour where a mask is.
function shades(levels, [level, width], mask, colour) {
  const low = 65535 * (level - width / 2);
  const scale = 255 / (65535 * width);
  const bytes = new Uint8ClampedArray(4 * levels.length);
  for (let i = 0; i < levels.length; i += 1) {
    const shade = (levels[i] - low) * scale; // clamped when stored
    for (let c = 0; c < 3; c += 1) bytes[4 * i + c] = mask?.[i] ? colour[c] : shade;
    bytes[4 * i + 3] = 255;
  }
  return bytes;
}

function firstWindow(image) {
  const white = Math.max((image.white - image.low) / (image.high - image.low), 0.005);
  return [white / 2, white];
}

function paintOn(canvas, image, levels, window_, mask) {
  canvas.width = image.width;
  canvas.height = image.height;
  const pixels = new ImageData(shades(levels, window_, mask, image.colour), image.width, image.height);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

function sixteen(bytes) {
  return new Uint16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

const STAGE_KEYS = [
  ["+ \u2212", "zoom (or wheel)"],
  ["Q E", "darker, brighter"],
  ["A D", "less, more contrast"],
  ["0", "reset"],
  ["drag", "move; with Shift: window"],
];

// root has the focus when keys and the wheel are meant for the stage.
function stageOf(parent, root) {
  const stage = element(parent, "div", "stage");
  const canvas = element(stage, "canvas", "image");
  const shown = element(stage, "div", "shown");
  let [image, levels, mask] = [null, null, null];
  let window_ = [0.5, 1];
  let view = { x: 0, y: 0, zoom: 1 };

  function place() {
    if (!levels) return;
    const [width, height] = [image.width * image.aspect, image.height];
    const scale = Math.min(stage.clientWidth / width, stage.clientHeight / height) * view.zoom;
    canvas.style.width = `${width * scale}px`;
    canvas.style.height = `${height * scale}px`;
    const x = (stage.clientWidth - width * scale) / 2 + view.x;
    const y = (stage.clientHeight - height * scale) / 2 + view.y;
    canvas.style.transform = `translate(${x}px, ${y}px)`;
  }
  function paint() {
    paintOn(canvas, image, levels, window_, mask);
    const [level, width] = window_.map((share) => share * (image.high - image.low));
    const digits = image.high - image.low > 20 ? 0 : 2;
    shown.textContent = `level ${(image.low + level).toFixed(digits)}, width ${width.toFixed(digits)}, ${Math.round(100 * view.zoom)} %`;
    place();
  }
  function reset() {
    view = { x: 0, y: 0, zoom: 1 };
    window_ = firstWindow(image);
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
  const moves = {
    "+": () => zoom(1.25),
    "=": () => zoom(1.25),
    "-": () => zoom(0.8),
    q: () => rewindow(-0.05, 1),
    e: () => rewindow(0.05, 1),
    a: () => rewindow(0, 0.9),
    d: () => rewindow(0, 1 / 0.9),
    0: reset,
  };

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
    if (event.target.closest("button, input, select")) return;
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

  return {
    stage,
    // Whether a key is the stage's; done, if there is a picture.
    press(key) {
      if (moves[key] && levels) moves[key]();
      return Boolean(moves[key]);
    },
    show(next, bytes, outlined, keepsView) {
      [image, levels, mask] = [next, bytes, outlined];
      if (keepsView) paint();
      else reset();
    },
    clear() {
      levels = null;
    },
    end: () => resized.disconnect(),
  };
}
