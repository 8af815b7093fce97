// The board's own controls: the tools beside the sentence, lecture mode with its dial and examples, hold, sweep, and the keys.

import { over } from "./live.js";
import * as steps from "./step.js";

const SPEEDS = { slow: 30, medium: 15, fast: 7 }; // s from one end of a dial to the other
const BASE = 1.78, SCREEN = [1500, 1080]; // how much a lecture magnifies on a screen of this size
const EQUATION = [76, 104]; // px under a lecture's figure: for the equation of a cell, and for that of a gradient

const button = (name, words, key, more = "") =>
  `<button type="button" data-do="${name}"${more}>${words}${key ? ` <kbd>${key}</kbd>` : ""}</button>`;

const escaped = (text) => text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

const options = (pairs, chosen) => pairs.map(([value, name]) =>
  `<option value="${escaped(value)}"${value === chosen ? " selected" : ""}>${escaped(name)}</option>`).join("");

export const mode = (board) => (board.picture?.walk ? "step" : board.told.controls.lecture ? "lecture" : "page");

// Put the tools, and in a lecture the foot of the page, as the picture's circumstances ask for.
export function furnish(board) {
  const { controls } = board.told, { lecture } = controls, walking = Boolean(board.picture.walk);
  const sweeping = board.sweep;
  const parts = [];
  if (sweeping) {
    parts.push(`<span>Sweep</span>`);
    if (!lecture) parts.push(`<select data-do="dial" aria-label="Dial to sweep">${options(controls.dials, controls.dial.name)}</select>`);
    parts.push(lecture ? "" : "<output></output>", button("pause", sweeping.paused ? "Go on" : "Pause"),
      `<select data-do="speed" aria-label="Speed of the sweep">${options(Object.keys(SPEEDS).map((s) => [s, s]), sweeping.speed)}</select>`,
      button("stop", "Stop"));
  } else {
    const { tools, flow } = board.picture.says;
    if (!walking) {
      parts.push(...tools.map(([field, label, choices, value]) => `<select data-do="stage" data-field="${field}" aria-label="${label}">${
        options(choices.map(([_, name], i) => [String(i), name]), String(choices.findIndex(([one]) => one === value)))}</select>`));
    }
    if (walking || flow) parts.push(walking ? button("leave", "Leave Step", "S") : button("step", "Step", "S"));
    if (!walking && flow) {
      parts.push(button("hold", controls.held ? "Let go" : "Hold", "H", ` aria-pressed="${controls.held}" title="${
        controls.held ? "The held curve goes" : "The curve of now stays, in grey, while a dial moves on"}"`));
    }
    if (!walking && board.picture.says.live !== false) parts.push(button("sweep", "Sweep", "", ' title="A dial moves back and forth by itself"'));
    if (!lecture) parts.push(button("lecture", "Lecture", "L"));
    parts.push(button("keys", "?", "", ' aria-label="Keys"'));
    if (lecture) parts.push(button("lecture", "Leave", "Esc"));
  }
  if (controls.talk) {
    const [at, count, title] = controls.talk;
    if (board.talkAt === at) board.talkAt = null;
    parts.unshift(`<span class="rv-talk">${at === null ? `a talk of ${count}` : `${at + 1} of ${count}${
      title ? `: ${escaped(title)}` : ""}`}</span>`);
  }
  swap(board.tools, parts.join(""));
  if (sweeping && !lecture) board.tools.querySelector("output").textContent = sweeping.words;
  lay(board, lecture);
  if (board.sweeps && board.sweeps === controls.dial.name) {
    board.sweeps = null;
    sweep(board);
  }
}

function swap(node, html) {
  if (node.made === html) return;
  const focused = node.contains(document.activeElement) && document.activeElement.dataset.do;
  node.innerHTML = node.made = html;
  if (focused) (node.querySelector(`[data-do=${focused}]`) ?? node.querySelector("button"))?.focus({ preventScroll: true });
}

// Lecture mode: the board over everything, magnified with the screen.
function lay(board, lecture) {
  const { root, foot, told: { controls } } = board;
  root.classList.toggle("rv-lecture", Boolean(lecture));
  root.classList.toggle("rv-walking", Boolean(board.picture.walk));
  document.documentElement.classList.toggle("rv-lecturing", Boolean(lecture));
  foot.hidden = !lecture;
  if (!lecture) {
    root.style.width = root.style.height = root.style.transform = "";
    board.scale = 1;
    return;
  }
  const scale = board.scale = BASE * Math.min(innerWidth / SCREEN[0], innerHeight / SCREEN[1]);
  root.style.width = `${innerWidth / scale}px`;
  root.style.height = `${innerHeight / scale}px`;
  root.style.transform = `scale(${scale})`;
  const { dial } = controls;
  swap(board.examples, controls.examples.map((name, i) => `<button type="button" data-example="${escaped(name)}"${
    name === controls.example ? ' aria-pressed="true" class="rv-main"' : ' aria-pressed="false"'}>${escaped(name)}${
    i < 9 ? ` <kbd>${i + 1}</kbd>` : ""}</button>`).join(""));
  swap(board.dialing, `<select data-do="dial" aria-label="Dial">${options(controls.dials, dial.name)}</select><output></output>
    <input type="range" aria-label="${escaped(dial.label)}" min="${dial.low}" max="${dial.high}" step="${dial.step}">`);
  const input = board.dialing.querySelector("input");
  if (!board.sweep && (document.activeElement !== input || board.shownDial !== dial.value)) input.value = dial.value;
  board.shownDial = dial.value;
  show(board, dial, board.sweep ? board.sweep.shown ?? board.sweep.value : Number(input.value));
}

const places = (dial) => (dial.step < 1 ? 2 : 0);

// A dial's value where it is read: on the lecture's own dial, or on the slider in the sidebar.
function show(board, dial, value) {
  const words = value.toFixed(places(dial)).replace("-", "−");
  if (board.told.controls.lecture) {
    board.dialing.querySelector("output").textContent = words;
    board.dialing.querySelector("input").value = value;
  }
  if (!board.sweep) return;
  board.sweep.words = words;
  const output = board.tools.querySelector("output");
  if (output) output.textContent = board.sweep.words;
  const slider = document.querySelector(`[class*="st-key-w_${dial.name}"] input[type=range]`);
  if (slider && !board.told.controls.lecture) {
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(slider, value);
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

const message = (dial, value) => `${dial.before}${value.toFixed(places(dial))}${dial.after}`;

// A dial of the board's own at a value, while it moves, and when it is let go.
const turning = (board, dial, value) => board.turn(`${dial.field}=${message(dial, value)}`);
const turned = (board, dial, value) => board.say("turn", [dial.field, message(dial, value)]);

function sweep(board) {
  const { dial } = board.told.controls;
  board.sweep = { dial, value: dial.value, way: 1, paused: false, speed: "medium", words: "", last: performance.now() };
  furnish(board);
  const move = (now) => {
    const { sweep } = board;
    if (!sweep) return;
    const gone = (now - sweep.last) / 1000;
    sweep.last = now;
    requestAnimationFrame(move);
    if (sweep.paused) return;
    const { low, high, step } = sweep.dial, before = sweep.value;
    sweep.value += sweep.way * Math.min(gone, 0.1) * (high - low) / SPEEDS[sweep.speed];
    if (sweep.value >= high || sweep.value <= low) {
      sweep.way = sweep.value >= high ? -1 : 1;
      sweep.value = Math.min(high, Math.max(low, sweep.value));
    }
    const snapped = (value) => low + Math.round((value - low) / step) * step;
    if (snapped(before) === snapped(sweep.value)) return;
    sweep.shown = snapped(sweep.value);
    show(board, sweep.dial, sweep.shown);
    turning(board, sweep.dial, sweep.shown);
  };
  requestAnimationFrame(move);
}

// End the sweep where it is; `drop` if another picture is asked for in the same moment.
export function stop(board, drop = false) {
  const { sweep } = board;
  if (!sweep) return;
  board.sweep = null;
  if (!drop && sweep.shown !== undefined) {
    over(board); // no answer that comes late is to outdo the page's own
    turned(board, sweep.dial, sweep.shown);
  }
  furnish(board);
}

// Hold the curve of the picture that is seen now, or let it go.
function hold(board) {
  board.say("hold", [board.told.link]);
  const link = new URLSearchParams(board.told.link), recipe = new URLSearchParams(board.told.link);
  for (const name of ["held", "lecture", "dial", "walk", "visit"]) recipe.delete(name);
  if (board.told.controls.held) link.delete("held");
  else link.set("held", `?${recipe}`);
  board.told = { ...board.told, link: link.toString() };
  if (board.live) board.live.start = `${link}\n${board.picture.view}`; // the hand goes on with it
}

function keys(board) {
  const { dialog } = board, tables = JSON.parse(board.root.dataset.keys);
  const known = tables[mode(board)].filter(([, , only]) => !only || board.picture.says.flow);
  dialog.innerHTML = `<h2>Keys</h2><table>${known.map(([key, what]) =>
    `<tr><th scope="row">${key}</th><td>${what}</td></tr>`).join("")}</table><form method="dialog"><button>Close</button></form>`;
  dialog.style.zoom = board.scale; // what is shown over everything is not magnified with the board
  dialog.showModal();
}

const ACTIONS = {
  step: (board) => board.say("stage", ["walk", "by step"]),
  leave: steps.leave,
  hold, sweep, stop, keys,
  pause: (board) => {
    board.sweep.paused = !board.sweep.paused;
    furnish(board);
  },
  lecture: (board) => board.say("stage", ["lecture", board.told.controls.lecture ? "" : "1"]),
  theme: (board) => board.say("stage", ["lecture", board.told.controls.lecture === "dark" ? "1" : "dark"]),
  full: () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()),
};

const TYPED = 'input:not([type=range]):not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable=true], '
  + '[role=dialog], [role=listbox], [role=grid], dialog, .stDataFrame, [data-testid=stDataFrame]';
const STRIP = /^(Tab|Enter|Shift| |h|H)$/; // keys that work the strip of a sweep, or hold a curve beside it
const OWN = /^(Arrow|Home|End|Page)/; // keys that a slider takes for itself

// What a key does; true if it is used up.
export function key(board, event) {
  const { controls } = board.told, walking = Boolean(board.picture.walk);
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest?.(TYPED)) return false;
  const talk = controls.talk && { PageDown: 1, PageUp: -1 }[event.key];
  if (talk) {
    stop(board, true);
    const [at, count] = controls.talk, here = board.talkAt ?? at;
    board.talkAt = Math.max(0, Math.min(count - 1, here === null ? (talk > 0 ? 0 : count - 1) : here + talk));
    board.say("talk", [board.talkAt]); // the place itself, so that quick presses all count
    return true;
  }
  const sweeping = Boolean(board.sweep);
  const digit = controls.lecture && /^[1-9]$/.test(event.key);
  if (sweeping && !(board.tools.contains(event.target) && STRIP.test(event.key))) stop(board, digit);
  if (event.target.type === "range" && OWN.test(event.key)) return false;
  const elsewhere = event.target !== document.body && !board.root.contains(event.target);
  if (walking && !elsewhere && event.key in steps.KEYS && !(event.key === " " && event.target.closest("button"))) {
    return steps.act(board, steps.KEYS[event.key]);
  }
  if (event.key === "Escape") {
    if (sweeping) return true;
    if (walking) ACTIONS.leave(board);
    else if (controls.lecture && !document.fullscreenElement) ACTIONS.lecture(board);
    else return false;
    return true;
  }
  if (event.key === "?") return keys(board), true;
  if (event.shiftKey) return false;
  const { flow } = board.picture.says;
  const name = { s: walking ? "leave" : flow ? "step" : null, h: walking || !flow ? null : "hold", l: "lecture", f: controls.lecture ? "full" : null, d: controls.lecture ? "theme" : null }[
    event.key.toLowerCase()];
  if (name) return ACTIONS[name](board), true;
  if (digit) {
    const example = controls.examples[Number(event.key) - 1];
    if (example) board.say("example", [example]);
    return true;
  }
  return false;
}

export function listen(board) {
  const clicked = (event) => {
    const name = event.target.closest("button")?.dataset.do;
    if (name) ACTIONS[name]?.(board);
  };
  const chosen = (event) => {
    const { target } = event, name = target.dataset.do;
    if (name === "speed") board.sweep.speed = target.value;
    if (name === "stage") {
      const { field } = target.dataset, [, , choices] = board.picture.says.tools.find(([one]) => one === field);
      board.say("stage", [field, choices[Number(target.value)][0]]);
    }
    if (name === "dial") {
      board.sweeps = board.sweep ? target.value : null; // the sweep goes on with it
      stop(board);
      board.say("stage", ["dial", target.value]);
      board.figure.focus({ preventScroll: true }); // the keys are the page's again
    }
  };
  board.tools.addEventListener("click", clicked);
  board.tools.addEventListener("change", chosen);
  board.dialing.addEventListener("change", (event) => {
    if (event.target.type === "range") turned(board, board.told.controls.dial, Number(event.target.value));
    else chosen(event);
  });
  board.dialing.addEventListener("input", (event) => {
    if (event.target.type !== "range") return;
    const { dial } = board.told.controls, value = Number(event.target.value);
    board.dialing.querySelector("output").textContent = value.toFixed(places(dial));
    turning(board, dial, value);
  });
  board.examples.addEventListener("click", (event) => {
    const name = event.target.closest("button")?.dataset.example;
    if (name) board.say("example", [name]);
  });
  const other = (event) => {
    const example = event.target.closest?.(".rv-examples, [class*=st-key-example_]");
    if (board.sweep && !board.tools.contains(event.target)) stop(board, Boolean(example));
  };
  for (const name of ["pointerdown", "wheel"]) document.addEventListener(name, other, true);
  return () => {
    board.sweep = null;
    document.documentElement.classList.remove("rv-lecturing");
    for (const name of ["pointerdown", "wheel"]) document.removeEventListener(name, other, true);
  };
}

// The px that a lecture's figure has, before they are magnified.
export function room(board) {
  const { clientWidth, clientHeight } = board.figure;
  return [Math.round(clientWidth), Math.round(clientHeight - EQUATION[board.picture.says.flow ? 0 : 1])];
}
