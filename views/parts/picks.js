// Ticks of a list: which rows are picked. The rows are the page's own; this only reads and keeps their boxes.
const boxes = () => [...document.querySelectorAll("input[data-pick]")];

const onChange = (event) => {
  const box = event.target;
  if (!(box instanceof HTMLInputElement) || !box.dataset.pick || !window.c360picks) return;
  window.c360picks();
};

const onKey = (event) => {
  const typing = event.target instanceof Element && event.target.closest("input:not([type=checkbox]), textarea, select");
  if (event.key !== "x" || typing || event.metaKey || event.ctrlKey || event.altKey) return;
  const box = document.querySelector(".worklist tr.chosen input[data-pick]");
  if (!box || !window.c360picks) return;
  box.checked = !box.checked;
  window.c360picks();
};

export default function (component) {
  const { data, setStateValue } = component;
  const picked = new Set(data.picked);
  boxes().forEach((box) => { box.checked = picked.has(box.dataset.pick); });
  let timer;
  // Several ticks in a row are one message.
  window.c360picks = () => {
    clearTimeout(timer);
    timer = setTimeout(() => setStateValue("picked", boxes().filter((box) => box.checked).map((box) => box.dataset.pick)), 250);
  };
  if (window.c360picksOff) window.c360picksOff();
  document.addEventListener("change", onChange);
  document.addEventListener("keydown", onKey);
  window.c360picksOff = () => {
    document.removeEventListener("change", onChange);
    document.removeEventListener("keydown", onKey);
  };
}
