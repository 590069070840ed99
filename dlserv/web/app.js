/* The start of the page, what it hears, and its head. */

import {setUpAdding, tryHttp} from "./adding.js";
import {draw, drawSpeed, setUpDetails, update} from "./details.js";
import {call, get, serve, session} from "./daemon.js";
import {askToken, openHelp, openSettings, setUpHelp, unlock} from "./dialogs.js";
import {$, $$, attempt, date, make, prefs, put, rate, setUpDom, size} from "./dom.js";
import {setUpList} from "./list.js";
import {ableAll, forget, inState, painters, performAll, refresh, speeds, take, tasks, view} from "./tasks.js";

const HOLD = 10000, AGAIN = 4000;   // ms that a page wants the stream for, and until it says so

let send, isAway = false, leaving = 0;

// -- what is heard ---

const HEAR = {
  snapshot({detail, stats}) {
    const gone = new Map(tasks);
    for (const row of detail) {
      gone.delete(row.tid);
      hearTask(row);
    }
    gone.forEach(HEAR.removed);
    view.known = view.stale = true;
    showStats(stats);
    update();
  },
  task(row) {
    hearTask(row);
    update(row.tid);
  },
  removed({tid}) {
    forget(tid);
    update();
  },
  stats: showStats,
  token: unlock,
  open() {
    $("#offline").hidden = true;
    loadHead();
  },
  lost: () => showOffline("The daemon does not answer. This page tries again by itself."),
  locked() { if (!document.hidden) session.askToken().catch(error => showOffline(error.message)); },
};

function hear(messages) {
  for (const [kind, data] of messages) HEAR[kind]?.(data);
  refresh();
}

function hearTask(row) {
  if (take(row) && view.known && row.state in ended) ended[row.state] += 1;
  tryHttp(row);
}

function showOffline(sentence) {
  put($("#offline span"), sentence);
  $("#offline").hidden = false;
  showSpeed(0);
}

// -- the connection ---

/** Share a stream with the other pages of this browser, or follow one alone. */
function connect() {
  try {
    const worker = new SharedWorker("daemon.js", {type: "module"});
    worker.onerror = alone;
    follow(worker.port);
  } catch {
    alone();
  }
}

function alone() {
  const {port1, port2} = new MessageChannel();
  serve(port1);
  follow(port2);
}

function follow(port) {
  port.onmessage = ({data}) => hear(data);
  send = (...message) => port.postMessage(message);
  greet();
}

function greet() {
  isAway = false;
  send("hello");
  hold();
}

function hold() {
  if (!document.hidden || prefs.notify) send("hold", document.hidden ? 15 * HOLD : HOLD);    // hidden timers are slow
}

function letGo() {
  isAway = true;
  send("bye");
  showSpeed(0);
  document.title = "dlserv";
}

function onVisibility() {
  clearTimeout(leaving);
  if (!document.hidden) {
    if (isAway) greet();
    send("wake");
    if ($("#offline").hidden) loadHead();
  } else if (!prefs.notify) leaving = setTimeout(letGo, HOLD);
  send("hold", HOLD);
}

// -- the head ---

let history = [], total = 0, ticks = 0, told = -5;

function showSpeed(speed) {
  total = speed;
  put($("#speed"), rate(speed));
}

function showStats({speed, free_bytes: free, window}) {
  showSpeed(speed);
  put($("#free"), free === null ? "–" : size(free));
  put($("#window"), window ? showWindow(window) : "");
}

const showWindow = ({ratelimit, max_concurrent, until}) => "Schedule: " + [ratelimit !== null && limit(ratelimit),
  max_concurrent !== null && max_concurrent + " at once", until && "until " + date(until)].filter(Boolean).join(", ");

const limit = value => value ? rate(value) : "no limit";

const loadHead = () => attempt(async () => {
  const [{config: {general, download}}, stats] = await Promise.all([get("config"), get("stats?history=true")]);
  put($("#place"), `Version ${stats.version}, files go to ${general.download_dir}`);
  showLimit(download.ratelimit);
  history = stats.history.speed;
  draw($("#graph"), history);
});

function showLimit(now) {
  const steps = new Set([...[0, .25, .5, 1, 2, 5, 10, 20].map(count => count * 2 ** 20), now]);
  $("#limit").replaceChildren(...[...steps].map(value =>
    make("option", {value, selected: value === now}, limit(value))));
}

function showTitle() {
  const running = inState("downloading");
  let done = 0, all = 0;
  for (const {downloaded_bytes, total_bytes} of running.filter(task => task.total_bytes)) {
    done += downloaded_bytes;
    all += total_bytes;
  }
  const part = all && Math.floor(100 * done / all) + "%";
  document.title = [part, running.length && rate(total), "dlserv"].filter(Boolean).join(" · ");
}

function tick() {
  if (isAway) return;
  ticks += 1;
  if (ticks - told > 4) tellEnds();
  showTitle();
  for (const {tid, speed} of inState("downloading")) {
    speeds.set(tid, [...speeds.get(tid) || [], speed].slice(-300));
  }
  if (total && prefs.sort !== "state") {
    view.stale = true;
    refresh();
  }
  if (ticks % 2) history = [...history, total].slice(-300);     // two seconds each
  if (document.hidden) return;
  drawSpeed();
  if (ticks % 2 && history.some(Boolean)) draw($("#graph"), history);
}

const ended = {finished: 0, invalid: 0};

function tellEnds() {
  const {finished, invalid} = ended;
  const body = [finished && finished + " finished", invalid && invalid + " failed"].filter(Boolean).join(", ");
  if (!body) return;
  told = ticks;
  ended.finished = ended.invalid = 0;
  $("#said").replaceChildren(body);
  if (!prefs.notify || !document.hidden) return;
  try { new Notification("dlserv", {body, tag: "dlserv"}); } catch { /* phones have none */ }
}

// -- the start ---

setUpDom();
setUpHelp();
setUpList();
setUpDetails();
setUpAdding();
for (const each of $$("[data-all]")) {
  each.onclick = () => performAll(each.dataset.all);
  painters.push(() => { each.disabled = !ableAll(each.dataset.all); });
}
session.askToken = () => askToken(token => send("wake", token));
$("#open-settings").onclick = () => attempt(openSettings);
$("#open-help").onclick = openHelp;
$("#limit").onchange = ({target: {value}}) =>
  attempt(() => call("POST", "config", {download: {ratelimit: +value}}).finally(loadHead));
$("#offline button").onclick = () => send("wake");
document.onvisibilitychange = onVisibility;
addEventListener("pagehide", letGo);
addEventListener("pageshow", event => { if (event.persisted) greet(); });
setInterval(hold, AGAIN);
setInterval(tick, 1000);
connect();
