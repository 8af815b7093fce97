// The board: draws what Python sends, reports what a person does. No styling, no arithmetic on the data.

let plotly = null;

function script(address) {
  plotly ??= new Promise((done, failed) => {
    if (window.Plotly) return done(window.Plotly);
    const tag = document.createElement("script");
    tag.src = new URL(address, document.baseURI).href;
    tag.onload = () => done(window.Plotly);
    tag.onerror = failed;
    document.head.append(tag);
  });
  return plotly;
}

// bytes from a place on: length of the JSON, the JSON, float32 arrays, which stand in the JSON as {"$": [offset, shape]}
function read(bytes, from) {
  const start = from + 4 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(from, true);
  const numbers = new Float32Array(bytes.slice(start).buffer);
  const cut = (offset, shape) => {
    if (shape.length === 1) return numbers.subarray(offset, offset + shape[0]);
    const size = shape.slice(1).reduce((a, b) => a * b, 1);
    return Array.from({ length: shape[0] }, (_, i) => cut(offset + i * size, shape.slice(1)));
  };
  const revive = (key, value) => (value && value.$ ? cut(...value.$) : value);
  return JSON.parse(new TextDecoder().decode(bytes.subarray(from + 4, start)), revive);
}

// A picture, behind the time it was made and a checksum.
function unpack(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const picture = read(bytes, 12);
  picture.made = view.getFloat64(0, true);
  picture.rev = view.getUint32(8, true).toString(16);
  return picture;
}

function build(root) {
  root.innerHTML = `
    <div class="rv-notes" role="status"></div>
    <p class="rv-lead" role="status"></p><p class="rv-consequence"></p>
    <div class="rv-figure" tabindex="0" role="group">
      <div class="rv-sketch"></div><div class="rv-plot" role="img"></div><div class="rv-furniture"></div>
      <div class="rv-equation"><p class="rv-heading"><b>The outlined cell</b> <span></span></p>
        <div class="rv-terms" role="math"></div></div>
    </div>`;
  const find = (name) => root.querySelector(".rv-" + name);
  return { root, notes: find("notes"), lead: find("lead"), consequence: find("consequence"), figure: find("figure"), plot: find("plot"),
    sketch: find("sketch"), furniture: find("furniture"),
    equation: find("equation"), terms: find("terms"), heading: find("heading").querySelector("span") };
}

function line(node, parts) {
  node.replaceChildren(...parts.map(([text, role]) => {
    if (!role) return document.createTextNode(text);
    const strong = document.createElement("b");
    strong.className = "rv-" + role;
    strong.textContent = text;
    return strong;
  }));
}

// The address bar: one entry a picture. An example pushes a new one; a slider replaces it, once it has come to rest.
function remember(board, picture) {
  const push = board.pushes !== undefined && board.pushes !== picture.pushes;
  board.pushes = picture.pushes;
  const write = (how, link) => {
    clearTimeout(board.writing);
    board.owed = null;
    const address = new URL(document.location);
    if (address.search.replace(/^\?/, "") === link) return;
    address.search = link;
    history[how](history.state, "", address);
  };
  if (push) {
    board.owed?.();
    write("pushState", picture.link);
  } else {
    clearTimeout(board.writing);
    board.owed = () => write("replaceState", picture.link);
    board.writing = setTimeout(board.owed, 150);
  }
}

// [layer, step] of the cell under the pointer, or null. Read from the place itself: Plotly's own click names the cell of the
// last hover, which after a tap is an older one, and none where a cell is cut or 0.
function cellAt(board, event) {
  const { layout, data } = board.plot, { margin } = layout, box = board.plot.getBoundingClientRect();
  const grid = data[0], rows = grid.y.length, [low, high] = layout.yaxis.domain, [first, last] = layout.xaxis.range;
  const across = (event.clientX - box.x - margin.l) / (layout.width - margin.l - margin.r);
  const up = (1 - (event.clientY - box.y) / layout.height - low) / (high - low);
  if (!(across >= 0 && across < 1 && up >= 0 && up < 1)) return null;
  const x = first + across * (last - first);
  const column = grid.x.findIndex((edge, i) => i + 1 < grid.x.length && edge <= x && x < grid.x[i + 1]);
  const row = Math.floor(up * rows);
  return column < 0 ? null : [board.picture.says.opened || row + 1, grid.customdata[row][column][0]];
}

function listen(board) {
  const say = (name, value) => board.component.setStateValue(name, value);
  const select = (layer, step) => {
    const [layers, steps] = board.picture.shape;
    const cell = [Math.min(layers, Math.max(1, layer)), Math.min(steps, Math.max(1, step))];
    board.picture.cell = cell;
    say("cell", [...cell, Date.now()]);
  };
  board.plot.addEventListener("click", (event) => {
    const cell = cellAt(board, event);
    if (!cell) return;
    select(...cell);
    board.figure.focus({ preventScroll: true });
  });
  board.plot.on("plotly_relayout", (change) => {
    const range = change["xaxis.range"] || [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    if (range[0] !== undefined) say("zoom", [Math.ceil(range[0]), Math.floor(range[1])]);
  });
  board.plot.on("plotly_doubleclick", () => say("zoom", [0, 0]));
  const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0] };
  const key = (event) => {
    const free = document.activeElement === document.body;
    const move = moves[event.key];
    if (!move || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (!board.figure.contains(document.activeElement) && !(free && move[1])) return;
    if (!board.picture.cell) return;
    event.preventDefault();
    select(board.picture.cell[0] + move[0], board.picture.cell[1] + move[1]);
  };
  const back = () => {
    clearTimeout(board.writing);
    board.owed = null;
    board.component.setTriggerValue("back", document.location.search.slice(0, 131073) || "?");
  };
  const measure = () => {
    const width = Math.round(board.root.getBoundingClientRect().width);
    if (width > 100 && Math.abs(width - board.picture.spec.layout.width) > 2) say("width", width);
  };
  board.furniture.addEventListener("click", (event) => {
    const opens = event.target.closest("[data-opens]")?.dataset.opens;
    if (opens !== undefined) say("opens", [Number(opens), Date.now()]);
  });
  document.addEventListener("keydown", key);
  const owed = () => board.owed?.();
  window.addEventListener("pagehide", owed);
  window.addEventListener("popstate", back);
  let waiting = 0;
  board.watch = new ResizeObserver(() => {
    clearTimeout(waiting);
    waiting = setTimeout(measure, 120);
  });
  board.watch.observe(board.root);
  board.leave = () => {
    document.removeEventListener("keydown", key);
    window.removeEventListener("pagehide", owed);
    window.removeEventListener("popstate", back);
    board.watch.disconnect();
  };
}

let current = null; // the board on this page

export function draw(component) {
  const root = component.parentElement.querySelector(".rv-board");
  current = root.board ??= build(root);
  current.component = component;
  show(current, unpack(component.data));
}

// A picture that another part of the page brought.
export function carry(component) {
  if (current && component.data?.length) show(current, unpack(component.data));
}

function show(board, picture) {
  const { root, component } = board;
  if (picture.made < board.made) return;
  board.made = picture.made;
  if (picture.rev === board.rev) return;
  board.rev = picture.rev;
  board.picture = picture;
  for (const [role, colour] of Object.entries(picture.colours)) root.style.setProperty("--rv-" + role, colour);
  document.documentElement.style.setProperty("--rv-page", picture.colours.page); // for what stands outside: a dialog's button
  board.notes.replaceChildren(...picture.notes.map((text) => {
    const note = document.createElement("p");
    note.textContent = text;
    return note;
  }));
  line(board.lead, picture.lead);
  line(board.consequence, picture.consequence);
  board.plot.setAttribute("aria-label", picture.alt);
  board.figure.setAttribute("aria-label", picture.says.keys);
  board.figure.style.height = picture.spec.layout.height + "px";
  board.equation.hidden = !picture.equation;
  if (picture.equation) {
    board.equation.style.top = picture.spec.layout.meta.equation_top + "px";
    board.heading.textContent = picture.equation.heading;
    board.terms.innerHTML = picture.equation.html;
    board.terms.setAttribute("aria-label", picture.equation.text);
  }
  if (board.stood !== picture.furniture) board.furniture.innerHTML = board.stood = picture.furniture;
  if (!window.Plotly && picture.sketch) board.sketch.innerHTML = picture.sketch;
  remember(board, picture);
  const sketched = !window.Plotly && picture.sketch
    ? new Promise((done) => requestAnimationFrame(() => setTimeout(done))) : Promise.resolve();
  sketched.then(() => script(picture.plotly)).then((Plotly) => Plotly.react(board.plot, picture.spec.data, picture.spec.layout,
    { displayModeBar: false, doubleClick: false, showTips: false, responsive: false })).then(() => {
    if (!board.leave) listen(board);
    board.sketch.replaceChildren();
    root.dataset.rev = picture.rev;
  }, () => component.setStateValue("failed", true));
}

let heart = null; // the component whose value reruns the whole page, not a part of it

// After a connection was lost, ask for the whole page: a server that was restarted knows none of its parts, and would
// let a slider move without an answer.
export function watch(component) {
  const app = document.querySelector("[data-test-connection-state]");
  const watching = heart !== null;
  heart = component;
  if (watching || !app) return;
  let lost = false;
  new MutationObserver(() => {
    const connected = app.dataset.testConnectionState === "CONNECTED";
    if (connected && lost) heart.setTriggerValue("again", Date.now());
    lost = !connected;
  }).observe(app, { attributes: true, attributeFilter: ["data-test-connection-state"] });
}

// Two buttons that save the figure of a specification as an image.
export function save(component) {
  const root = component.parentElement.querySelector(".rv-save");
  const { spec, file, plotly } = read(component.data, 0);
  root.replaceChildren(...["png", "svg"].map((format) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Figure as " + format.toUpperCase();
    button.onclick = () => script(plotly).then((Plotly) => Plotly.toImage(spec, { format, width: spec.layout.width,
      height: spec.layout.height, scale: format === "png" ? 2 : 1 })).then((address) => {
      const link = document.createElement("a"); // within the menu: a click elsewhere would close it
      Object.assign(link, { href: address, download: file + "." + format });
      root.append(link);
      link.click();
      link.remove();
    });
    return button;
  }));
}
