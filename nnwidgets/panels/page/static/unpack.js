// Arrays as they were packed for the page (see _pack.py).

const [GAP, ZERO, MOST] = [65535, 65534, 65533];

/** The bytes of a text in base64. @param {string} text */
function decoded(text) {
  const letters = atob(text);
  const found = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) found[i] = letters.charCodeAt(i);
  return found;
}

/** A number from the bits of a float16. @param {number} bits */
function half(bits) {
  const [sign, power, rest] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (power === 31) return NaN;
  return sign * (power ? 2 ** (power - 15) * (1 + rest / 1024) : (2 ** -14 * rest) / 1024);
}

/** @param {any} packed @returns {any} a typed array; null for null */
function unpack(packed) {
  if (!packed) return null;
  const bytes = decoded(packed.bytes);
  const of = { f4: Float32Array, f8: Float64Array, i4: Int32Array }[packed.kind];
  if (of) return new of(bytes.buffer);
  if (packed.kind === "u1") return Float32Array.from(bytes, (part) => part / 255);
  if (packed.kind === "bits") return Uint8Array.from({ length: packed.size }, (_, i) => (bytes[i >> 3] >> (7 - (i & 7))) & 1);
  const words = new Uint16Array(bytes.buffer);
  if (packed.kind === "half") return Float32Array.from(words, (bits) => half(bits) * packed.most);
  const wide = packed.high - packed.low;
  return Float64Array.from(words, (place) => {
    if (place >= ZERO) return place === GAP ? NaN : 0;
    return 10 ** (packed.low + (wide * place) / MOST);
  });
}

/** What the canvases take. @param {ArrayBufferView} array */
const viewOf = (array) => new DataView(array.buffer, array.byteOffset, array.byteLength);
