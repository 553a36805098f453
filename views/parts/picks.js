// Ticks of a list: which rows are picked. The rows are the page's own and are redrawn by it; what is ticked is kept here.
const boxes = () => [...document.querySelectorAll("input[data-pick]")];
const kept = { picked: new Set(), send: null, timer: 0, frame: 0 };

const show = () => boxes().forEach((box) => { box.checked = kept.picked.has(box.dataset.pick); });

const toggle = (box, on) => {
  if (on) kept.picked.add(box.dataset.pick); else kept.picked.delete(box.dataset.pick);
  // Several ticks in a row are one message.
  clearTimeout(kept.timer);
  kept.timer = setTimeout(() => kept.send && kept.send("picked", [...kept.picked]), 250);
};

const onChange = (event) => {
  const box = event.target;
  if (box instanceof HTMLInputElement && box.dataset.pick) toggle(box, box.checked);
};

const onKey = (event) => {
  const typing = event.target instanceof Element && event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable=true]");
  if (event.key !== "x" || typing || event.metaKey || event.ctrlKey || event.altKey) return;
  const box = document.querySelector(".worklist tr.chosen input[data-pick]");
  if (!box) return;
  box.checked = !box.checked;
  toggle(box, box.checked);
};

// A redrawn list comes without ticks: put them back before it is painted.
const watch = new MutationObserver(() => {
  cancelAnimationFrame(kept.frame);
  kept.frame = requestAnimationFrame(show);
});

export default function (component) {
  const { data, setStateValue } = component;
  kept.send = setStateValue;
  if (kept.turn !== data.turn) kept.picked = new Set(data.picked);
  kept.turn = data.turn;
  show();
  if (window.c360picksOff) window.c360picksOff();
  document.addEventListener("change", onChange);
  document.addEventListener("keydown", onKey);
  watch.observe(document.body, { childList: true, subtree: true });
  window.c360picksOff = () => {
    document.removeEventListener("change", onChange);
    document.removeEventListener("keydown", onKey);
    watch.disconnect();
  };
}
