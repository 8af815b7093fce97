// The live lane: while a hand moves a dial, every value it passes is sent to the server and answered by its picture. The newest
// value wins and one is on its way at a time. Without a lane nothing happens here, and the picture comes with the release.

import { unpack } from "./bytes.js";

const GIVE_UP = 30_000; // ms without a lane after it could not be opened
export const SETTLE = 250; // ms after the last value in which an older picture may still arrive the slow way

// lane.turn(start, message, token): the picture named by `start` with one field changed, as soon as the one before has been
// answered; arrived(picture, token).
export function opened(address, arrived) {
  const lane = { busy: null, next: null, started: null, closed: 0, worked: false };
  const url = new URL(address, document.baseURI);
  url.protocol = url.protocol.replace("http", "ws");
  const connect = () => {
    const socket = lane.socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    lane.started = null;
    socket.onopen = pump;
    socket.onmessage = ({ data }) => {
      const token = lane.busy;
      lane.busy = null;
      if (typeof data === "string") lane.started = null;
      else arrived(unpack(new Uint8Array(data)), token);
      pump();
    };
    socket.onclose = () => {
      if (lane.socket !== socket) return;
      Object.assign(lane, { socket: null, busy: null, closed: performance.now() });
    };
  };
  const pump = () => {
    if (lane.busy || !lane.next) return;
    if (!lane.socket) {
      if (lane.closed && performance.now() - lane.closed < GIVE_UP && !lane.worked) return;
      return connect();
    }
    if (lane.socket.readyState !== WebSocket.OPEN) return;
    const [start, message, token] = lane.next;
    Object.assign(lane, { next: null, busy: token, worked: true });
    lane.socket.send(lane.started === start ? message : `?${start}\n${message}`);
    lane.started = start;
  };
  lane.turn = (start, message, token) => {
    lane.next = [start, message, token];
    pump();
  };
  return lane;
}

// Which field of the experiment a widget of Streamlit's is for, by the key of its container.
function fieldOf(node) {
  const holder = node.closest?.('[class*="st-key-w_"]');
  return holder?.className.match(/st-key-w_([a-zA-Z_]+?)(_t\d+)?(_\d+_\d+)?(\s|$)/)?.[1];
}

const NUMBERS = ["hand", "T", "tau_max", "tau_b"]; // dials that stand in number fields, at least where they are large

let down = () => false; // whether a thumb is held at this moment

// Follow the sliders and the fields of weights by hand while a person moves them. turn(message) is told every value.
export function follow(turn) {
  let held = null, until = 0; // the input under the hand; a key counts as a hand for a moment
  down = () => held !== null && until === 0;
  const moving = (input) => input === held && (until === 0 || performance.now() < until);
  const hold = (input, time) => {
    held = input;
    until = time;
  };
  const press = (event) => {
    const input = event.target.closest?.(".stSlider")?.querySelector("input[type=range]");
    if (input) hold(input, 0);
  };
  const release = () => {
    if (until === 0) hold(held, performance.now() + 50);
  };
  const key = (event) => {
    const input = event.target;
    if (input.type === "range" && !down()) hold(input, performance.now() + 300);
    const field = input.type === "number" && /^Arrow(Up|Down)$/.test(event.key) && fieldOf(input);
    if (NUMBERS.includes(field)) setTimeout(() => turn(`${field}=${field === "hand" ? weightsByHand() : input.value}`));
  };
  const watch = new MutationObserver((changes) => {
    for (const { target, oldValue } of changes) {
      const value = target.getAttribute("aria-valuetext"), field = fieldOf(target);
      if (field && moving(target) && value !== oldValue) turn(`${field}=${value}`); // a release sets the last value once more
    }
  });
  watch.observe(document.body,
    { subtree: true, attributes: true, attributeFilter: ["aria-valuetext"], attributeOldValue: true });
  const events = { pointerdown: press, pointerup: release, pointercancel: release, keydown: key };
  for (const [name, action] of Object.entries(events)) document.addEventListener(name, action, true);
  return () => {
    watch.disconnect();
    for (const [name, action] of Object.entries(events)) document.removeEventListener(name, action, true);
  };
}

// The number fields of the weights by hand as the text of their field: one group a layer, w_S w_T b.
function weightsByHand() {
  const layers = [];
  for (const input of document.querySelectorAll('[class*="st-key-w_hand"] input')) {
    const [, l, i] = input.closest('[class*="st-key-w_hand"]').className.match(/_(\d+)_(\d+)(\s|$)/);
    (layers[l] ??= [])[i] = input.value;
  }
  return layers.map((weights) => weights.join(" ")).join(", ");
}

// A burst of values from one hand. Its pictures are shown while it lasts; what comes the slow way meanwhile waits for its end,
// unless it is the picture of the newest value, or of something else altogether: another example, another place in the history.
let bursts = 0;

export function turn(board, lane, message) {
  const now = performance.now();
  if (!board.live || (!down() && now - board.live.moved > SETTLE)) {
    const link = new URLSearchParams(board.told.link);
    if (board.picture.walk) link.set("visit", board.step.n);
    board.live = { start: `${link}\n${board.picture.view}`, token: (bursts += 1) };
  }
  board.live.moved = now;
  if (board.live.message === message) return;
  board.live.message = message;
  lane.turn(board.live.start, message, board.live.token);
}

// The hand is done, or what it moved is gone: answers that are still on their way belong to nothing.
export function over(board) {
  clearTimeout(board.live?.waiting);
  board.live = null;
  if (board.lane) board.lane.next = null;
}

// Whether a picture that came the slow way is to wait; it comes again by itself.
export function overtaken(board, picture) {
  const { live } = board;
  if (!live) return false;
  clearTimeout(live.waiting);
  live.owed = null;
  if (picture.rev === live.rev) {
    if (!down() && !board.lane.busy && !board.lane.next) over(board);
    return false;
  }
  const rest = down() ? SETTLE : live.moved + SETTLE - performance.now();
  if (rest > 0 && picture.told.pushes === board.pushes) {
    live.owed = picture;
    live.waiting = setTimeout(() => board.show(picture), rest);
    return true;
  }
  over(board);
  return false;
}
