/* The list and its keys. Only the rows in sight are in the document. */

import {openHelp, openSettings} from "./dialogs.js";
import {$, $$, amount, attempt, button, date, duration, icon, item, make, openMenu, prefs, put, rate,
  size} from "./dom.js";
import {isBeside, openDetails} from "./details.js";
import {ACTS, STATES, able, can, chosen, inState, entriesFor, meant, paint, painters, perform, places, refresh,
  selectAll, selectOnly, selectRange, selected, showBar, sortBy, tasks, toggle, view} from "./tasks.js";

const MARGIN = 8;                   // rows above and below those in sight
const narrow = matchMedia("(max-width: 43.99rem)");
const table = $("#list table"), body = $("tbody", table);
const rows = new Map();             // tid: {tr, parts, task, index}
let rowHeight = 44, framed = null;

function paintList() {
  if (framed !== view.rows) paintFrame();
  const {top} = body.getBoundingClientRect(), {length} = view.rows;
  const first = Math.max(0, Math.min(length, Math.floor(-top / rowHeight)) - MARGIN);
  const shown = view.rows.slice(first, Math.ceil((innerHeight - top) / rowHeight) + MARGIN);
  const there = new Set(shown.map(task => task.tid)), focused = document.activeElement;
  for (const [tid, {tr}] of rows) {
    if (there.has(tid)) continue;
    tr.remove();
    rows.delete(tid);
  }
  body.style.height = length * rowHeight + "px";
  body.style.paddingTop = first * rowHeight + "px";
  let next = body.firstChild;
  shown.forEach((task, index) => {
    if (!rows.has(task.tid)) rows.set(task.tid, makeRow(task));
    const row = rows.get(task.tid);
    if (row.tr === next) next = next.nextSibling;
    else body.insertBefore(row.tr, next);
    fill(row, task, first + index + 2);
  });
  if (focused !== document.activeElement) focusRow();     // a row loses the focus when it is moved
}

function paintFrame() {
  const {rows: {length}, known, filter} = view;
  framed = view.rows;
  table.hidden = !length;
  table.ariaRowCount = length + 1;
  for (const each of $$("[data-filter]")) {
    put($("b", each), String(inState(each.dataset.filter).length));
    each.ariaPressed = each.dataset.filter === filter;
  }
  for (const th of $$("[data-sort]")) {
    th.ariaSort = th.dataset.sort !== prefs.sort ? null : prefs.way === "↑" ? "ascending" : "descending";
  }
  $("#sort").value = prefs.sort + prefs.way;
  $("#empty").hidden = !known || tasks.size > 0;
  $("#no-match").hidden = !tasks.size || length > 0;
}

function makeRow({tid}) {
  const tr = $("#row").content.firstElementChild.cloneNode(true), parts = {};
  for (const each of $$("[class]", tr)) parts[each.classList[0]] = each;
  tr.dataset.tid = tid;
  return {tr, parts, task: {}, index: 0};
}

function fill(row, task, index) {
  const {tr, parts, task: old} = row, isChosen = selected.has(task.tid), stop = task.tid === view.active ? 0 : -1;
  if (row.index !== index) tr.ariaRowIndex = row.index = index;
  if (tr.ariaSelected !== String(isChosen)) tr.ariaSelected = parts.box.checked = isChosen;
  if (tr.tabIndex !== stop || !tr.hasAttribute("tabindex")) tr.tabIndex = stop;
  if (old === task) return;
  row.task = task;
  const {name, state, total_bytes: total, downloaded_bytes: done} = task, going = state === "downloading";
  const act = ["pause", "resume", "save"].find(each => can(each, task)), {quick} = parts;
  if (quick.dataset.act !== act) quick.replaceChildren(icon(quick.dataset.act = act));
  tr.dataset.state = state;
  parts.name.title = task.filename;
  parts.box.ariaLabel = "Select " + name;
  quick.title = `${ACTS[act].text}: ${name}`;
  parts.menu.title = "Actions: " + name;
  put(parts.text, name);
  put(parts.reason, task.error || "");
  put(parts.state, STATES[state]);
  showBar(parts.bar, task);
  put(parts.part, total || !done && !going ? task.percent : amount(done));
  put(parts.total_bytes, state === "finished" || total && !done ? size(total) : total ? amount(done, total) : "–");
  put(parts.speed, going ? rate(task.speed) : "");
  put(parts.eta, !going ? "" : task.eta ? duration(task.eta) : "–");
  put(parts.create_time, date(task.create_time));
}

function focusRow() {
  rows.get(view.active)?.tr.focus({preventScroll: true});
}

function goTo(index, extend = false) {
  if (!view.rows.length) return;
  index = Math.max(0, Math.min(view.rows.length - 1, index));
  if (extend) selectRange(places.get(view.anchor) ?? places.get(view.active), index);
  view.active = view.rows[index].tid;
  if (!extend) view.anchor = view.active;
  const top = body.getBoundingClientRect().top + index * rowHeight;
  const head = $(".sticky").offsetHeight + table.tHead.offsetHeight;
  scrollBy(0, Math.min(0, top - head) || Math.max(0, top + rowHeight + $("#acts").offsetHeight + 12 - innerHeight));
  paint();
  focusRow();
  if (isBeside()) openDetails(view.active);
}

// -- the pointer ---

function onClick(event) {
  const [{dataset: {tid}}, control, check] = ["tr", "button", ".select"].map(each => event.target.closest(each));
  if (check && event.target.tagName !== "INPUT") return;      // its label clicks the box
  view.active = tid;
  if (control?.dataset.act) perform(control.dataset.act, [tasks.get(tid)]);
  else if (control) openMenu(menuOf([tasks.get(tid)]), control);
  else {
    select(event, tid, check);
    focusRow();
    if (isBeside()) openDetails(tid);
  }
  paint();
}

function select(event, tid, check) {
  const touch = event.pointerType === "touch";
  if (event.shiftKey) selectRange(places.get(view.anchor) ?? places.get(tid), places.get(tid));
  else if (touch && event.target.closest(".text")) openDetails(tid);
  else if (check || touch || event.ctrlKey || event.metaKey) toggle(tid);
  else selectOnly(tid);
}

function onDoubleClick({target, ctrlKey, shiftKey}) {
  if (!target.closest(".select, button") && !ctrlKey && !shiftKey) openDetails(target.closest("tr").dataset.tid);
}

function onContextMenu(event) {
  const tr = event.target.closest("tr"), {clientX: left, clientY: top} = event;
  event.preventDefault();
  if (!selected.has(tr.dataset.tid)) selectOnly(tr.dataset.tid);
  paint();
  openMenu(menuOf(chosen()), tr, top ? {left, top, bottom: top} : undefined);
}

function menuOf(on) {
  const details = item("Details", () => openDetails(on[0].tid, true));
  return [...on.length > 1 ? [] : [details], ...entriesFor(on, item)];
}

// -- the bar of the selection ---

function paintBar() {
  const on = chosen(), bar = $("#acts"), had = bar.contains(document.activeElement);
  bar.hidden = !on.length;
  put($(".count"), on.length + " selected");
  for (const each of $$("[data-act]", bar)) each.hidden = !able(each.dataset.act, on);
  if (had && !document.activeElement.offsetParent) focusRow();
  $("#select-all").checked = on.length > 0 && on.length === view.rows.length;
  $("#select-all").indeterminate = on.length > 0 && on.length < view.rows.length;
}

function setUpBar() {
  for (const [act, {text, single, icon: isIcon}] of Object.entries(ACTS)) {
    if (single) continue;
    const made = button(isIcon ? icon(act) : text, () => perform(act, meant()), {title: text});
    made.dataset.act = act;
    $("#acts .none").before(made);
  }
  $("#acts .none").onclick = () => selectAll(false);
}

// -- keys ---

const at = () => places.get(view.active) ?? 0;

const KEYS = {
  ArrowDown: extend => goTo(at() + 1, extend), ArrowUp: extend => goTo(at() - 1, extend),
  Home: extend => goTo(0, extend), End: extend => goTo(view.rows.length - 1, extend),
  " ": () => view.active && paint(toggle(view.active)), Enter: () => view.active && openDetails(view.active, true),
  Delete: () => perform("delete", meant()), Escape: () => selectAll(false), "Control+a": () => selectAll(true),
  "Alt+ArrowUp": () => perform("up", meant()), "Alt+ArrowDown": () => perform("down", meant()),
  "Alt+Home": () => perform("top", meant()), "Alt+End": () => perform("bottom", meant()),
};

const LETTERS = {
  "?": openHelp, "/": () => $("#search").focus(), n: () => $("#links").focus(), s: () => attempt(openSettings),
  j: () => goTo(at() + 1), k: () => goTo(at() - 1),
  p: () => perform("pause", meant()), r: () => perform("resume", meant()),
};
["all", ...Object.keys(STATES)].forEach((name, index) => { LETTERS[index + 1] = () => filterBy(name); });

function onKey(event) {
  const {key, target} = event, typing = target.closest("input:not([type=checkbox]), textarea, select");
  if ($("dialog[open]") || event.isComposing || event.defaultPrevented) return;
  if (typing && key === "Escape") target.blur();
  if (typing) return;
  const held = [(event.ctrlKey || event.metaKey) && "Control", event.altKey && "Alt"].filter(Boolean);
  const free = held.length || ["Delete", "Escape"].includes(key) || target === document.body
    || target.closest("#list") && !(target.closest("button, input") && [" ", "Enter"].includes(key));
  const act = free && KEYS[[...held, key].join("+")] || !held.length && prefs.singleKeys && LETTERS[key];
  if (!act) return;
  event.preventDefault();
  act(event.shiftKey);
}

// -- the start ---

function filterBy(filter, wanted = view.wanted) {
  Object.assign(view, {filter, wanted: wanted.trim().toLowerCase(), stale: true});
  scrollTo(0, Math.min(scrollY, $("#work").offsetTop - $(".sticky").offsetHeight));
  refresh();
}

function measure() {
  const root = document.documentElement;
  rowHeight = parseFloat(getComputedStyle(root).fontSize) * (narrow.matches ? 5.5 : 2.75);
  root.style.setProperty("--stuck", $(".sticky").offsetHeight + "px");
  refresh();
}

export function setUpList() {
  for (const th of $$("[data-sort]")) {
    const {sort} = th.dataset;
    $("button", th).onclick = () => sortBy(sort, prefs.sort === sort && prefs.way === "↑" ? "↓" : "↑");
    $("#sort").append(...["↑", "↓"].map(way => make("option", {value: sort + way}, th.textContent + " " + way)));
  }
  for (const each of $$("th")) Object.assign(each, {scope: "col", role: "columnheader"});
  for (const each of $$("td", $("#row").content)) each.role = "gridcell";
  $("#sort").onchange = ({target: {value}}) => sortBy(value.slice(0, -1), value.slice(-1));
  $("#select-all").onchange = event => selectAll(event.target.checked);
  for (const each of $$("[data-filter]")) each.onclick = () => filterBy(each.dataset.filter);
  $("#search").oninput = event => filterBy(view.filter, event.target.value);
  $("#no-match button").onclick = () => filterBy("all", $("#search").value = "");
  setUpBar();
  painters.push(paintList, paintBar);
  Object.assign(body, {onclick: onClick, ondblclick: onDoubleClick, oncontextmenu: onContextMenu});
  $("#list").onfocus = focusRow;
  addEventListener("scroll", refresh, {passive: true});
  addEventListener("resize", measure);
  new ResizeObserver(measure).observe($(".sticky"));
  document.onkeydown = onKey;
}
