// Frames that can be drawn at once, as a page must be that is about to be printed.

/** @type {Map<number, FrameRequestCallback>} */
const waiting = new Map();
const requestAnimationFrame = (/** @type {FrameRequestCallback} */ act) => {
  const frame = window.requestAnimationFrame((time) => {
    waiting.delete(frame);
    act(time);
  });
  waiting.set(frame, act);
  return frame;
};
const cancelAnimationFrame = (/** @type {number} */ frame) => {
  waiting.delete(frame);
  window.cancelAnimationFrame(frame);
};
const paintNow = () => {
  for (const [frame, act] of [...waiting]) {
    cancelAnimationFrame(frame);
    act(performance.now());
  }
};
