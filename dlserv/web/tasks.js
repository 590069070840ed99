/* The tasks: their order, the selection, their acts. */

import {batch, call, pathOf, statusOf} from "./daemon.js";
import {askChange, askRemove, showFile} from "./dialogs.js";
import {attempt, button, copy, make, prefs, remember, toast} from "./dom.js";

export const STATES = {downloading: "Downloading", queued: "Queued", paused: "Paused", finished: "Finished",
  invalid: "Failed"};

export const tasks = new Map(), selected = new Set();   // tid: row; tids
export const places = new Map();    // tid: index in `view.rows`
export const speeds = new Map();    // tid: bytes a second, of each second
/* `active` is the tid of the keyboard's row, `anchor` that where a range began. */
export const view = {rows: [], stale: true, known: false, filter: "all", wanted: "", active: null, anchor: null};

// -- painting ---

export const painters = [];
let waiting = false;

export function refresh() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    paint();
  });
}

export function paint() {
  if (view.stale) arrange();
  for (const painter of painters) painter();
}

// -- order ---

const collator = new Intl.Collator(undefined, {numeric: true, sensitivity: "base"});
const GROUPS = {downloading: 0, queued: 1, paused: 1, invalid: 2, finished: 3};

function byQueue(a, b) {
  const group = GROUPS[a.state];
  return group - GROUPS[b.state] || (group > 1 && b.finish_time - a.finish_time)
    || b.priority - a.priority || a.place - b.place;
}

const share = task => task.state === "finished" ? 1 : task.total_bytes && task.downloaded_bytes / task.total_bytes;
const ORDERS = {state: byQueue, name: (a, b) => collator.compare(a.name, b.name),
  percent: (a, b) => share(a) - share(b)};
const UNKNOWN_LAST = ["total_bytes", "eta"];
const STEADY = ["state", "name", "filename", "place", "priority", "total_bytes"];

/** It moves while the size is unknown. */
export function showBar(bar, {state, total_bytes, percent}) {
  if (state === "downloading" && !total_bytes) bar.removeAttribute("value");
  else bar.value = parseFloat(percent);
}

export const inState = state => [...tasks.values()].filter(task => state === "all" || task.state === state);

function arrange() {
  const {sort} = prefs, order = ORDERS[sort] || ((a, b) => a[sort] - b[sort]), sign = prefs.way === "↑" ? 1 : -1;
  const unknown = task => UNKNOWN_LAST.includes(sort) && !task[sort];
  const matches = task => (task.name + "\n" + task.filename).toLowerCase().includes(view.wanted);
  view.rows = inState(view.filter).filter(matches)
    .sort((a, b) => unknown(a) - unknown(b) || sign * order(a, b) || byQueue(a, b));
  places.clear();
  view.rows.forEach((task, index) => places.set(task.tid, index));
  for (const tid of selected) if (!places.has(tid)) selected.delete(tid);
  if (!places.has(view.active)) view.active = view.rows[0]?.tid;
  view.stale = false;
}

export function sortBy(sort, way = "↑") {
  remember({sort, way});
  view.stale = true;
  refresh();
}

export function take(row) {
  const {tid} = row, before = tasks.get(tid);
  tasks.set(tid, row);
  if (!before || STEADY.some(key => before[key] !== row[key])) view.stale = true;
  else if (places.has(tid)) view.rows[places.get(tid)] = row;
  return before?.state !== row.state;
}

export function forget(tid) {
  tasks.delete(tid);
  speeds.delete(tid);
  view.stale = true;
}

// -- selection ---

export const chosen = () => selected.size ? view.rows.filter(task => selected.has(task.tid)) : [];
export const meant = () => selected.size || !view.active ? chosen() : [tasks.get(view.active)];

export function selectRange(from, to) {
  selected.clear();
  for (const task of view.rows.slice(Math.min(from, to), Math.max(from, to) + 1)) selected.add(task.tid);
}

export function toggle(tid) {
  if (!selected.delete(tid)) selected.add(tid);
  view.anchor = view.active = tid;
}

export function selectOnly(tid) {
  selected.clear();
  toggle(tid);
}

export function selectAll(on) {
  selected.clear();
  if (on) selectRange(0, view.rows.length);
  refresh();
}

// -- acts ---

const MEDIA = /\.(?:(gif|jpe?g|png|svg|webp)|(flac|m4a|mp3|og[ag]|wav)|mkv|mov|mp4|ogv|webm)$/i;
const MOVABLE = ["queued", "paused"];

/* In which states (all), what it does (the daemon's batch), whether with one task only. */
export const ACTS = {
  pause: {text: "Pause", of: ["downloading", "queued"]},
  resume: {text: "Resume", of: ["paused", "invalid"]},
  save: {text: "Save", of: ["finished"], does: save},
  show: {text: "Play or show", of: ["finished"], single: true, fits: task => MEDIA.test(task.name), does: show},
  link: {text: "Copy link", does: async on => copy((await statusOf(on)).map(task => task.url).join("\n"))},
  change: {text: "Fresh link or limits", single: true, does: askChange},
  top: {text: "To the top", icon: true, of: MOVABLE, does: move},
  up: {text: "Up", icon: true, of: MOVABLE, does: move},
  down: {text: "Down", icon: true, of: MOVABLE, does: move},
  bottom: {text: "To the bottom", icon: true, of: MOVABLE, does: move},
  verify: {text: "Verify", of: ["finished"]},
  refresh: {text: "Refresh", of: ["finished"]},
  restart: {text: "Restart", of: ["finished", "invalid"]},
  delete: {text: "Remove", does: askRemove},
};

export function can(act, task) {
  const {of = [task.state], fits = Boolean} = ACTS[act];
  return of.includes(task.state) && fits(task);
}

export const able = (act, on) => on.some(task => can(act, task)) && (on.length === 1 || !ACTS[act].single);

export function perform(act, on) {
  const able = on.filter(task => can(act, task));
  if (able.length) attempt(() => (ACTS[act].does || batch)(able, act));
}

export const entriesFor = (on, entry = button) => Object.keys(ACTS).filter(act => able(act, on))
  .map(act => entry(ACTS[act].text, () => perform(act, on)));

/** Move tasks in the queue, in their order; those at its end already stay. */
async function move(on, to) {
  const queue = MOVABLE.flatMap(inState);
  const sign = to === "top" || to === "down" ? -1 : 1;
  for (const list of [on, queue]) list.sort((a, b) => sign * byQueue(a, b));
  while ((to === "up" || to === "down") && on.length && on[0].tid === queue.shift()?.tid) on.shift();
  for (const task of on) await call("PUT", pathOf(task.tid, "?act=move&to=" + to));
  if (prefs.sort + prefs.way !== "state↑") sortBy("state");
}

async function save(on) {
  for (const task of on) {
    make("a", {href: pathOf(task.tid, "/file"), download: ""}).click();
    await new Promise(resolve => setTimeout(resolve, 400));     // else browsers drop some
  }
}

function show([task]) {
  const [, picture, sound] = MEDIA.exec(task.name);
  showFile(picture ? "img" : sound ? "audio" : "video", task, save);
}

const ALL = {pause: ACTS.pause.of, resume: ["paused"], delete: ["finished"]};
const allOf = act => ALL[act].flatMap(inState);

export const ableAll = act => allOf(act).length > 0;

export const performAll = act => attempt(async () => {
  const all = allOf(act);
  await batch(all, act);
  if (act === "delete") toast(all.length + " removed from the list; their files stay.");
});
