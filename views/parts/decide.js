// Decide by key on the chosen pair: 1 or s same, 2 or d different, 3 or u unsure. The page says which pair it shows; a
// row that was walked to but is not drawn yet cannot be decided.
const NAMES = { 1: "same", s: "same", 2: "different", d: "different", 3: "unsure", u: "unsure" };
const kept = { send: null, pair: "" };

const onKey = (event) => {
  const typing = event.target instanceof Element && event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable=true]");
  const name = NAMES[event.key];
  if (!name || typing || event.repeat || event.metaKey || event.ctrlKey || event.altKey || !kept.send || !kept.pair) return;
  const shown = document.querySelector("[data-shown-pair]");
  const row = document.querySelector(".worklist tr.chosen");
  if (!shown || shown.dataset.shownPair !== kept.pair || document.querySelector(".drawer")) return;
  if (row && !row.querySelector(`input[data-pick="${CSS.escape(kept.pair)}"]`)) return;
  event.preventDefault();
  const pair = kept.pair;
  kept.pair = "";
  kept.send("decide", `${name} ${pair}`);
};

export default function (component) {
  const { data, setTriggerValue } = component;
  kept.send = setTriggerValue;
  kept.pair = data.pair;
  if (window.c360decideOff) window.c360decideOff();
  document.addEventListener("keydown", onKey);
  window.c360decideOff = () => document.removeEventListener("keydown", onKey);
}
