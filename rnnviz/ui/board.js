// The board: draws what Python sends, reports what a person does. No styling, no arithmetic on the data.

import { paint } from "./brush.js";
import { read, unpack } from "./bytes.js";
import { follow, opened, over, overtaken, turn } from "./live.js";
import * as steps from "./step.js";
import * as tools from "./tools.js";

const STEPS = 140; // px under a walk's grid, for the equation and the walk's controls
const CALM = 500; // ms without a new picture after which its gradients are checked
const REST = 120; // ms without a new value after which Plotly draws what the brush has shown

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

function build(root) {
  root.innerHTML = `
    <div class="rv-notes" role="status"></div>
    <div class="rv-head"><p class="rv-lead" role="status"></p>
      <div class="rv-line"><p class="rv-consequence"></p><div class="rv-tools"></div></div><p class="rv-claim"></p></div>
    <div class="rv-figure" tabindex="0" role="group">
      <div class="rv-flow"><div class="rv-plot" role="img"></div><canvas class="rv-brush" aria-hidden="true"></canvas>
        <div class="rv-furniture"></div></div>
      <div class="rv-stepping" role="group" hidden></div>
      <div class="rv-equation"><p class="rv-proof"></p><p class="rv-heading"><b></b> <span></span></p>
        <div class="rv-terms" role="math"></div></div>
      <div class="rv-dialing"></div>
    </div>
    <div class="rv-foot" hidden><div class="rv-examples"></div></div>
    <dialog class="rv-keys" aria-label="Keys"></dialog>`;
  const find = (name) => root.querySelector(".rv-" + name);
  const board = { root, scale: 1, dialog: find("keys"), heading: find("equation .rv-heading span"),
    title: find("equation .rv-heading b") };
  for (const name of ["proof", "notes", "lead", "consequence", "claim", "tools", "figure", "flow", "plot", "brush", "furniture", "stepping", "equation",
    "terms", "dialing", "foot", "examples"]) board[name] = find(name);
  board.say = (name, values) => board.component.setStateValue(name, [...values, Date.now()]);
  board.show = (picture) => show(board, picture);
  steps.build(board);
  return board;
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
function remember(board, { link, pushes }) {
  const push = pushes !== null && board.pushes !== undefined && board.pushes !== pushes;
  board.pushes = pushes ?? board.pushes;
  const write = (how) => {
    clearTimeout(board.writing);
    board.owed = null;
    const address = new URL(document.location);
    if (address.search.replace(/^\?/, "") === link) return;
    address.search = link;
    history[how](history.state, "", address);
  };
  if (push) {
    board.owed?.();
    write("pushState");
  } else {
    clearTimeout(board.writing);
    board.owed = () => write("replaceState");
    board.writing = setTimeout(board.owed, 150);
  }
}

// [layer, step] of the cell under the pointer, or null. Read from the place itself: Plotly's own click names the cell of the
// last hover, which after a tap is an older one, and none where a cell is cut or 0.
function cellAt(board, event) {
  const { layout, data } = board.plot, { margin } = layout, box = board.plot.getBoundingClientRect();
  const grid = data[0], rows = grid.y.length, [low, high] = layout.yaxis.domain, [first, last] = layout.xaxis.range;
  const [px, py] = [(event.clientX - box.x) / board.scale, (event.clientY - box.y) / board.scale];
  const across = (px - margin.l) / (layout.width - margin.l - margin.r);
  const up = (1 - py / layout.height - low) / (high - low);
  if (!(across >= 0 && across < 1 && up >= 0 && up < 1)) return null;
  const x = first + across * (last - first);
  const column = grid.x.findIndex((edge, i) => i + 1 < grid.x.length && edge <= x && x < grid.x[i + 1]);
  const row = Math.floor(up * rows);
  return column < 0 ? null : [board.picture.says.opened || row + 1, grid.customdata[row][column][0]];
}

// [layer, step] of the node under the pointer, or null: the marks of a lattice of cells, where a figure has one.
function nodeAt(board, event) {
  const { data } = board.plot, box = board.plot.getBoundingClientRect();
  const nodes = data.find(({ name }) => name === "nodes");
  if (!nodes) return null;
  const [px, py] = [(event.clientX - box.x) / board.scale, (event.clientY - box.y) / board.scale];
  const near = 0.5 * nodes.marker.size + 4;
  const found = nodes.customdata.find((_, i) => Math.hypot(nodes.x[i] - px, nodes.y[i] - py) < near);
  return found ? [found[0], found[1]] : null;
}

// [x, y] in data of the place under the pointer on a figure's surface, or null.
function placeAt(board, event) {
  const { surface } = board.picture.spec.layout.meta, box = board.plot.getBoundingClientRect();
  if (!surface) return null;
  const across = ((event.clientX - box.x) / board.scale - surface.left) / (surface.right - surface.left);
  const up = (surface.bottom - (event.clientY - box.y) / board.scale) / (surface.bottom - surface.top);
  if (!(across >= 0 && across <= 1 && up >= 0 && up <= 1)) return null;
  return [surface.x[0] + across * (surface.x[1] - surface.x[0]), surface.y[0] + up * (surface.y[1] - surface.y[0])];
}

// What a person does to Plotly's axes.
function zoom(board) {
  const say = (first, last) => board.component.setStateValue("zoom", [first, last]);
  board.zooms = true;
  board.plot.on("plotly_relayout", (change) => {
    const range = change["xaxis.range"] || [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    if (range[0] !== undefined) say(Math.ceil(range[0]), Math.floor(range[1]));
  });
  board.plot.on("plotly_doubleclick", () => say(0, 0));
}

function listen(board) {
  const { say } = board;
  const select = (layer, step) => {
    const [layers, steps] = board.picture.shape;
    const cell = [Math.min(layers, Math.max(1, layer)), Math.min(steps, Math.max(1, step))];
    board.picture.cell = cell;
    say("cell", cell);
  };
  board.plot.addEventListener("click", (event) => {
    const place = placeAt(board, event);
    if (place) return say("place", place);
    const cell = (board.picture.says.flow ? cellAt : nodeAt)(board, event);
    if (!cell) return;
    select(...cell);
    board.figure.focus({ preventScroll: true });
  });
  board.stepping.addEventListener("click", (event) => {
    const cell = event.target.closest("button, select, label") ? null : steps.cellAt(board, event);
    if (cell) steps.goTo(board, ...cell);
  });
  const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0] };
  const key = (event) => {
    if (tools.key(board, event)) {
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    const free = document.activeElement === document.body || tools.mode(board) === "lecture";
    const move = moves[event.key];
    if (!move || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.target.type === "range") return;
    if (!board.figure.contains(document.activeElement) && !(free && (move[1] || tools.mode(board) === "lecture"))) return;
    if (!board.picture.cell || board.picture.walk) return;
    event.preventDefault();
    select(board.picture.cell[0] + move[0], board.picture.cell[1] + move[1]);
  };
  const back = () => {
    over(board);
    board.step.key = null;
    clearTimeout(board.writing);
    board.owed = null;
    // Streamlit has asked for a run of its own, which a run of the whole page ends. A run of a part of the page would wait for it,
    // and then throw away what was not sent yet of the board (ForwardMsgQueue.clear): the browser would take the board away.
    heart?.setTriggerValue("again", Date.now());
    board.component.setTriggerValue("back", document.location.search.slice(0, 131073) || "?");
  };
  const measure = () => {
    const [, width, tall] = board.picture.view.split(" ").map(Number);
    if (tools.mode(board) !== "page" && board.told.controls.lecture) {
      const [wide, high] = tools.room(board);
      if (Math.abs(wide - width) > 2 || Math.abs(high - tall) > 2) board.component.setStateValue("room", [wide, high]);
      return;
    }
    const wide = Math.round(board.root.getBoundingClientRect().width);
    if (wide > 100 && Math.abs(wide - width) > 2) board.component.setStateValue("width", wide);
  };
  board.furniture.addEventListener("click", (event) => {
    const { opens, route } = event.target.closest("[data-opens], [data-route]")?.dataset ?? {};
    if (opens !== undefined) say("opens", [Number(opens)]);
    if (route !== undefined) say("stage", ["route", Number(route)]);
  });
  document.addEventListener("keydown", key, true);
  const owed = () => board.owed?.();
  window.addEventListener("pagehide", owed);
  window.addEventListener("popstate", back);
  let waiting = 0;
  const resized = () => {
    clearTimeout(waiting);
    waiting = setTimeout(measure, 120);
  };
  const refit = () => {
    tools.furnish(board);
    resized();
  };
  window.addEventListener("resize", refit);
  board.watch = new ResizeObserver(resized);
  board.watch.observe(board.root);
  board.watch.observe(board.figure);
  board.lane = opened(board.told.lane, (picture, token) => showLive(board, picture, token));
  board.turn = (message) => turn(board, board.lane, message);
  const unfollow = follow(board.turn), unlisten = tools.listen(board);
  board.leave = () => {
    unfollow();
    unlisten();
    window.removeEventListener("resize", refit);
    document.removeEventListener("keydown", key, true);
    window.removeEventListener("pagehide", owed);
    window.removeEventListener("popstate", back);
    board.watch.disconnect();
  };
}

let current = null; // the board on this page

export function draw(component) {
  const root = component.parentElement.querySelector(".rv-board");
  if (current && root !== current.root) root.replaceWith(current.root); // taken away and brought anew: it goes on as it was
  else current = root.board ??= build(root);
  current.component = component;
  show(current, unpack(component.data));
}

// A picture that another part of the page brought.
export function carry(component) {
  if (current && component.data?.length) show(current, unpack(component.data));
}

let proof = [], prover = null; // the name of gradients and how they were checked; the component that brings it

// How gradients were checked; it comes when the board has asked for it.
export function prove(component) {
  prover = component;
  proof = component.data?.length ? JSON.parse(new TextDecoder().decode(component.data)) : [];
  if (current?.told) proven(current);
}

// The line stands only beside the gradients that it speaks of; once a picture rests, the board asks for its own.
function proven(board) {
  const [gradients, words] = proof;
  const known = gradients !== null && gradients === board.told.gradients;
  board.proof.textContent = known ? words : "";
  clearTimeout(board.asking);
  if (!known && board.told.gradients !== null) board.asking = setTimeout(() => prover?.setTriggerValue("asked", Date.now()), CALM);
}

// A picture that came the slow way, with what is told about it.
function show(board, picture) {
  const { told } = picture, late = picture.made < board.made;
  if (late ? told.link !== board.told.link : overtaken(board, picture)) return;
  board.told = told;
  board.notes.replaceChildren(...told.notes.map((text) => {
    const note = document.createElement("p");
    note.textContent = text;
    return note;
  }));
  remember(board, told);
  if (!late) board.made = picture.made;
  proven(board);
  if (!late && picture.rev !== board.rev) return render(board, picture);
  tools.furnish(board);
  if (board.picture.walk) steps.stand(board);
  if (board.settling) settle(board);
}

// A picture for a value that a hand is still moving.
function showLive(board, picture, token) {
  if (board.live?.token !== token || picture.made < board.made) return;
  board.made = picture.made;
  board.live.rev = picture.rev;
  board.told = { ...board.told, link: picture.told.link, gradients: picture.told.gradients };
  remember(board, picture.told);
  proven(board);
  if (picture.rev !== board.rev) render(board, picture, true);
  const { owed } = board.live; // the release that came a moment before: it is this picture
  if (owed?.rev === picture.rev) show(board, owed);
}

function render(board, { rev, drawing }, live = false) {
  const { root } = board;
  const picture = drawing();
  board.rev = rev;
  board.picture = picture;
  for (const [role, colour] of Object.entries(picture.colours)) root.style.setProperty("--rv-" + role, colour);
  document.documentElement.style.setProperty("--rv-page", picture.colours.page); // for what stands outside: a dialog's button
  const { walk } = picture;
  tools.furnish(board);
  board.stepping.hidden = !walk;
  board.flow.hidden = Boolean(walk);
  board.plot.setAttribute("aria-label", picture.alt);
  board.figure.setAttribute("aria-label", picture.says.keys);
  board.equation.hidden = !picture.equation && !walk;
  root.classList.toggle("rv-formula", !board.equation.hidden);
  if (walk) {
    const top = walk.height + 4;
    board.equation.style.top = `${top}px`;
    board.figure.style.height = `${top + STEPS}px`;
    steps.stand(board, live);
  } else {
    delete root.dataset.step;
    line(board.lead, picture.lead);
    line(board.consequence, picture.consequence);
    board.claim.textContent = picture.says.claim ?? "";
    board.figure.style.height = `${picture.spec.layout.height}px`;
    board.equation.style.top = `${picture.spec.layout.meta.equation_top}px`;
    if (picture.equation) {
      board.title.textContent = picture.equation.title;
      board.heading.textContent = picture.equation.heading;
      board.terms.innerHTML = picture.equation.html;
      board.terms.setAttribute("aria-label", picture.equation.text);
    }
  }
  board.dialing.style.top = board.equation.style.top;
  if (board.stood !== picture.furniture) board.furniture.innerHTML = board.stood = picture.furniture;
  if (!board.leave) listen(board);
  if (live || !window.Plotly) {
    paint(board.brush, picture.spec);
    board.brush.hidden = false;
    root.dataset.live = rev;
  }
  clearTimeout(board.settling);
  if (live) board.settling = setTimeout(settle, REST, board);
  else if (window.Plotly) settle(board);
  else requestAnimationFrame(() => setTimeout(settle, 0, board)); // once what was painted is on the screen
}

// Let Plotly draw the picture that stands.
function settle(board) {
  clearTimeout(board.settling);
  board.settling = null;
  const { rev, picture, root } = board;
  script(board.told.plotly).then((Plotly) => Plotly.react(board.plot, picture.spec.data, picture.spec.layout,
    { displayModeBar: false, doubleClick: false, showTips: false, responsive: false })).then(() => {
    if (!board.zooms) zoom(board);
    if (board.rev !== rev) return;
    board.brush.hidden = true;
    root.dataset.rev = rev;
  }, () => board.component.setStateValue("failed", true));
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

const KEPT = "rnnviz.talk";

// Keep a text for as long as the tab is open; a server that knows none gets back what was kept.
export function keep(component) {
  const text = new TextDecoder().decode(component.data);
  try {
    if (text) return sessionStorage.setItem(KEPT, text);
  } catch {
    return sessionStorage.removeItem(KEPT); // no room: better none than an older one
  }
  const kept = sessionStorage.getItem(KEPT);
  if (kept) component.setStateValue("kept", kept);
}

// Show HTML that Python made.
export function write(component) {
  component.parentElement.querySelector(".rv-formulas").innerHTML = new TextDecoder().decode(component.data);
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
