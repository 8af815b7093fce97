// Draws a figure's specification on a canvas at once: before plotly.js has arrived, and while a hand moves a dial, when Plotly's
// own way would take several times as long. It knows only what our figures are made of; Plotly draws the same when the hand rests.

const TURN = 2 * Math.PI;

// The colour of every share from 0 to 1 of a scale, in 512 steps.
export function shades(stops) {
  const parts = stops.map(([at, colour]) => [at, ...[1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16))]);
  let next = 1;
  return Array.from({ length: 512 }, (_, i) => {
    const share = i / 511;
    while (next < parts.length - 1 && parts[next][0] < share) next += 1;
    const [a, b] = [parts[next - 1], parts[next]], way = Math.min(1, Math.max(0, (share - a[0]) / (b[0] - a[0] || 1)));
    return `rgb(${[1, 2, 3].map((c) => Math.round(a[c] + way * (b[c] - a[c]))).join()})`;
  });
}

// The edges of a map's cells, from their edges or their middles.
function ends(places, count) {
  if (places.length > count) return Array.from(places);
  const half = count > 1 ? (places[1] - places[0]) / 2 : 0.5;
  return [...Array.from(places, (place) => place - half), places[count - 1] + half];
}

function map(pen, trace, layout, x, y) {
  const own = trace.coloraxis ? layout.coloraxis : { cmin: trace.zmin, cmax: trace.zmax, colorscale: trace.colorscale };
  const colours = shades(own.colorscale), scale = 511 / (own.cmax - own.cmin);
  const edges = ends(trace.x, trace.z[0].length).map((edge) => Math.round(x(edge))), sides = ends(trace.y, trace.z.length);
  trace.z.forEach((row, r) => {
    const top = Math.round(y(sides[r + 1])), height = Math.round(y(sides[r])) - top;
    row.forEach((value, c) => {
      if (!Number.isFinite(value)) return;
      pen.fillStyle = colours[Math.round(Math.min(511, Math.max(0, (value - own.cmin) * scale)))];
      pen.fillRect(edges[c], top, edges[c + 1] - edges[c], height);
    });
  });
}

// The pieces of a broken line, each a list of places.
function* pieces(trace, x, y) {
  let piece = [];
  for (let i = 0; i < trace.x.length; i += 1) {
    if (Number.isFinite(trace.x[i]) && Number.isFinite(trace.y[i])) piece.push([x(trace.x[i]), y(trace.y[i])]);
    else if (piece.length) {
      yield piece;
      piece = [];
    }
  }
  if (piece.length) yield piece;
}

const DASHES = { dot: (w) => [w, w], dash: (w) => [3 * w, 3 * w], solid: () => [] };

function lines(pen, trace, x, y) {
  const path = new Path2D();
  for (const piece of pieces(trace, x, y)) piece.forEach(([px, py], i) => (i ? path.lineTo(px, py) : path.moveTo(px, py)));
  if (trace.fill) {
    pen.fillStyle = trace.fillpattern?.bgcolor ?? trace.fillcolor;
    pen.fill(path);
    if (trace.fillpattern) hatch(pen, path, trace.fillpattern);
  }
  if (!trace.line.width) return;
  pen.lineWidth = trace.line.width;
  pen.strokeStyle = trace.line.color;
  pen.setLineDash(DASHES[trace.line.dash ?? "solid"](Math.max(3, trace.line.width)));
  pen.stroke(path);
  pen.setLineDash([]);
}

function hatch(pen, path, { size, solidity, fgcolor }) {
  const { width, height } = pen.canvas;
  pen.save();
  pen.clip(path);
  pen.strokeStyle = fgcolor;
  pen.lineWidth = size * solidity;
  pen.beginPath();
  for (let at = 0; at < width + height; at += size * Math.SQRT2) {
    pen.moveTo(at, 0);
    pen.lineTo(at - height, height);
  }
  pen.stroke();
  pen.restore();
}

const one = (value, i) => (Array.isArray(value) || ArrayBuffer.isView(value) ? value[i] : value);

const MARKS = {
  circle: (pen, px, py, size) => pen.arc(px, py, size / 2, 0, TURN),
  "triangle-down": (pen, px, py, size) => triangle(pen, px, py, 0.58 * size, 1),
  "triangle-up": (pen, px, py, size) => triangle(pen, px, py, 0.58 * size, -1),
};

function triangle(pen, px, py, wide, way) {
  pen.moveTo(px - wide, py - way * wide / 2);
  pen.lineTo(px + wide, py - way * wide / 2);
  pen.lineTo(px, py + way * wide);
  pen.closePath();
}

function markers(pen, trace, x, y) {
  const { marker } = trace;
  trace.x.forEach((at, i) => {
    if (!Number.isFinite(trace.y[i])) return;
    const px = x(at), py = y(trace.y[i]), symbol = one(marker.symbol, i) ?? "circle", size = one(marker.size, i);
    pen.beginPath();
    if (symbol === "line-ew") {
      pen.lineWidth = marker.line.width;
      pen.strokeStyle = one(marker.line.color, i);
      pen.moveTo(px - size / 1.4, py);
      pen.lineTo(px + size / 1.4, py);
      pen.stroke();
      return;
    }
    pen.fillStyle = pen.strokeStyle = one(marker.color, i) ?? trace.line.color;
    (MARKS[symbol] ?? MARKS.circle)(pen, px, py, size);
    if (symbol.endsWith("-open")) {
      pen.lineWidth = marker.line?.width ?? 1.5;
      pen.stroke();
      return;
    }
    pen.fill();
    if (marker.line?.width) {
      pen.lineWidth = marker.line.width;
      pen.strokeStyle = one(marker.line.color, i);
      pen.stroke();
    }
  });
}

function texts(pen, trace, layout, x, y) {
  const { size, color } = trace.textfont;
  pen.font = `${size}px ${layout.font.family}`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  trace.x.forEach((at, i) => {
    pen.fillStyle = one(color, i);
    pen.fillText(one(trace.text, i), x(at), y(trace.y[i]));
  });
}

export function paint(canvas, { data, layout }) {
  const { width, height, margin } = layout, fine = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * fine) || canvas.height !== Math.round(height * fine)) {
    Object.assign(canvas, { width: Math.round(width * fine), height: Math.round(height * fine) });
    Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(fine, 0, 0, fine, 0, 0);
  pen.lineJoin = "round";
  pen.fillStyle = layout.paper_bgcolor;
  pen.fillRect(0, 0, width, height);
  const plot = width - margin.l - margin.r;
  for (const [name, axis] of Object.entries(layout)) {
    if (!name.startsWith("yaxis")) continue;
    const [bottom, top] = axis.domain.map((share) => height * (1 - share)), [low, high] = axis.range;
    const y = (at) => bottom - (bottom - top) * ((at - low) / (high - low));
    const traces = data.filter((one) => one.yaxis === name.replace("axis", ""));
    const { range: [first, last], domain = [0, 1] } = layout[(axis.anchor ?? traces[0]?.xaxis ?? "x").replace("x", "xaxis")];
    const [left, right] = domain.map((share) => margin.l + plot * share);
    const x = (at) => left + (right - left) * ((at - first) / (last - first));
    pen.save();
    pen.beginPath();
    pen.rect(left, top, right - left, bottom - top);
    pen.clip();
    for (const [at, colour] of [...(axis.gridcolor ? axis.tickvals.map((value) => [value, axis.gridcolor]) : []),
      ...(axis.zeroline ? [[0, axis.zerolinecolor]] : [])]) {
      pen.fillStyle = colour;
      pen.fillRect(left, Math.round(y(at) - 0.5), right - left, 1);
    }
    pen.restore();
    for (const trace of traces) {
      pen.save();
      pen.beginPath();
      pen.rect(left, top - 3, right - left, bottom - top + 6);
      if (trace.mode !== "markers") pen.clip();
      if (trace.type === "heatmap" || trace.type === "contour") map(pen, trace, layout, x, y);
      else if (trace.mode === "text") texts(pen, trace, layout, x, y);
      if (trace.mode?.includes("lines")) lines(pen, trace, x, y);
      if (trace.mode?.includes("markers")) markers(pen, trace, x, y);
      pen.restore();
    }
  }
}
