/* The details of one task. */

import {$, $$, amount, attempt, button, copy, date, duration, make, openDialog, put, rate, size} from "./dom.js";
import {detail} from "./daemon.js";
import {STATES, entriesFor, showBar, speeds, tasks} from "./tasks.js";

const EVERY = 500;                  // ms from a change to the look

const wide = matchMedia("(min-width: 75rem)");
const panel = $("#details"), part = selector => $(selector, panel);
let tid = "", known = "", timer = 0;

/** Whether they follow the active row. */
export const isBeside = () => tid && wide.matches;

export function openDetails(of, focus = false) {
  [tid, known] = [of, ""];
  settle();
  if (focus || !wide.matches) panel.focus();
  return show();
}

function settle() {
  $("#aside").hidden = !isBeside();
  if (isBeside()) {
    $("#aside").append(panel);
    $("#sheet").close();
  } else if (tid && !$("#sheet").open) openDialog("sheet").prepend(panel);
}

function closeDetails() {
  const had = isBeside() && panel.contains(document.activeElement);
  tid = "";
  settle();
  $("#sheet").close();
  if (had) $("#list").focus();
}

export function update(changed = tid) {
  if (tid && !tasks.has(tid)) closeDetails();
  else if (tid && changed === tid) timer = timer || setTimeout(show, EVERY);
}

const show = () => attempt(async () => {
  timer = 0;
  if (!tid) return;
  const asked = tid, now = {...tasks.get(tid), ...await detail(tid, "status")};
  const news = now.state + now.tmpfilename + now.filename + now.url + now.verified_time;
  const info = news === known ? null : await detail(asked, "info");
  if (asked !== tid) return;
  known = news;
  showStatus(now);
  if (info) showInfo(info, now);
});

function showStatus(task) {
  const {state, downloaded_bytes: done, total_bytes: total, eta} = task, going = state === "downloading";
  panel.dataset.state = state;
  put(part("h2"), task.name);
  put(part(".state"), STATES[state]);
  const here = state === "finished" ? size(total) : total ? `${task.percent}, ${amount(done, total)}`
    : done && amount(done);
  const facts = [here, going && rate(task.speed), going && eta && duration(eta) + " left"];
  put(part(".summary"), facts.filter(Boolean).join(" · "));
  showBar(part("progress"), task);
  put(part(".reason"), task.error || "");
  part("canvas").hidden = !speeds.has(tid);
  drawSpeed();
  showFacts(task);
  part(".log").replaceChildren(...task.log.map(({time, type, msg}) =>
    make("li", make("time", date(time)), " ", make("b", type), " ", msg)));
}

function showInfo(info, task) {
  const bar = part(".acts"), had = bar.contains(document.activeElement), given = Object.entries(info.options);
  bar.replaceChildren(...entriesFor([task]));
  if (had) bar.firstChild.focus();
  showFacts(info);
  part(".given").replaceChildren(...given.map(([key, value]) =>
    make("div", make("dt", key.replace("_", " ")), make("dd", optionText(key, value)))));
  part(".given").parentElement.hidden = !given.length;
}

const optionText = (key, value) => value === true ? "yes" : !value ? "no" : key === "ratelimit" ? rate(value)
  : value.map ? value.join("\n")
  : typeof value === "object" ? Object.entries(value).map(pair => pair.join(": ")).join("\n") : value;

function showFacts(facts) {
  for (const entry of $$("[data-key]", panel)) {
    const {key} = entry.dataset, value = facts[key];
    if (!(key in facts)) continue;
    const text = key === "elapsed" ? value && duration(value) : key === "final_url" ? value !== facts.url && value
      : key.endsWith("_time") ? date(value) : value;
    entry.parentElement.hidden = !text;
    put(entry.firstChild, String(text));
  }
}

export function drawSpeed() {
  if (tid && speeds.has(tid)) draw(part("canvas"), speeds.get(tid));
}

/** Draw up to 300 speeds, the latest at the right. */
export function draw(canvas, speeds) {
  const pen = canvas.getContext("2d"), scale = devicePixelRatio, peak = Math.max(...speeds, 0);
  const width = canvas.width = canvas.clientWidth * scale, height = canvas.height = canvas.clientHeight * scale;
  const step = width / 299, start = width - (speeds.length - 1) * step, foot = height - scale;
  canvas.ariaLabel = `${canvas.title}, ${rate(peak)} at most`;
  pen.fillStyle = pen.strokeStyle = getComputedStyle(canvas).color;
  pen.fillRect(0, foot, width, scale);
  if (!peak) return;
  pen.font = `${10 * scale}px system-ui`;
  pen.fillText(rate(peak), 0, 9 * scale);
  pen.lineWidth = 1.5 * scale;
  speeds.forEach((speed, index) => pen.lineTo(start + index * step, foot - speed / peak * (foot - 13 * scale)));
  pen.stroke();
  pen.lineTo(width, foot);
  pen.lineTo(start, foot);
  pen.globalAlpha = .2;
  pen.fill();
}

export function setUpDetails() {
  for (const entry of $$("[data-key]", panel)) {
    const text = make("span"), ariaLabel = "Copy: " + entry.previousSibling.textContent;
    entry.append(text);
    if ("copy" in entry.dataset) entry.append(button("Copy", () => copy(text.textContent), {ariaLabel}));
  }
  part("[data-close]").onclick = closeDetails;
  panel.onkeydown = event => { if (event.key === "Escape" && isBeside()) closeDetails(); };
  $("#sheet").addEventListener("close", () => { if (!wide.matches) closeDetails(); });
  wide.onchange = settle;
}
