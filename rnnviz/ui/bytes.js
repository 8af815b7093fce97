// What Python packed: numbers, texts and arrays.

// Bytes from a place on: length of the JSON, the JSON, float32 arrays, which stand in the JSON as {"$": [offset, shape]}.
export function read(bytes, from) {
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

// A picture: when it was made, the checksum that names its drawing, what is told with it, and the drawing, read when asked for.
export function unpack(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const start = 16 + view.getUint32(12, true);
  return {
    made: view.getFloat64(0, true),
    rev: view.getUint32(8, true).toString(16),
    told: JSON.parse(new TextDecoder().decode(bytes.subarray(16, start))),
    drawing: () => read(bytes, start),
  };
}
