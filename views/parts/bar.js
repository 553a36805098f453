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

// Tiles are drawn before the panels they open: a click in between waits for its panel.
const openPanel = (name, every = true, until = Date.now() + 4000) => {
  const panel = document.getElementById("p-" + name);
  if (!panel) {
    if (Date.now() < until) setTimeout(() => openPanel(name, every, until), 60);
    return;
  }
  panel.classList.add("flash");
  if (every) panel.classList.add("all");
  panel.scrollIntoView({ behavior: "smooth", block: "nearest" });
  setTimeout(() => panel.classList.remove("flash"), 1600);
};

// The drawer takes the focus when it has been drawn, and gives it back to the row that opened it.
let door = null;
const focusDrawer = (href) => {
  door = href;
  const until = Date.now() + 60000; // a busy server may take long; another row ends the wait
  const look = () => {
    const close = document.querySelector(".drawer .close");
    if (close && location.href.endsWith(href)) close.focus();
    else if (door === href && Date.now() < until) requestAnimationFrame(look);
  };
  look();
};
const focusDoor = () => {
  const row = [...document.querySelectorAll("a[data-nav]")].find((one) => one.getAttribute("href") === door);
  if (row) row.focus({ preventScroll: true });
};

const onClick = (event) => {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const target = event.target instanceof Element ? event.target : null;
  if (!target) return;
  if (target.matches("input[data-asof]") && target.showPicker) { target.showPicker(); return; }
  const pin = target.closest("button[data-pin]");
  if (pin && window.c360pin) { window.c360pin(pin.dataset.pin); return; }
  const toggle = target.closest("button[data-toggle]");
  if (toggle) {
    const open = toggle.closest(".panel").classList.toggle("all");
    toggle.setAttribute("aria-expanded", String(open));
    return;
  }
  const opener = target.closest("a[data-open]");
  if (opener) { event.preventDefault(); openPanel(opener.dataset.open); return; }
  const anchor = target.closest("a[data-nav]");
  const row = anchor ? null : target.closest("tr[data-row]");
  const href = anchor ? anchor.getAttribute("href") : row && row.dataset.row;
  if (!href || target.closest("input, select, textarea")) return;
  event.preventDefault();
  follow(href);
  if (anchor && anchor.dataset.then) openPanel(anchor.dataset.then, false);
  if (target.closest("[data-record]")) focusDrawer(href);
  else if (target.closest(".drawer .close")) focusDoor();
  // On a phone the chosen row's detail is below the list: go there once it has been drawn.
  if (target.closest(".worklist tr[data-row]") && innerWidth <= 820) setTimeout(() => {
    const detail = document.querySelector("[class*=st-key-card_detail]");
    if (detail) detail.scrollIntoView({ behavior: "smooth", block: "start" });
  }, 600);
};

// A date field that shows the page as it stood on that day; the last day is the plain page.
const onChange = (event) => {
  const field = event.target;
  if (!(field instanceof HTMLInputElement) || !field.dataset.asof) return;
  const address = new URL(location.href);
  if (field.value && field.value < field.dataset.asof) address.searchParams.set("as_of", field.value);
  else address.searchParams.delete("as_of");
  follow(address.pathname + address.search);
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
  const close = document.querySelector(".drawer .close");
  if (event.key === "Escape" && close) { follow(close.getAttribute("href")); focusDoor(); return; }
  const menu = document.querySelector(".c360bar .who[open]");
  if (event.key === "Escape" && menu) { menu.open = false; menu.querySelector("summary").focus(); return; }
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

// What can be chosen now: the answers to what is typed, or pinned and recent customers while nothing is.
const choices = (bar) => (bar.parts.input.value.trim() ? bar.data.results : bar.data.recent || []);

const paintHits = (bar) => {
  const { hits, input } = bar.parts;
  const typed = input.value.trim();
  const listed = choices(bar);
  const shown = document.activeElement === input && (typed ? bar.data.q === typed : listed.length > 0);
  hits.hidden = !shown;
  input.setAttribute("aria-expanded", String(shown));
  if (!shown) return;
  bar.at = Math.min(bar.at, listed.length - 1);
  hits.replaceChildren(...listed.map((hit, position) => {
    const item = element("li", undefined, { role: "option", id: "c360hit" + position, "aria-selected": String(position === bar.at) });
    item.append(element("b", hit.name), element("span", hit.why));
    item.onmousedown = (event) => { event.preventDefault(); choose(bar, position); };
    return item;
  }));
  if (!listed.length) hits.append(element("li", bar.data.nothing, { class: "none" }));
  input.setAttribute("aria-activedescendant", bar.at >= 0 ? "c360hit" + bar.at : "");
};

const choose = (bar, position) => {
  const hit = choices(bar)[position];
  if (!hit) return;
  bar.parts.input.value = "";
  bar.parts.input.blur();
  paintHits(bar);
  follow(hit.href);
};

const onInputKey = (bar, event) => {
  const last = choices(bar).length - 1;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    bar.at = Math.max(0, Math.min(last, bar.at + (event.key === "ArrowDown" ? 1 : -1)));
    paintHits(bar);
  } else if (event.key === "Enter") {
    event.preventDefault();
    // Typed faster than the answer: choose when it arrives.
    if (!bar.parts.input.value.trim() || bar.data.q === bar.parts.input.value.trim()) choose(bar, bar.at);
    else bar.pending = true;
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
  parts.find.closest(".c360bar").classList.toggle("bare", !data.nav.length);
  parts.find.hidden = !data.searchable;
  parts.input.placeholder = data.placeholder;
  parts.input.setAttribute("aria-label", data.placeholder);
  parts.nav.replaceChildren(...data.nav.map((item) =>
    element("a", item.label, { href: item.href, "data-nav": "1", "aria-current": item.current ? "page" : null })));
  parts.nav.setAttribute("aria-label", data.navLabel);
  // On a phone the bar is wider than the screen: the present page's name is in sight.
  const present = parts.nav.querySelector("[aria-current]");
  if (present) parts.nav.scrollLeft = present.offsetLeft + present.offsetWidth / 2 - parts.nav.clientWidth / 2;
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
  const { parentElement, data, setStateValue, setTriggerValue } = component;
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
    input.onfocus = input.onblur = () => {
      bar.at = input.value.trim() ? 0 : -1;
      paintHits(bar);
    };
  }
  bar.data = data;
  bar.send = setStateValue;
  window.c360pin = (key) => setTriggerValue("pin", key);
  paint(bar);
  if (bar.pending && data.q === bar.parts.input.value.trim()) { bar.pending = false; choose(bar, 0); } else paintHits(bar);
  // One listener for the whole app, whichever instance of the bar is mounted last.
  if (window.c360off) window.c360off();
  document.addEventListener("click", onClick);
  document.addEventListener("keydown", onKey);
  document.addEventListener("change", onChange);
  window.c360off = () => {
    document.removeEventListener("click", onClick);
    document.removeEventListener("keydown", onKey);
    document.removeEventListener("change", onChange);
  };
}
