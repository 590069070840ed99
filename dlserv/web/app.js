"use strict";
/* The page of dlserv. Names and sentences from the server only ever become text nodes. */

// -- words ---

const TEXT = {
  speed: "Speed", free: "Free", graph: "Speed over the last five minutes",
  settings: "Settings", help: "Keys and help", close: "Close", cancel: "Cancel", save: "Save", copy: "Copy",
  copied: "Copied.", tryNow: "Try now", links: "Links to download, one on a line", dismiss: "Dismiss",
  linksHint: "Paste links here", add: "Add", options: "Options", filters: "Show", search: "Search",
  sortBy: "Sort by", acts: "Actions", tasks: "Downloads", drop: "Drop links or a text file here",
  states: {downloading: "Downloading", queued: "Queued", paused: "Paused", finished: "Finished", invalid: "Failed"},
  all: "All", selectAll: "Select all", select: title => "Select " + title,
  columns: {title: "Name", state: "State", percent: "Progress", total_bytes: "Size", speed: "Speed",
    eta: "Left", create_time: "Added"},
  act: {pause: "Pause", resume: "Resume", restart: "Restart", delete: "Delete", top: "To the top", up: "Up",
    down: "Down", bottom: "To the bottom", none: "Select none", save: "Save to this device", show: "Play or show",
    change: "Fresh link or limits", open: "Details"},
  on: (act, title) => act + ": " + title, selected: count => count + " selected",
  connecting: "Connecting…", noMatch: "No download matches. ", showAll: "Show all",
  empty: "Nothing here yet. Paste a link above, or drop links or a text file anywhere.",
  offline: "The daemon does not answer. This page tries again by itself.",
  unreachable: "The daemon does not answer. Is it running?",
  strange: status => "The server answered " + status + ".",
  noLinks: "There is no link in it: one begins with http://, https:// or ftp://.",
  preview: links => links.length < 2 ? "" : links.length + " links: " + links[0] + " … " + links[links.length - 1],
  tooMany: most => "Only " + most + " links can be added at once.", added: count => count + " added.",
  refused: count => count + " refused:", more: count => "and " + count + " more",
  failed: (count, reason) => count + " could not be done: " + reason,
  moved: "The list is in the order of the queue now.",
  ended: ({finished, invalid}) => [finished && finished + " finished", invalid && invalid + " failed"]
    .filter(Boolean).join(", "),
  fields: {filename: "File name", dir: "Folder", connections: "Connections", ratelimit: "Limit a second: 512K, 2M",
    checksum: "Checksum: sha-256=…", headers: "Headers, one on a line", paused: "Add without starting",
    priority: "Priority, higher goes first", url: "Another link to the same file"},
  oneName: "For one link only",
  keepHint: "What is left empty stays. The file goes on if the new link leads to the same one.",
  changed: "Changed.", saved: "Saved.",
  deleteTitle: count => count === 1 ? "Delete this download?" : "Delete " + count + " downloads?",
  deleteFiles: "Delete the files too", deleteKeep: "All files stay on the disk.",
  deleteList: "These files go, unless they were changed since:", deleteNone: "There are no files yet.",
  status: "Status", info: "File", log: "Log", noLog: "Nothing yet.",
  ofStatus: {state: "State", error: "Reason", percent: "Progress", speed: "Speed", eta: "Time left",
    connections: "Connections", retries: "Retries", elapsed: "Time spent", create_time: "Added",
    start_time: "Started", pause_time: "Paused", finish_time: "Finished"},
  ofInfo: {url: "Link", final_url: "Leads to", filename: "File", format: "Type", etag: "Entity tag",
    last_modified: "Last modified", resumable: "Can be resumed", checksum: "Checksum", options: "Options", tid: "Id"},
  yes: "yes", no: "no", none: "none", of: (done, total) => total ? done + " of " + total : done,
  thisPage: "This page",
  notify: "Notify me when downloads end while this page is hidden", singleKeys: "Keys of one letter",
  notifyDenied: "The browser does not allow it; it takes https and your consent.",
  token: "The daemon asks for its token", tokenField: "Token", goOn: "Go on",
  tokenHint: "It was shown when the daemon started for the first time.",
  noToken: "Without its token the daemon tells this page nothing.",
  elsewhere: "From other pages", bookmarklet: "Download with dlserv",
  bookmarkletHint: "Drag this to your bookmarks: it puts the link of any page into the box here.",
  keys: [["↑ ↓ Home End", "go through the list; with Shift, select"], ["Space", "select"], ["Enter", "details"],
    ["Ctrl+A Esc", "select all, none"], ["Delete", "delete"], ["Alt+↑ Alt+↓", "move in the queue; Alt+Home, Alt+End to its ends"]],
  letters: [["?", "this list"], ["/", "search"], ["n", "new link"], ["j k", "down, up"], ["p r", "pause, resume"],
    ["s", "settings"], ["1 … 6", "show all, downloading, …"]],
};

// -- small tools ---

const ICONS = {
  plus: "M12 5v14M5 12h14", close: "M6 6l12 12M18 6 6 18", none: "M6 6l12 12M18 6 6 18", pause: "M8 5v14M16 5v14", resume: "M8 5l11 7-11 7z",
  restart: "M20 12a8 8 0 1 1-2.5-5.8M20 3v5h-5", delete: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13", up: "M12 19V6M6 12l6-6 6 6",
  down: "M12 5v13M6 12l6 6 6-6", top: "M5 4h14M12 20V9M7 14l5-5 5 5", bottom: "M5 20h14M12 4v11M7 10l5 5 5-5",
  save: "M12 4v11M7 11l5 5 5-5M5 20h14", show: "M3 12s3.5-6 9-6 9 6 9 6-3.5 6-9 6-9-6-9-6zM12 12h.01",
  change: "M4 20l1-4L16 5l3 3L8 19z", help: "M9 9a3 3 0 1 1 4 3c-1 .5-1 1-1 2M12 18h.01",
  gear: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5", open: "M6 12h.01M12 12h.01M18 12h.01",
};

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

/** make("p.note", {id: "x"}, "text", element): properties where there are such, else attributes. */
function make(tag, ...parts) {
  const [name, className] = tag.split("."), element = document.createElement(name);
  if (className) element.className = className;
  for (const part of parts) {
    if (typeof part !== "object" || part instanceof Node) element.append(part);
    else for (const [key, value] of Object.entries(part)) {
      if (key in element) element[key] = value;
      else element.setAttribute(key, value);
    }
  }
  return element;
}

function icon(name) {
  const svg = $("#icon").content.firstChild.cloneNode(true);
  svg.firstChild.setAttribute("d", ICONS[name]);
  return svg;
}

const button = (text, onclick, ...more) => make("button", {type: "button", onclick}, ...more, text);

const iconButton = (text, name, onclick) =>
  button("", onclick, {className: "icon", title: text, ariaLabel: text}, icon(name));

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function size(count) {
  if (count < 1024) return count + " B";
  let unit = -1;
  do { count /= 1024; unit += 1; } while (count >= 999.95 && unit < 3);
  return count.toFixed(count < 99.95 ? 1 : 0) + " " + ["KiB", "MiB", "GiB", "TiB"][unit];
}

const rate = speed => size(Math.round(speed)) + "/s";

function duration(seconds) {
  seconds = Math.ceil(seconds);
  if (seconds < 60) return seconds + " s";
  if (seconds < 3600) return Math.floor(seconds / 60) + " min " + seconds % 60 + " s";
  return Math.floor(seconds / 3600) + " h " + Math.floor(seconds % 3600 / 60) + " min";
}

const LONG = new Intl.DateTimeFormat(undefined, {dateStyle: "medium", timeStyle: "medium"});
const SHORT = new Intl.DateTimeFormat(undefined, {month: "short", day: "numeric", hour: "2-digit", minute: "2-digit"});
const date = (seconds, format = LONG) => seconds ? format.format(seconds * 1000) : "";

const prefs = {sort: "state", way: "↑", singleKeys: true, notify: false};
try { Object.assign(prefs, JSON.parse(localStorage.dlserv)); } catch { /* nothing yet */ }

function remember(changes) {
  Object.assign(prefs, changes);
  try { localStorage.dlserv = JSON.stringify(prefs); } catch { /* not allowed */ }
}

function toast(text, bad = false) {
  const note = make("div.toast", make("span", text), iconButton(TEXT.dismiss, "close", () => note.remove()));
  if (bad) note.classList.add("bad");
  else setTimeout(() => note.remove(), 6000);
  $("#toasts").append(note);
}

/** Tell what goes wrong, at the field that it names if there is one. */
async function attempt(act, form) {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    if (!form || !blame(form, error.message)) toast(error.message, true);
  }
}

// -- the server ---

class Trouble extends Error {}

let token = "", asking = null;

const bearer = token => ({Authorization: "Bearer " + token});

/** fetch; the first header is to keep the browser from asking for the token itself. */
function ask(path, options = {}) {
  const headers = {"X-Requested-With": "fetch", ...token && bearer(token), ...options.headers};
  return fetch(path, {cache: "no-store", credentials: token ? "omit" : "same-origin", ...options, headers})
    .catch(() => { throw new Trouble(TEXT.unreachable); });
}

async function reach(path, options) {
  const reply = await ask(path, options);
  if (reply.status !== 401) return reply;
  asking = asking || askToken().finally(() => { asking = null; });
  await asking;
  return reach(path, options);
}

async function call(method, path, body) {
  const headers = body && {"Content-Type": "application/json"};
  return read(await reach(path, {method, body: JSON.stringify(body), headers}));
}

async function read(reply, field = "") {
  const answer = await reply.json().catch(() => ({}));
  if (!reply.ok) throw new Trouble(field + (answer.errmsg || TEXT.strange(reply.status)));
  return answer;
}

const get = path => call("GET", path);
const pathOf = (tid, rest = "") => "task/tid/" + tid + rest;
const detail = async (tid, what) => (await get(pathOf(tid, "/" + what))).detail;

// -- the tasks ---

const FILTERS = ["all", "downloading", "queued", "paused", "finished", "invalid"];
const MOVES = ["top", "up", "down", "bottom"];
const CAN = {pause: ["downloading", "queued"], resume: ["paused", "invalid"], restart: ["finished", "invalid"],
  move: ["queued", "paused"], delete: FILTERS, save: ["finished"], show: ["finished"], change: FILTERS};
const can = (act, task) => CAN[MOVES.includes(act) ? "move" : act].includes(task.state);

const tasks = new Map();            // tid: row, as the events tell it
const selected = new Set();         // tids
let active = null, anchor = null;   // tids: the row of the keyboard, the one where a range began
let view = [];                      // the rows that pass filter and search, in order
const places = new Map();           // tid: index in `view`
let stale = true;                   // whether `view` must be made anew
let known = false;                  // whether a snapshot has come
let filter = "all", wanted = "";

const collator = new Intl.Collator(undefined, {numeric: true, sensitivity: "base"});
const GROUPS = {downloading: 0, queued: 1, paused: 1, invalid: 2, finished: 3};

/** Who downloads, who waits in turn, who failed, who is done. */
function byQueue(a, b) {
  const group = GROUPS[a.state];
  return group - GROUPS[b.state] || (group > 1 && b.finish_time - a.finish_time)
    || b.priority - a.priority || a.place - b.place;
}

const share = task => task.state === "finished" ? 1 : task.total_bytes && task.downloaded_bytes / task.total_bytes;
const by = value => (a, b) => value(a) - value(b);
const ORDERS = {title: (a, b) => collator.compare(a.title, b.title), state: byQueue, percent: by(share),
  total_bytes: by(task => task.total_bytes), speed: by(task => task.speed), eta: by(task => task.eta || 1e12),
  create_time: by(task => task.create_time)};
const STEADY = ["state", "title", "filename", "place", "priority"];

const inState = state => [...tasks.values()].filter(task => state === "all" || task.state === state);
const matches = task => (task.title + "\n" + task.filename).toLowerCase().includes(wanted);

function arrange() {
  const order = ORDERS[prefs.sort] || byQueue, sign = prefs.way === "↑" ? 1 : -1;
  view = inState(filter).filter(matches).sort((a, b) => sign * order(a, b) || byQueue(a, b));
  places.clear();
  view.forEach((task, index) => places.set(task.tid, index));
  for (const tid of selected) if (!places.has(tid)) selected.delete(tid);
  if (!places.has(active)) active = view.length ? view[0].tid : null;
  stale = false;
}

function take(row) {
  const before = tasks.get(row.tid);
  tasks.set(row.tid, row);
  if (!before || STEADY.some(key => before[key] !== row[key])) stale = true;
  else if (places.has(row.tid)) view[places.get(row.tid)] = row;
  if (before && before.state !== row.state && row.state in ended) tellEnd(row.state);
}

function forget(tid) {
  tasks.delete(tid);
  stale = true;
}

// -- the list: only the rows in sight are in the document ---

const narrow = matchMedia("(max-width: 55.99rem)");
const rows = new Map();             // tid: {tr, parts, task, index} of the rows in the document
const MARGIN = 8;                   // rows kept ready above and below
const table = $("#list table"), body = $("tbody", table);
let rowHeight = 44, painting = false;

function refresh() {
  if (painting) return;
  painting = true;
  requestAnimationFrame(() => {
    painting = false;
    paint();
  });
}

function paint() {
  if (stale) {
    arrange();
    paintFrame();
  }
  const top = body.getBoundingClientRect().top;
  const first = Math.max(0, Math.min(view.length, Math.floor(-top / rowHeight)) - MARGIN);
  const shown = view.slice(first, Math.ceil((innerHeight - top) / rowHeight) + MARGIN);
  const there = new Set(shown.map(task => task.tid)), focused = document.activeElement;
  for (const [tid, {tr}] of rows) {
    if (there.has(tid)) continue;
    tr.remove();
    rows.delete(tid);
  }
  body.style.height = view.length * rowHeight + "px";
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
  table.hidden = !view.length;
  table.ariaRowCount = view.length + 1;
  for (const each of $(".filters").children) {
    const name = each.dataset.filter;
    put(each.lastChild, String(inState(name).length));
    each.ariaPressed = name === filter;
  }
  for (const th of $$("th[data-sort]")) {
    th.ariaSort = th.dataset.sort !== prefs.sort ? null : prefs.way === "↑" ? "ascending" : "descending";
  }
  $("#sort").value = prefs.sort + " " + prefs.way;
  const sentence = !known ? "connecting" : !tasks.size ? "empty" : "noMatch";
  $("#empty").hidden = view.length > 0;
  put($("#empty span"), TEXT[sentence]);
  $("#empty button").hidden = sentence !== "noMatch";
  paintActs();
}

function makeRow(task) {
  const tr = $("#row").content.firstElementChild.cloneNode(true), parts = {};
  for (const each of $$("[class]", tr)) parts[each.classList[0]] = each;
  parts.bar.ariaLabel = TEXT.columns.percent;
  parts.open.append(icon("open"));
  tr.dataset.tid = task.tid;
  return {tr, parts, task: {}, index: 0};
}

function fill(row, task, index) {
  const {tr, parts, task: old} = row, chosen = String(selected.has(task.tid)), stop = task.tid === active ? 0 : -1;
  if (row.index !== index) tr.ariaRowIndex = row.index = index;
  if (tr.ariaSelected !== chosen) {
    tr.ariaSelected = chosen;
    parts.box.checked = chosen === "true";
  }
  if (tr.getAttribute("tabindex") !== String(stop)) tr.tabIndex = stop;
  if (old === task) return;
  row.task = task;
  if (old.title !== task.title || old.state !== task.state) {
    const act = ["pause", "resume", "save"].find(name => can(name, task));
    tr.dataset.state = task.state;
    put(parts.name, task.title);
    parts.name.title = task.filename;
    put(parts.state, TEXT.states[task.state]);
    parts.box.ariaLabel = TEXT.select(task.title);
    parts.quick.dataset.act = act;
    parts.quick.replaceChildren(icon(act));
    for (const [part, name] of [[parts.quick, act], [parts.open, "open"]]) {
      part.title = TEXT.act[name];
      part.ariaLabel = TEXT.on(TEXT.act[name], task.title);
    }
  }
  const going = task.state === "downloading", bytes = task.total_bytes || task.downloaded_bytes;
  put(parts.reason, task.error || "");
  if (going && !task.total_bytes) parts.bar.removeAttribute("value");
  else parts.bar.value = parseFloat(task.percent);
  put(parts.part, task.percent);
  put(parts.total_bytes, bytes ? size(bytes) : "");
  put(parts.speed, going ? rate(task.speed) : "");
  put(parts.eta, going && task.eta ? duration(task.eta) : "");
  put(parts.create_time, date(task.create_time, SHORT));
}

function focusRow() {
  rows.get(active)?.tr.focus({preventScroll: true});
}

/** Make the row at the index the active one, bring it into sight and give it the focus. */
function goTo(index, extend = false) {
  if (!view.length) return;
  index = Math.max(0, Math.min(view.length - 1, index));
  if (extend) selectRange(places.get(anchor) ?? places.get(active), index);
  active = view[index].tid;
  if (!extend) anchor = active;
  const top = body.getBoundingClientRect().top + index * rowHeight, foot = innerHeight - (narrow.matches ? 72 : 8);
  const head = $(".sticky").offsetHeight + table.tHead.offsetHeight;
  scrollBy(0, Math.min(0, top - head) || Math.max(0, top + rowHeight - foot));
  repaint();
  focusRow();
}

function repaint() {
  paint();
  paintActs();
}

function selectRange(from, to) {
  selected.clear();
  for (const task of view.slice(Math.min(from, to), Math.max(from, to) + 1)) selected.add(task.tid);
}

function toggle(tid) {
  if (!selected.delete(tid)) selected.add(tid);
  anchor = active = tid;
}

function selectAll(on) {
  if (on) selectRange(0, view.length);
  else selected.clear();
  repaint();
}

function onRowClick(event) {
  const tid = event.target.closest("tr").dataset.tid, control = event.target.closest("button");
  const check = event.target.closest(".select");
  if (check && event.target.tagName !== "INPUT") return;      // its label clicks the box
  if (event.shiftKey && !control) selectRange(places.get(anchor) ?? places.get(tid), places.get(tid));
  else if (check || event.ctrlKey || event.metaKey) toggle(tid);
  active = tid;
  repaint();
  if (!control) focusRow();
  else if (control.dataset.act) perform(control.dataset.act, [tasks.get(tid)]);
  else openDetails(tid);
}

function sortBy(sort, way = "↑") {
  remember({sort, way});
  stale = true;
  refresh();
}

function showOnly(name) {
  filter = name;
  wanted = $("#search").value.trim().toLowerCase();
  stale = true;
  scrollTo(0, Math.min(scrollY, $("#list").offsetTop - $(".sticky").offsetHeight));
  refresh();
}

function measure() {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  rowHeight = rem * (narrow.matches ? 5.5 : 2.75);
  document.documentElement.style.setProperty("--stuck", $(".sticky").offsetHeight + "px");
  refresh();
}

// -- what can be done with tasks ---

const BATCH = 5000;                 // tids in one request

const chosen = () => view.filter(task => selected.has(task.tid));

const meant = () => selected.size || !active ? chosen() : [tasks.get(active)];

function paintActs() {
  const on = chosen();
  $("#acts").classList.toggle("some", on.length > 0);
  put($(".chosen"), TEXT.selected(on.length));
  for (const each of $$("#acts button")) {
    const act = each.dataset.act, off = act === "none" ? !on.length : !on.some(task => can(act, task));
    if (off && each === document.activeElement) focusRow();
    if (each.disabled !== off) each.disabled = off;
  }
  $("#select-all").checked = on.length > 0 && on.length === view.length;
  $("#select-all").indeterminate = on.length > 0 && on.length < view.length;
}

function perform(act, on) {
  if (act === "none") return selectAll(false);
  on = on.filter(task => can(act, task));
  if (!on.length) return undefined;
  const special = {delete: askDelete, save: () => on.forEach(save), show: showFile, change: askChange};
  return attempt(() => special[act] ? special[act](on) : MOVES.includes(act) ? move(act, on) : batch(act, on));
}

async function batch(act, on, more = {}) {
  const failed = [], tids = on.map(task => task.tid);
  for (let start = 0; start < tids.length; start += BATCH) {
    const answer = await call("POST", "task/batch/" + act, {tids: tids.slice(start, start + BATCH), ...more});
    failed.push(...answer.detail || []);
  }
  if (failed.length) toast(TEXT.failed(failed.length, failed[0][1]), true);
}

/** Move tasks in the queue, in their order; those at its end already stay. */
async function move(to, on) {
  const queue = [...tasks.values()].filter(task => can("move", task));
  for (const list of [on, queue]) {
    list.sort(byQueue);
    if (to === "top" || to === "down") list.reverse();
  }
  while ((to === "up" || to === "down") && on.length && on[0].tid === queue.shift()?.tid) on.shift();
  for (const task of on) await call("PUT", pathOf(task.tid, "?act=move&to=" + to));
  if (prefs.sort + prefs.way !== "state↑") {
    sortBy("state");
    toast(TEXT.moved);
  }
}

function save(task) {
  make("a", {href: pathOf(task.tid, "/file"), download: ""}).click();
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {                         // only https and localhost have a clipboard
    const area = make("textarea", {value: text});
    $("#toasts").append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  toast(TEXT.copied);
}

// -- adding ---

const MOST_LINKS = 10000;

/** The links in a text; `[001-100]` counts, `#` begins a comment. */
function readLinks(text) {
  const words = text.split("\n").filter(line => !line.startsWith("#")).join(" ").split(/\s+/);
  return [...new Set(words.filter(word => /^(https?|ftps?):\/\/./i.test(word)).flatMap(word => expand(word)))];
}

/** The links that `part[01-20].zip` stands for; of too many, one more than may be added. */
function expand(link) {
  const [range, from, to] = /\[(\d+)-(\d+)\]/.exec(link) || [];
  if (!range) return [link];
  const links = [], step = +from <= +to ? 1 : -1;
  for (let number = +from; links.length <= MOST_LINKS && number !== +to + step; number += step) {
    links.push(...expand(link.replace(range, () => String(number).padStart(from.length, "0"))));
  }
  return links;
}

function preview() {
  const box = $("#links"), links = readLinks(box.value), name = $("#option-filename");
  box.style.height = "auto";
  box.style.height = Math.min(box.scrollHeight + 2, innerHeight / 3) + "px";
  put($("#preview"), links.length > MOST_LINKS ? TEXT.tooMany(MOST_LINKS) : TEXT.preview(links));
  name.disabled = links.length > 1;
  name.placeholder = name.disabled ? TEXT.oneName : "";
  $("#refused").hidden = true;
  return links;
}

/** Put a text below what the box holds; nothing is added before the person says so. */
function fillBox(text) {
  const box = $("#links"), links = readLinks(text);
  if (links.length) box.value = (box.value + "\n" + text).trim();
  preview();
  if (!links.length) put($("#preview"), TEXT.noLinks);
  box.focus();
}

function readFields(root) {
  const options = {};
  for (const input of $$("[name]:enabled", root)) {
    const value = shownValue(input);
    if (value) options[input.name] = input.name === "headers" ? readHeaders(value)
      : input.inputMode === "numeric" && /^-?\d+$/.test(value) ? +value : value;
  }
  return options;
}

const readHeaders = text => Object.fromEntries(text.split("\n").filter(Boolean)
  .map(line => /^([^:]*(?=:)|):?(.*)/.exec(line).slice(1).map(part => part.trim())));

function field(control, id, text, hint = "") {
  const check = control.type === "checkbox", label = make("label", {htmlFor: id}, text, hint && make("small", hint));
  control.id = id;
  return make(check ? "div.check" : "div.field", ...check ? [control, label] : [label, control],
    make("small.error", {id: id + "-error"}));
}

function optionField(name, prefix) {
  const control = make(name === "headers" ? "textarea" : "input", {name, rows: 1, spellcheck: false});
  if (["connections", "priority"].includes(name)) control.inputMode = "numeric";
  if (name === "paused") control.type = "checkbox";
  return field(control, prefix + "-" + name, TEXT.fields[name]);
}

/** Show the server's sentence at the field that it names, "section.key: …"; false if there is none. */
function blame(root, sentence) {
  for (const each of $$("[aria-invalid]", root)) {
    each.ariaInvalid = null;
    put($(`#${each.id}-error`), "");
  }
  const [, key, reason] = /^(?:\w+\.)?(\w+): (.*)/s.exec(sentence) || [];
  const control = $$("[name]", root).find(each => each.name.split(".").pop() === key);
  if (!control) return false;
  put($(`#${control.id}-error`), reason);
  control.ariaInvalid = true;
  control.setAttribute("aria-describedby", control.id + "-error");
  if (control.closest("details")) control.closest("details").open = true;
  control.focus();
  return true;
}

async function addLinks() {
  const links = preview(), options = readFields($("#options")), refused = [], box = $("#links");
  blame($("#add"), "");
  if (!links.length) put($("#preview"), TEXT.noLinks);
  if (links.length > MOST_LINKS) return;
  for (let start = 0; start < links.length; start += 500) {
    const some = links.slice(start, start + 500).map(url => ({url, options}));
    refused.push(...(await call("POST", "task/batch/add", {tasks: some})).detail || []);
  }
  if (refused.length < links.length) toast(TEXT.added(links.length - refused.length));
  if (links.length) {
    box.value = refused.map(([url]) => url).filter(url => links.includes(url)).join("\n");    // not where it is masked
    preview();
  }
  box.focus();
  if (!refused.length || blame($("#add"), refused[0][1])) return;
  const lines = refused.map(([url, reason]) => make("span", reason, make("small", " " + url)));
  $("#refused").replaceChildren(TEXT.refused(refused.length), listOf("names", lines));
  $("#refused").hidden = false;
}

function listOf(kind, parts) {
  const more = parts.length > 20 ? [make("li", TEXT.more(parts.length - 20))] : [];
  return make("ul." + kind, {tabIndex: 0}, ...parts.slice(0, 20).map(part => make("li", part)), ...more);
}

function setUpAdding() {
  const names = ["filename", "dir", "connections", "ratelimit", "checksum", "headers", "paused"];
  $("#options .fields").append(...names.map(name => optionField(name, "option")));
  $("#links").oninput = preview;
  $("#links").onkeydown = event => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    $("#add").requestSubmit();
  };
  $("#add").onsubmit = event => {
    event.preventDefault();
    attempt(addLinks);
  };
  document.onpaste = event => {
    if (event.target.closest("input, textarea, dialog")) return;
    event.preventDefault();
    fillBox(event.clipboardData.getData("text/plain"));
  };
  const show = on => event => {
    event.preventDefault();
    $("#dropping").hidden = !on;
  };
  document.ondragover = show(true);
  document.ondragleave = event => show(event.relatedTarget)(event);
  document.ondrop = async event => {
    show(false)(event);
    const {files} = event.dataTransfer, links = ["text/uri-list", "text/plain"].map(kind => event.dataTransfer.getData(kind));
    const texts = await Promise.all([...files].filter(file => file.size < 2 ** 20).map(file => file.text()));
    fillBox(texts.join("\n") || links[0] || links[1]);
  };
  const query = new URLSearchParams(location.search), offered = ["add", "text"].map(name => query.get(name) || "").join("\n");
  if (location.search) history.replaceState(null, "", location.pathname);
  if (offered.trim()) fillBox(offered);
}

// -- dialogs ---

/** Open a modal dialog; gives it, with `fill` for what is in it. */
function openDialog(title, kind, submit) {
  const heading = make("h2", {id: kind + "-title"}, title), inner = make(submit ? "form.body" : "div.body");
  const dialog = make("dialog." + kind, {"aria-labelledby": heading.id},
    make("div.head", heading, iconButton(TEXT.close, "close", () => dialog.close())), inner);
  inner.onsubmit = event => {
    event.preventDefault();
    attempt(submit, inner);
  };
  dialog.onclose = () => {
    ($("dialog[open]") || document.body).append($("#toasts"));
    dialog.remove();
    if (document.activeElement === document.body) focusRow();
  };
  dialog.onmousedown = event => { if (event.target === dialog) dialog.close(); };
  dialog.fill = (...parts) => {
    inner.append(...parts);
    if (submit) $("input, select", inner).focus();
  };
  $("dialog." + kind)?.close();     // of a double click
  document.body.append(dialog);
  dialog.showModal();
  dialog.append($("#toasts"));      // the rest of the page cannot be reached meanwhile
  return dialog;
}

const endOf = (dialog, text, kind = "primary") =>
  make("div.buttons", button(TEXT.cancel, () => dialog.close()), make("button." + kind, text));

function openDetails(tid) {
  const dialog = openDialog(tasks.get(tid).title, "details");
  const acts = make("div.acts"), status = make("dl"), info = make("dl"), log = make("ol.log");
  const section = (title, part) => make("section", make("h3", title), part);
  dialog.fill(acts, section(TEXT.status, status), section(TEXT.info, info), section(TEXT.log, log));
  dialog.dataset.tid = tid;
  let timer = 0, before;
  const show = () => attempt(async () => {
    timer = 0;
    const now = await detail(tid, "status");
    put($("h2", dialog), now.title);
    showFacts(status, TEXT.ofStatus, now);
    const known = now.state + now.tmpfilename;
    if (before !== known) {
      before = known;
      showActs(acts, now);
      showFacts(info, TEXT.ofInfo, await detail(tid, "info"));
    }
    showLog(log, now.log);
  });
  dialog.update = () => { timer = timer || setTimeout(show, 500); };
  dialog.addEventListener("close", () => clearTimeout(timer));
  return show();
}

const detailsOf = tid => $(`dialog.details[data-tid="${tid}"]`);

function showActs(bar, task) {
  const had = bar.contains(document.activeElement);
  bar.replaceChildren(...Object.keys(ICONS).filter(act => (CAN[act] || MOVES.includes(act)) && can(act, task))
    .map(act => button(TEXT.act[act], () => perform(act, [{...tasks.get(task.tid), ...task}]), icon(act))));
  if (had) bar.firstChild.focus();
}

const FACTS = {state: task => TEXT.states[task.state],
  percent: task => task.percent + ", " + TEXT.of(size(task.downloaded_bytes), task.total_bytes && size(task.total_bytes)),
  speed: task => task.speed && rate(task.speed), eta: task => task.eta && duration(task.eta),
  elapsed: task => task.elapsed && duration(task.elapsed), resumable: info => info.resumable ? TEXT.yes : TEXT.no,
  final_url: info => info.final_url !== info.url && info.final_url,
  options: info => Object.keys(info.options).length && JSON.stringify(info.options)};
const COPIED = ["url", "final_url", "filename", "checksum", "tid"];

function showFacts(list, names, facts) {
  list.replaceChildren(...Object.entries(names).flatMap(([key, name]) => {
    const text = FACTS[key] ? FACTS[key](facts) : key.endsWith("_time") ? date(facts[key]) : facts[key];
    if (!text) return [];
    const entry = make("dd", make("span", String(text)));
    if (COPIED.includes(key)) entry.append(button(TEXT.copy, () => copy(text), {ariaLabel: TEXT.on(TEXT.copy, name)}));
    entry.dataset.key = key;
    return make("div", make("dt", name), entry);
  }));
}

function showLog(list, log) {
  list.replaceChildren(...log.map(line => make("li", make("time", date(line.time)), " ",
    make("b", line.type), " ", line.msg)));
  if (!log.length) list.append(make("li", TEXT.noLog));
}

/** Play or show a finished file, else save it. */
async function showFile([task]) {
  const kind = (await detail(task.tid, "info")).format.split("/")[0];
  if (!["video", "audio", "image"].includes(kind)) return save(task);
  const dialog = openDialog(task.title, "player"), give = () => {
    dialog.close();
    save(task);
  };
  dialog.fill(make(kind === "image" ? "img" : kind, {src: pathOf(task.tid, "/file"), controls: true, alt: task.title, onerror: give}));
}

function askChange([{tid}]) {
  const dialog = openDialog(TEXT.act.change, "change", async () => {
    const {url, ...options} = readFields(dialog);
    await call("PATCH", pathOf(tid), url ? {url, options} : {options});
    dialog.close();
    toast(TEXT.changed);
  });
  const names = ["url", "ratelimit", "connections", "priority"];
  dialog.fill(make("p.note", TEXT.keepHint), ...names.map(name => optionField(name, "change")), endOf(dialog, TEXT.save));
}

async function askDelete(on) {
  let names;
  const dialog = openDialog(TEXT.deleteTitle(on.length), "delete", async () => {
    const del_file = box.checked;
    if (del_file && !names) return;     // they are to be read first
    dialog.close();
    await batch("delete", on, {del_file});
  });
  const box = make("input", {type: "checkbox"}), files = make("ul.files", {tabIndex: 0}), about = make("p.note", {role: "status"});
  box.onchange = () => {
    put(about, TEXT[!box.checked ? "deleteKeep" : !names ? "connecting" : names.length ? "deleteList" : "deleteNone"]);
    files.hidden = !box.checked || !names?.length;
  };
  dialog.fill(listOf("names", on.map(task => task.title)), field(box, "delete-files", TEXT.deleteFiles), about, files, endOf(dialog, TEXT.act.delete, "danger"));
  box.onchange();
  try {
    names = await filesOf(on);
  } catch (error) {
    dialog.close();
    throw error;
  }
  files.append(...names.map(name => make("li", name)));
  box.onchange();
}

/** The names of the files that go when these tasks are deleted with their files. */
async function filesOf(on) {
  const tids = new Set(on.map(task => task.tid));
  const full = on.length > 20 ? (await get("task/list?exerpt=false")).detail.filter(task => tids.has(task.tid))
    : await Promise.all(on.map(task => detail(task.tid, "status")));
  return full.flatMap(task => [task.finish_time && task.filename, task.tmpfilename]).filter(Boolean);
}

/** A field for each setting that may change, as /openapi.json describes it. */
async function openSettings() {
  const [{config}, {components}] = await Promise.all([get("config"), get("openapi.json")]);
  const dialog = openDialog(TEXT.settings, "settings", async () => {
    const changes = {};
    for (const control of $$("[name*='.']", dialog)) {
      const [section, key] = control.name.split(".");
      if (shownValue(control) !== control.was) (changes[section] = changes[section] || {})[key] = readSetting(control);
    }
    if (Object.keys(changes).length) {
      await call("POST", "config", changes);
      toast(TEXT.saved);
    }
    dialog.close();
  });
  for (const [section, {properties}] of Object.entries(components.schemas.config.properties).reverse()) {
    const open = Object.entries(properties).filter(([, schema]) => !schema.readOnly);
    if (open.length) dialog.fill(make("fieldset", make("legend", section),
      ...open.map(([key, schema]) => settingField(section + "." + key, schema, config[section][key]))));
  }
  dialog.fill(pageSettings(), endOf(dialog, TEXT.save));
}

const shownValue = control => control.type === "checkbox" ? control.checked : control.value.trim();

function settingField(name, schema, value) {
  const control = schema.enum ? make("select", ...schema.enum.map(each => make("option", each)))
    : make("input", {type: schema.type === "boolean" ? "checkbox" : "text", spellcheck: false});
  control.name = name;
  control.checked = value;
  control.value = value === "" ? TEXT.none : value ?? "";
  control.was = shownValue(control);
  control.old = value;
  return field(control, name.replace(".", "-"), name.split(".")[1].replace(/_/g, " "), schema.description);
}

/** A control's value as the server takes it: null for nothing, "" for none. */
function readSetting(control) {
  const value = shownValue(control), {old} = control;
  if (Array.isArray(old)) return value.split(/[\s,]+/).filter(Boolean);
  return value === TEXT.none ? "" : value === "" ? null : typeof old === "number" && isFinite(value) ? +value : value;
}

function pageSettings() {
  const check = key => {
    const control = make("input", {type: "checkbox", checked: prefs[key], onchange: async () => {
      if (key === "notify" && control.checked && await window.Notification?.requestPermission() !== "granted") {
        control.checked = false;
        toast(TEXT.notifyDenied, true);
      }
      remember({[key]: control.checked});
    }});
    return field(control, "page-" + key, TEXT[key]);
  };
  return make("fieldset", make("legend", TEXT.thisPage), check("notify"), check("singleKeys"));
}

function openHelp() {
  const dialog = openDialog(TEXT.help, "help"), here = JSON.stringify(new URL("./", location.href).href);
  const lines = keys => make("dl", ...keys.map(([names, meaning]) =>
    make("div", make("dt", ...names.split(" ").flatMap(name => [make("kbd", name), " "])), make("dd", meaning))));
  const link = make("a.bookmarklet", {onclick: () => false,
    href: `javascript:void open(${here}+"?add="+encodeURIComponent(location.href))`}, TEXT.bookmarklet);
  dialog.fill(lines(TEXT.keys), make("h3", TEXT.singleKeys), lines(TEXT.letters), pageSettings(),
    make("h3", TEXT.elsewhere), make("p", link), make("p.note", TEXT.bookmarkletHint));
}

/** Ask for the token until it is right; fails if the person gives up. */
function askToken() {
  return new Promise((resolve, reject) => {
    const control = make("input", {type: "password", name: "token", autocomplete: "current-password", required: true});
    const dialog = openDialog(TEXT.token, "token", async () => {
      const given = control.value;
      await read(await ask("stats", {headers: bearer(given)}), "token: ");
      token = given;
      const seed = new XMLHttpRequest();      // tells the browser, for links and films
      seed.open("GET", "stats", true, "dlserv", token);
      seed.send();
      resolve();
      dialog.close();
    });
    dialog.addEventListener("close", () => reject(new Trouble(TEXT.noToken)));
    dialog.fill(field(control, "token", TEXT.tokenField, TEXT.tokenHint), endOf(dialog, TEXT.goOn));
  });
}

// -- the head of the page ---

const SAMPLES = 300;                // seconds in the graph
const samples = [];
const ended = {finished: 0, invalid: 0};
let total = 0, telling = 0, told = 0;   // bytes a second now; a timer, a time

function showStats(stats) {
  total = stats.speed;
  put($("#speed"), rate(total));
  put($("#free"), size(stats.free_bytes));
}

function showTitle() {
  const running = inState("downloading"), known = running.filter(task => task.total_bytes);
  const sum = key => known.reduce((count, task) => count + task[key], 0);
  const part = known.length ? Math.floor(100 * sum("downloaded_bytes") / sum("total_bytes")) + "%" : "";
  const title = [part, running.length ? rate(total) : "", "dlserv"].filter(Boolean).join(" · ");
  if (document.title !== title) document.title = title;
}

function tick() {
  showTitle();
  samples.push(total);
  if (samples.length > SAMPLES) samples.shift();
  if (total && prefs.sort !== "state") {
    stale = true;                   // by speed and the like the order changes all the time
    refresh();
  }
  if (!document.hidden && samples.some(Boolean)) drawGraph();
}

function drawGraph() {
  const canvas = $("#graph"), pen = canvas.getContext("2d"), scale = devicePixelRatio;
  const width = canvas.width = canvas.clientWidth * scale, height = canvas.height = canvas.clientHeight * scale;
  const most = Math.max(...samples, 1), step = width / (SAMPLES - 1), start = width - (samples.length - 1) * step;
  pen.strokeStyle = pen.fillStyle = getComputedStyle(canvas).color;
  pen.lineWidth = 1.5 * scale;
  samples.forEach((speed, index) => pen.lineTo(start + index * step, height - scale - speed / most * (height - 3 * scale)));
  pen.stroke();
  pen.lineTo(width, height);
  pen.lineTo(start, height);
  pen.globalAlpha = 0.2;
  pen.fill();
}

/** Tell, at most every five seconds, how many downloads came to their end. */
function tellEnd(state) {
  ended[state] += 1;
  telling = telling || setTimeout(() => {
    const text = TEXT.ended(ended);
    ended.finished = ended.invalid = telling = 0;
    told = Date.now();
    $("#said").replaceChildren(text);
    if (!prefs.notify || !document.hidden) return;
    try { new Notification("dlserv", {body: text}); } catch { /* phones have none */ }
  }, Math.max(300, told + 5000 - Date.now()));
}

// -- live events ---

const QUIET = 40000;                // ms without a byte (one comes each 15 s) until we hang up
const AWAY = 300000;                // ms out of sight until we do
let lastId = "", stream, wake, failures = 0, watchdog, hiddenSince = 0;

const HEAR = {
  snapshot({detail, stats}) {
    const gone = new Map(tasks);
    for (const row of detail) {
      gone.delete(row.tid);
      take(row);
    }
    gone.forEach(HEAR.removed);
    $("dialog.details")?.update();
    known = stale = true;
    showStats(stats);
  },
  task(row) {
    take(row);
    detailsOf(row.tid)?.update();
  },
  removed({tid}) {
    forget(tid);
    detailsOf(tid)?.close();
  },
  stats: showStats,
};

function receive(event) {
  const fields = Object.fromEntries(event.split("\n").map(line => [line.split(":")[0], line.slice(line.indexOf(":") + 2)]));
  lastId = fields.id || lastId;
  if (fields.event in HEAR) HEAR[fields.event](JSON.parse(fields.data));
}

async function listen() {
  stream = new AbortController();
  const guard = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => stream.abort(), QUIET);
  };
  guard();
  const reply = await reach("events", {signal: stream.signal, headers: lastId && {"Last-Event-ID": lastId}});
  if (!reply.ok) throw new Trouble(TEXT.strange(reply.status));
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    guard();
    failures = 0;
    $("#offline").hidden = true;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) queueMicrotask(() => receive(event));   // a mistake there ends no connection
    refresh();
  }
}

async function follow() {
  for (;;) {
    let locked = false;
    await listen().catch(error => { locked = error.message === TEXT.noToken; });
    clearTimeout(watchdog);
    failures += 1;
    put($("#offline span"), locked ? TEXT.noToken : TEXT.offline);
    $("#offline").hidden = failures < 2 && !locked;
    if (failures > 1) total = 0;
    await new Promise(resolve => {
      wake = resolve;
      if (!locked && !isAway()) setTimeout(resolve, Math.min(15000, 250 * 2 ** failures));
    });
  }
}

const isAway = () => document.hidden && Date.now() - hiddenSince >= AWAY && !prefs.notify;

function onVisibility() {
  hiddenSince = Date.now();
  if (document.hidden) setTimeout(() => { if (isAway()) stream.abort(); }, AWAY + 1000);
  else if (wake) wake();
}

// -- keys ---

const at = () => places.get(active) ?? 0;

const KEYS = {
  ArrowDown: extend => goTo(at() + 1, extend), ArrowUp: extend => goTo(at() - 1, extend),
  Home: extend => goTo(0, extend), End: extend => goTo(view.length - 1, extend),
  " ": () => { if (active) toggle(active); repaint(); },
  Enter: () => active && openDetails(active), Delete: () => perform("delete", meant()), Escape: () => selectAll(false),
  "Alt+ArrowUp": () => perform("up", meant()), "Alt+ArrowDown": () => perform("down", meant()),
  "Alt+Home": () => perform("top", meant()), "Alt+End": () => perform("bottom", meant()),
  "Control+a": () => selectAll(true),
};

const LETTERS = {
  "?": openHelp, "/": () => $("#search").focus(), n: () => $("#links").focus(), s: () => attempt(openSettings),
  j: () => goTo(at() + 1), k: () => goTo(at() - 1),
  p: () => perform("pause", meant()), r: () => perform("resume", meant()),
};
FILTERS.forEach((name, index) => { LETTERS[index + 1] = () => showOnly(name); });

function onKey(event) {
  const {key, target} = event, typing = target.closest("input:not([type=checkbox]), textarea, select");
  if ($("dialog[open]") || event.isComposing || event.defaultPrevented) return;
  if (typing && key === "Escape") target.blur();
  if (typing) return;
  const held = [event.ctrlKey || event.metaKey ? "Control" : "", event.altKey ? "Alt" : ""].filter(Boolean);
  const free = held.length || ["Delete", "Escape"].includes(key) || target === document.body
    || target.closest("#list") && !(target.closest("button, input") && [" ", "Enter"].includes(key));
  const act = free && KEYS[[...held, key].join("+")] || !held.length && prefs.singleKeys && LETTERS[key];
  if (!act) return;
  event.preventDefault();
  act(event.shiftKey);
}

// -- the start ---

function setWords() {
  const each = (name, act) => $$(`[data-${name}]`).forEach(element => act(element, element.dataset[name]));
  each("icon", (element, name) => element.append(icon(name)));
  each("text", (element, name) => element.append(TEXT[name]));
  each("label", (element, name) => { element.ariaLabel = TEXT[name]; });
  each("placeholder", (element, name) => { element.placeholder = TEXT[name]; });
}

function setUpList() {
  const heads = Object.entries(TEXT.columns).map(([key, title]) => {
    const th = make("th." + key, {scope: "col", role: "columnheader"},
      button(title, () => sortBy(key, prefs.sort === key && prefs.way === "↑" ? "↓" : "↑")));
    th.dataset.sort = key;
    $("#sort").append(...["↑", "↓"].map(way => make("option", {value: key + " " + way}, title + " " + way)));
    return th;
  });
  $("thead th").after(...heads);
  for (const td of $$("td", $("#row").content)) td.role = "gridcell";
  $("#select-all").onchange = event => selectAll(event.target.checked);
  $("#sort").onchange = event => sortBy(...event.target.value.split(" "));
  $("#empty button").onclick = () => {
    $("#search").value = "";
    showOnly("all");
  };
  body.onclick = onRowClick;
}

function setUpBars() {
  for (const name of FILTERS) {
    const entry = button(TEXT.states[name] || TEXT.all, () => showOnly(name));
    entry.dataset.filter = name;
    entry.append(" ", make("b", "0"));
    $(".filters").append(entry);
  }
  for (const act of ["pause", "resume", "restart", ...MOVES, "delete", "none"]) {
    const text = TEXT.act[act], does = () => perform(act, meant());
    const made = [...MOVES, "none"].includes(act) ? iconButton(text, act, does) : button(text, does, icon(act));
    made.dataset.act = act;
    $("#acts").append(made);
  }
  $("#search").oninput = () => showOnly(filter);
  $("#open-settings").onclick = () => attempt(openSettings);
  $("#open-help").onclick = openHelp;
  $("#offline button").onclick = () => wake();
}

setWords();
setUpList();
setUpBars();
setUpAdding();
document.onkeydown = onKey;
document.onvisibilitychange = onVisibility;
addEventListener("scroll", refresh, {passive: true});
addEventListener("resize", measure);
addEventListener("online", () => wake?.());
for (const part of [".sticky", "#add"]) new ResizeObserver(measure).observe($(part));
setInterval(tick, 1000);
follow();
