/* Elements, numbers, forms, dialogs, menus. Texts only ever become text nodes. */

import {Trouble} from "./daemon.js";

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

/** make("p.note", {id: "x"}, "text", element) */
export function make(tag, ...parts) {
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

export const button = (text, onclick, more) => make("button", {type: "button", onclick, ...more}, text);

export function icon(name) {
  const sprite = $("body > svg"), svg = sprite.cloneNode();
  svg.append($("." + name, sprite).cloneNode());
  return svg;
}

export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export const listOf = parts => [...parts.slice(0, 20).map(part => make("li", ...[part].flat())),
  ...parts.length > 20 ? [make("li", `and ${parts.length - 20} more`)] : []];

export function toast(text, bad = false) {
  const close = button(icon("close"), () => note.remove(), {className: "icon", title: "Dismiss"});
  const note = make("div.toast", make("span", text), close);
  note.classList.toggle("bad", bad);
  if (!bad) setTimeout(() => note.remove(), 6000);
  $("#toasts").append(note);
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {                         // only https and localhost have a clipboard
    const area = make("textarea", {value: text});
    $("#toasts").append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  toast("Copied.");
}

export const prefs = {sort: "state", way: "↑", singleKeys: true, notify: false};
try { Object.assign(prefs, JSON.parse(localStorage.dlserv)); } catch { /* nothing yet */ }

export function remember(changes) {
  Object.assign(prefs, changes);
  try { localStorage.dlserv = JSON.stringify(prefs); } catch { /* not allowed */ }
}

// -- numbers ---

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

function scaled(count) {
  let unit = 0;
  for (; count >= 999.95 && unit < 4; unit += 1) count /= 1024;
  return [count.toFixed(unit && count < 99.95 ? 1 : 0).replace(".0", ""), UNITS[unit]];
}

export const size = count => scaled(count).join(" ");
export const rate = speed => size(speed) + "/s";

export function amount(done, total) {
  if (!total) return size(done) + " so far";
  const [here, unit] = scaled(done);
  return `${here}${unit === scaled(total)[1] || !done ? "" : " " + unit} of ${size(total)}`;
}

export function duration(seconds) {
  seconds = Math.ceil(seconds);
  if (seconds < 60) return seconds + " s";
  if (seconds < 3600) return Math.floor(seconds / 60) + " min " + seconds % 60 + " s";
  return Math.floor(seconds / 3600) + " h " + Math.floor(seconds % 3600 / 60) + " min";
}

const DATE = new Intl.DateTimeFormat(undefined, {dateStyle: "short", timeStyle: "medium"});
export const date = seconds => seconds ? DATE.format(seconds * 1000) : "";

/** The same, unless it is rounded. */
export function exactSize(count) {
  const [number, unit] = scaled(count);
  return number * 1024 ** UNITS.indexOf(unit) === count ? size(count) : count;
}

// -- forms ---

export async function attempt(act, form) {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    if (!form || !blame(form, error.message)) toast(error.message, true);
  }
}

/** Show "section.key: reason" at the control of that name, if there is one. */
export function blame(root, sentence) {
  for (const control of $$("[aria-invalid]", root)) {
    control.ariaInvalid = null;
    $("#at-" + control.name.split(".").pop(), root).remove();
  }
  const [, key, reason] = /^(?:\w+\.)?(\w+): (.*)/s.exec(sentence) || [];
  const control = $$("[name]:enabled", root).find(each => each.name.split(".").pop() === key);
  if (!control) return false;
  control.closest("label").after(make("small.error", {id: "at-" + key}, reason));
  control.ariaInvalid = true;
  control.setAttribute("aria-describedby", "at-" + key);
  control.closest("details")?.setAttribute("open", "");
  control.focus();
  return true;
}

export const shownValue = control => control.type === "checkbox" ? control.checked : control.value.trim();

const readHeaders = text => Object.fromEntries(text.split("\n").filter(Boolean)
  .map(line => /^([^:]*(?=:)|):?(.*)/.exec(line).slice(1).map(part => part.trim())));

export const readFields = controls => Object.fromEntries(controls.map(control => {
  const {name, inputMode} = control, value = shownValue(control);
  return [name, name === "headers" ? readHeaders(value)
    : inputMode === "numeric" && /^-?\d+$/.test(value) ? +value : value || null];
}));

// -- dialogs ---

export function openDialog(id, submit) {
  const dialog = $("#" + id), form = $("form", dialog);
  dialog.close();
  if (form) {
    form.reset();
    blame(form, "");
    form.onsubmit = event => {
      event.preventDefault();
      attempt(() => submit(event.submitter), form);
    };
  }
  dialog.showModal();
  dialog.append($("#toasts"));
  return dialog;
}

function setUpDialog(dialog) {
  $("h2", dialog).id = dialog.id + "-title";
  dialog.setAttribute("aria-labelledby", dialog.id + "-title");
  dialog.addEventListener("close", () => {
    if (dialog.contains($("#toasts"))) ($("dialog[open]") || document.body).append($("#toasts"));
    if (document.activeElement === document.body) $("#list").focus();
  });
  dialog.onmousedown = event => { if (event.target === dialog) dialog.close(); };
  for (const each of $$("[data-close]", dialog)) each.onclick = () => dialog.close();
}

// -- menus ---

let opener = null;

export const item = (text, onclick) => button(text, onclick, {role: "menuitem", tabIndex: -1});

export function openMenu(items, from, {left, top, bottom} = from.getBoundingClientRect()) {
  const menu = $("#menu");
  opener = from;
  menu.replaceChildren(...items);
  menu.hidden = false;
  const {offsetWidth, offsetHeight, style} = menu;
  style.left = Math.max(4, Math.min(left, document.body.clientWidth - offsetWidth - 4)) + "px";
  style.top = Math.max(4, bottom + offsetHeight < innerHeight ? bottom : top - offsetHeight) + "px";
  items[0].focus();
}

function closeMenu(back) {
  if (back) opener?.focus();
  $("#menu").hidden = true;
  opener = null;
}

function onMenuKey(event) {
  const items = $$("#menu button"), at = items.indexOf(document.activeElement), {key} = event;
  const to = {ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1}[key];
  event.stopPropagation();
  if (to !== undefined) items.at(to % items.length).focus();
  else if (key === "Escape" || key === "Tab") closeMenu(true);
  else return;
  event.preventDefault();
}

export function setUpDom() {
  const waiting = [document, $("#row").content].flatMap(root => $$("[data-icon]", root));
  for (const each of waiting) each.prepend(icon(each.dataset.icon));
  $$("dialog").forEach(setUpDialog);
  $("#menu").onkeydown = onMenuKey;
  $("#menu").addEventListener("click", () => closeMenu(true), true);
  document.addEventListener("pointerdown", event => { if (!$("#menu").contains(event.target)) closeMenu(); });
  addEventListener("scroll", () => closeMenu(), {passive: true});
}
