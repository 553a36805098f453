// Top bar: search as you type, links without reload, keyboard. Data arrives from Python; text goes in as text only.
const follow = (href) => {
  history.pushState({}, "", href);
  // The host listens to the browser's own history event; this is what the Back button does.
  window.dispatchEvent(new PopStateEvent("popstate", { state: {} }));
};

const element = (name, text, attributes) => {
  const node = document.createElement(name);
  if (text !== undefined) node.textContent = text;
  for (const [key, value] of Object.entries(attributes || {})) if (value !== null) node.setAttribute(key, value);
  return node;
};

const openPanel = (name) => {
  const panel = document.getElementById("p-" + name);
  if (!panel) return false;
  panel.classList.add("all", "flash");
  panel.scrollIntoView({ behavior: "smooth", block: "nearest" });
  setTimeout(() => panel.classList.remove("flash"), 1600);
  return true;
};

const onClick = (event) => {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const target = event.target instanceof Element ? event.target : null;
  if (!target) return;
  const toggle = target.closest("button[data-toggle]");
  if (toggle) {
    const open = toggle.closest(".panel").classList.toggle("all");
    toggle.setAttribute("aria-expanded", String(open));
    return;
  }
  const opener = target.closest("a[data-open]");
  if (opener && openPanel(opener.dataset.open)) { event.preventDefault(); return; }
  const anchor = target.closest("a[data-nav]");
  const row = anchor ? null : target.closest("tr[data-row]");
  const href = anchor ? anchor.getAttribute("href") : row && row.dataset.row;
  if (!href || target.closest("input, select, textarea")) return;
  event.preventDefault();
  follow(href);
};

const moveRow = (step) => {
  const rows = [...document.querySelectorAll(".worklist tr[data-row]")].filter((row) => row.offsetParent);
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.classList.contains("chosen"));
  const next = rows[Math.min(rows.length - 1, Math.max(0, at + step))];
  rows.forEach((row) => row.classList.toggle("chosen", row === next));
  next.scrollIntoView({ block: "nearest" });
  clearTimeout(moveRow.timer);
  moveRow.timer = setTimeout(() => follow(next.dataset.row), 220);
};

const onKey = (event) => {
  const typing = event.target instanceof Element && event.target.closest("input, textarea, select, [contenteditable=true]");
  if (typing || event.metaKey || event.ctrlKey || event.altKey) return;
  const input = document.querySelector(".c360bar .find input");
  if (event.key === "/" && input) { event.preventDefault(); input.focus(); input.select(); }
  if (event.key === "j") moveRow(1);
  if (event.key === "k") moveRow(-1);
};

const build = (root) => {
  const bar = element("header", undefined, { class: "c360bar" });
  const inner = element("div", undefined, { class: "in" });
  const find = element("div", undefined, { class: "find", role: "search" });
  const input = element("input", undefined, { type: "search", autocomplete: "off", role: "combobox", spellcheck: "false",
    "aria-expanded": "false", "aria-controls": "c360hits", "aria-autocomplete": "list" });
  const hits = element("ul", undefined, { class: "hits", id: "c360hits", role: "listbox", hidden: "" });
  const parts = { brand: element("a", undefined, { class: "brand", "data-nav": "1" }), find, input, hits,
    nav: element("nav"), side: element("div", undefined, { class: "side" }) };
  find.append(input, element("kbd", "/", { "aria-hidden": "true" }), hits);
  inner.append(parts.brand, find, parts.nav, parts.side);
  bar.append(inner);
  root.replaceChildren(bar);
  return parts;
};

const paintHits = (bar) => {
  const { hits, input } = bar.parts;
  const typed = input.value.trim();
  const shown = Boolean(typed) && document.activeElement === input && bar.data.q === typed;
  hits.hidden = !shown;
  input.setAttribute("aria-expanded", String(shown));
  if (!shown) return;
  bar.at = Math.min(bar.at, bar.data.results.length - 1);
  hits.replaceChildren(...bar.data.results.map((hit, position) => {
    const item = element("li", undefined, { role: "option", id: "c360hit" + position, "aria-selected": String(position === bar.at) });
    item.append(element("b", hit.name), element("span", hit.why));
    item.onmousedown = (event) => { event.preventDefault(); choose(bar, position); };
    return item;
  }));
  if (!bar.data.results.length) hits.append(element("li", bar.data.nothing, { class: "none" }));
  input.setAttribute("aria-activedescendant", bar.at >= 0 ? "c360hit" + bar.at : "");
};

const choose = (bar, position) => {
  const hit = bar.data.results[position];
  if (!hit) return;
  bar.parts.input.value = "";
  bar.parts.input.blur();
  paintHits(bar);
  follow(hit.href);
};

const onInputKey = (bar, event) => {
  const last = bar.data.results.length - 1;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    bar.at = Math.max(0, Math.min(last, bar.at + (event.key === "ArrowDown" ? 1 : -1)));
    paintHits(bar);
  } else if (event.key === "Enter") {
    event.preventDefault();
    // Typed faster than the answer: choose when it arrives.
    if (bar.data.q === bar.parts.input.value.trim()) choose(bar, bar.at); else bar.pending = true;
  } else if (event.key === "Escape") {
    bar.parts.input.value = "";
    bar.parts.input.blur();
    paintHits(bar);
  }
};

const paint = (bar) => {
  const { data, parts } = bar;
  parts.brand.replaceChildren(element("span", data.brand[0]), element("b", data.brand[1]));
  parts.brand.setAttribute("href", data.home);
  parts.find.hidden = !data.searchable;
  parts.input.placeholder = data.placeholder;
  parts.input.setAttribute("aria-label", data.placeholder);
  parts.nav.replaceChildren(...data.nav.map((item) =>
    element("a", item.label, { href: item.href, "data-nav": "1", "aria-current": item.current ? "page" : null })));
  parts.nav.setAttribute("aria-label", data.navLabel);
  const side = [];
  if (data.asof) {
    const asof = element("span", undefined, { class: "asof" });
    asof.append(element("i", "", { class: "dot " + data.asof.tone }), data.asof.text);
    side.push(asof);
  }
  side.push(element("a", data.language.label, { href: data.language.href, "data-nav": "1", title: data.language.hint, lang: data.language.lang }));
  if (data.user) {
    const who = element("details", undefined, { class: "who" });
    const card = element("div");
    card.append(element("b", data.user.name), element("span", data.user.role),
      element("a", data.user.out, { href: data.user.href }));
    who.append(element("summary", data.user.initial, { "aria-label": data.user.name }), card);
    side.push(who);
  }
  parts.side.replaceChildren(...side);
};

export default function (component) {
  const { parentElement, data, setStateValue } = component;
  document.documentElement.lang = data.lang;
  let bar = parentElement.c360;
  if (!bar || !parentElement.querySelector(".c360bar")) {
    bar = parentElement.c360 = { parts: build(parentElement), at: 0, pending: false };
    const { input } = bar.parts;
    input.oninput = () => {
      bar.at = 0;
      clearTimeout(bar.timer);
      bar.timer = setTimeout(() => bar.send("q", input.value.trim()), 90);
    };
    input.onkeydown = (event) => onInputKey(bar, event);
    input.onfocus = input.onblur = () => paintHits(bar);
  }
  bar.data = data;
  bar.send = setStateValue;
  paint(bar);
  if (bar.pending && data.q === bar.parts.input.value.trim()) { bar.pending = false; choose(bar, 0); } else paintHits(bar);
  // One listener for the whole app, whichever instance of the bar is mounted last.
  if (window.c360off) window.c360off();
  document.addEventListener("click", onClick);
  document.addEventListener("keydown", onKey);
  window.c360off = () => {
    document.removeEventListener("click", onClick);
    document.removeEventListener("keydown", onKey);
  };
}
