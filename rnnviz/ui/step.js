// Step: the backward pass cell by cell. Python has sent every cell's shade and the texts of each position; here they are only
// shown, one position after another, without asking the server.

import { shades } from "./brush.js";

const SPEEDS = { slow: 1200, medium: 350, fast: 60 }; // ms a position
const AHEAD = 80; // positions before the end of the texts that are here, at which more are asked for
const REST = 400; // ms without a step after which the link says where the walk is

const text = ({ patterns, which, numbers }, i) =>
  patterns[which[i]].reduce((made, piece, k) => made + numbers[i][k - 1] + piece);

const NAMES = ["lead", "consequence", "heading", "equation", "arrows", "labels", "spoken"];

// The texts of a position by name, or null if they are not here yet.
function told(walk, n) {
  const i = n - walk.first;
  if (i < 0 || i >= walk.texts[0].which.length) return null;
  return Object.fromEntries(NAMES.map((name, column) => [name, text(walk.texts[column], i)]));
}

export function build(board) {
  board.stepping.innerHTML = `
    <div class="rv-furniture"></div><svg class="rv-cells"><g class="rv-squares"></g><g class="rv-boxes"></g>
      <g class="rv-arrows"></g></svg>
    <div class="rv-furniture rv-labels"></div><p class="rv-heading rv-count"></p>
    <div class="rv-steps">
      <button type="button" data-step="back">Back <kbd>←</kbd></button>
      <button type="button" data-step="next" class="rv-main">Next <kbd>→</kbd></button>
      <button type="button" data-step="play"><span>Play</span> <kbd>Space</kbd></button>
      <button type="button" data-step="home">From the loss <kbd>Home</kbd></button>
      <label>Speed <select data-step="speed">${Object.keys(SPEEDS).map((name) => `<option>${name}</option>`).join("")}</select></label>
      <label>Order <select data-step="order"></select></label>
    </div>`;
  const find = (name) => board.stepping.querySelector(name);
  board.step = { n: 0, playing: 0, reported: new Set(), furniture: find(".rv-furniture"), cells: find(".rv-cells"),
    squares: find(".rv-squares"), boxes: find(".rv-boxes"), arrows: find(".rv-arrows"), labels: find(".rv-labels"),
    heading: find(".rv-count"), controls: find(".rv-steps"), speed: find("[data-step=speed]"), order: find("[data-step=order]"),
    play: find("[data-step=play] span") };
  board.step.speed.value = "medium";
  board.step.controls.addEventListener("click", (event) => {
    const name = event.target.closest("button")?.dataset.step;
    if (!name) return;
    act(board, name);
    if (event.detail) board.figure.focus({ preventScroll: true }); // after a click of a mouse the keys are the walk's again
  });
  const chosen = () => board.figure.focus({ preventScroll: true }); // the keys are the walk's again
  board.step.order.addEventListener("change", () => {
    board.say("stage", ["walk", board.step.order.value]);
    chosen();
  });
  board.step.speed.addEventListener("change", () => {
    if (board.step.playing) play(board, true);
    chosen();
  });
}

// A new walk, or the one that stands with other texts. live: a hand is moving, and nothing is told of where the walk is.
export function stand(board, live = false) {
  const { walk } = board.picture, { controls } = board.told, step = board.step;
  const { place } = walk;
  Object.assign(step, { walk, colours: shades(walk.stops) });
  if (step.drawn !== walk.furniture) step.furniture.innerHTML = step.drawn = walk.furniture;
  board.stepping.style.height = walk.height + "px";
  const [, steps] = board.picture.shape;
  const frame = JSON.stringify([place, steps, walk.furniture]);
  if (step.frame !== frame) {
    step.frame = frame;
    const gap = place.across >= 14 ? 1 : place.across >= 7 ? 0.5 : 0;
    const squares = [];
    for (let row = 0; row < place.rows; row += 1) {
      for (let column = 0; column < steps; column += 1) {
        squares.push(`<rect x="${(place.left + column * place.across + gap).toFixed(1)}" y="${(place.top
          + (place.rows - 1 - row) * place.down + gap).toFixed(1)}" width="${Math.max(0.5, place.across - 2 * gap).toFixed(1)}" height="${
          Math.max(0.5, place.down - 2 * gap).toFixed(1)}"/>`);
      }
    }
    const reached = new Set(Array.from(walk.visits.layer, (layer, i) => layer * steps + walk.visits.step[i]));
    step.never = squares.map((_, cell) => !reached.has(cell));
    step.squares.innerHTML = squares.join("") + (walk.marks ? squares.map(() => "<text/>").join("") : "");
    step.looks = [];
  }
  const options = controls.orders.map((name) => `<option>${name}</option>`).join("");
  if (step.order.innerHTML !== options) step.order.innerHTML = options;
  step.order.value = walk.order;
  step.asked = false;
  const key = `${walk.order} ${board.pushes}`;
  if (!live && (step.key !== key || !step.reported.has(controls.visit))) {
    Object.assign(step, { key, n: controls.visit, reported: new Set([controls.visit]) });
    play(board, false);
  }
  go(board, step.n, false);
}

// Show position n.
export function go(board, n, told_ = true) {
  const { step } = board, { walk } = step;
  step.n = Math.max(0, Math.min(walk.last, n));
  const said = told(walk, step.n);
  if (told_ || !said) report(board, !said);
  if (!said) return; // it comes with the next picture
  paint(board);
  board.lead.innerHTML = said.lead;
  board.consequence.innerHTML = said.consequence;
  step.heading.innerHTML = said.heading;
  step.arrows.innerHTML = said.arrows;
  step.labels.innerHTML = said.labels;
  board.terms.innerHTML = said.equation;
  board.terms.setAttribute("aria-label", said.spoken);
  board.stepping.setAttribute("aria-label", said.spoken);
  board.root.dataset.step = step.n;
}

// The cells as they are after position n: each shows what the last pass that came there has computed; those that the pass under
// way has still to reach are open again.
function paint(board) {
  const { step } = board, { walk } = step, { visits, place } = walk;
  const [layers, steps] = board.picture.shape, last = step.n > walk.waves;
  const looks = new Array(layers * steps).fill(-1); // the visit that each cell shows, -1 while it is open
  let end = 0;
  while (end < visits.wave.length && visits.wave[end] < step.n) end += 1;
  const pass = end ? visits.number[end - 1] : -1;
  for (let i = 0; i < visits.wave.length; i += 1) {
    const cell = (visits.layer[i]) * steps + visits.step[i];
    if (i < end) looks[cell] = i;
    else if (visits.number[i] === pass) looks[cell] = -1;
    else break;
  }
  const rects = step.squares.children, texts = walk.marks ? layers * steps : 0, of = last ? walk.sum : walk;
  const shade = (value) => step.colours[Math.round(511 * Math.min(1, Math.max(0, (value + walk.W) / (2 * walk.W))))];
  for (let cell = 0; cell < looks.length; cell += 1) {
    const i = last ? (step.never[cell] ? -1 : cell) : looks[cell], value = of.shade[i];
    const mark = texts && i >= 0 ? of.marks[i] : "", rect = rects[cell];
    const wanted = `${i} ${value} ${mark}`;
    if (step.looks[cell] === wanted) continue;
    step.looks[cell] = wanted;
    rect.setAttribute("class", i >= 0 ? (Number.isFinite(value) ? "rv-done" : of.high[i] ? "rv-high" : "rv-zero")
      : step.never[cell] ? "rv-never" : "rv-open");
    rect.style.fill = i >= 0 && Number.isFinite(value) ? shade(value) : "";
    if (!texts) continue;
    const text = rects[texts + cell];
    text.textContent = mark;
    if (!mark) continue;
    text.setAttribute("x", place.left + (cell % steps + 0.5) * place.across);
    text.setAttribute("y", place.top + (place.rows - Math.floor(cell / steps) - 0.5) * place.down);
    text.style.fill = of.inks[i];
  }
  const now = [];
  for (let i = 0; i < visits.wave.length; i += 1) if (visits.wave[i] === step.n - 1) now.push(i);
  step.boxes.innerHTML = now.map((i) => {
    const rect = rects[visits.layer[i] * steps + visits.step[i]];
    const at = ["x", "y", "width", "height"].map((name) => `${name}="${rect.getAttribute(name)}"`).join(" ");
    return `<rect ${at} class="rv-halo"/><rect ${at} class="rv-box"/>`;
  }).join("");
  if (walk.passes > 1 && pass >= 0 && !last) step.boxes.innerHTML += reach(walk, pass);
  step.now = now.length ? now[now.length - 1] : null;
}

// The columns of the pass under way, as a bracket over the grid that begins with a stroke where the pass starts.
function reach({ visits, place }, pass) {
  let [first, last] = [Infinity, 0];
  visits.step.forEach((step, i) => {
    if (visits.number[i] === pass) [first, last] = [Math.min(first, step), Math.max(last, step)];
  });
  const [left, right] = [first, last + 1].map((column) => (place.left + column * place.across).toFixed(1));
  return `<path class="rv-reach" d="M${left} ${place.top - 2}v-2H${right}v6"/>`;
}

// Tell the server, once the walk rests or the texts run out, how far it has come; the link says it then.
function report(board, atOnce) {
  const { step } = board, { walk } = step;
  const low = step.n + AHEAD >= walk.first + walk.texts[0].which.length && walk.first + walk.texts[0].which.length <= walk.last;
  const send = () => {
    step.reported.add(step.n);
    if (board.told.controls.visit === step.n && !atOnce) return;
    board.say("stage", ["visit", step.n]);
  };
  clearTimeout(step.resting);
  if (atOnce || low) {
    if (!step.asked) send();
    step.asked = true;
  } else step.resting = setTimeout(send, REST);
}

function play(board, on) {
  const { step } = board;
  clearInterval(step.playing);
  step.playing = on ? setInterval(() => {
    if (step.n >= step.walk.last) return play(board, false);
    if (told(step.walk, step.n + 1)) go(board, step.n + 1);
    else report(board, true);
  }, SPEEDS[step.speed.value]) : 0;
  step.play.textContent = on ? "Pause" : "Play";
}

// What a button or a key does; true if it is one of the walk's.
export function act(board, name) {
  const { step } = board;
  const go_ = (n) => {
    play(board, false);
    go(board, n);
  };
  const actions = { back: () => go_(step.n - 1), next: () => go_(step.n + 1), home: () => go_(0), end: () => go_(step.walk.last),
    play: () => {
      if (!step.playing && step.n >= step.walk.last) go(board, 0);
      play(board, !step.playing);
    } };
  actions[name]?.();
  return name in actions;
}

export const KEYS = { ArrowLeft: "back", ArrowRight: "next", Home: "home", End: "end", " ": "play" };

// Leave the walk at the cell where it stands.
export function leave(board) {
  const { step } = board, { visits } = step.walk;
  play(board, false);
  clearTimeout(step.resting);
  board.say("leave", step.now === null ? [0, 0] : [visits.layer[step.now] + 1, visits.step[step.now] + 1]);
}

// [layer, step] of the cell under the pointer, or null.
export function cellAt(board, event) {
  const { place } = board.step.walk, box = board.stepping.getBoundingClientRect(), [layers, steps] = board.picture.shape;
  const column = Math.floor(((event.clientX - box.x) / board.scale - place.left) / place.across);
  const row = Math.floor(((event.clientY - box.y) / board.scale - place.top) / place.down);
  return column >= 0 && column < steps && row >= 0 && row < layers ? [layers - row, column + 1] : null;
}

// Where the walk stands, chosen by a click on a cell: the last position that computes it.
export function goTo(board, layer, step) {
  const { visits, waves } = board.step.walk;
  for (let i = visits.wave.length - 1; i >= 0; i -= 1) {
    if (visits.layer[i] === layer - 1 && visits.step[i] === step - 1) {
      play(board, false);
      return go(board, Math.min(waves, visits.wave[i] + 1));
    }
  }
}
