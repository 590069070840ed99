/* The dialogs. */

import {$, $$, exactSize, listOf, make, openDialog, prefs, put, readFields, remember, shownValue, size,
  toast} from "./dom.js";
import {Trouble, ask, batch, call, detail, get, pathOf, read, session, statusOf} from "./daemon.js";

// -- removing ---

const hasFile = task => task.finish_time > 0;       // its own, or that of before a restart

export async function askRemove(on) {
  const whole = on.filter(hasFile), rest = on.filter(task => !hasFile(task)), many = on.length > 1;
  const part = rest.reduce((sum, task) => sum + task.downloaded_bytes, 0);
  let names;
  const dialog = openDialog("remove", async () => {
    if (files.checked && !names) return;            // they are to be read first
    const now = await statusOf(rest);               // what was finished meanwhile keeps its file
    dialog.close();
    await remove(whole, files.checked);
    await remove(now.filter(hasFile), false);
    await remove(now.filter(task => !hasFile(task)), parts.checked);
  });
  const [files, parts] = $$("input", dialog), [all, list] = $$("ul", dialog), note = $("[role=status]", dialog);
  put($("h2", dialog), many ? `Remove ${on.length} downloads from the list?` : "Remove from the list?");
  all.replaceChildren(...listOf(on.map(task => task.name)));
  put(files.nextSibling, many ? "Also delete the files" : "Also delete the file");
  put(parts.nextSibling, "Also delete the part that is there: " + size(part));
  files.parentElement.hidden = !whole.length;
  parts.parentElement.hidden = !part;
  files.onchange = () => {
    list.hidden = !files.checked || !names;
    put(note, !files.checked ? "" : names ? "These go, unless they were changed since:" : "Asking for their names…");
  };
  files.onchange();
  if (!whole.length) return;
  try {
    const now = await statusOf(whole);
    names = now.flatMap(task => [task.finish_time && task.filename, task.tmpfilename]).filter(Boolean);
  } catch (error) {
    dialog.close();
    throw error;
  }
  list.replaceChildren(...listOf(names));
  files.onchange();
}

async function remove(on, del_file) {
  if (on.length !== 1) return batch(on, "delete", {del_file});
  const {detail: done} = await call("DELETE", pathOf(on[0].tid, "?del_file=" + del_file));
  return done?.kept.forEach(([name, reason]) => toast(`${name} stays: ${reason}.`, true));
}

// -- changing ---

export async function askChange([{tid, name}]) {
  const [now, {options}] = await Promise.all([detail(tid, "status"), detail(tid, "info")]);
  const idle = ["paused", "invalid"].includes(now.state), named = Boolean(now.tmpfilename || now.finish_time);
  const dialog = openDialog("change", async pressed => {
    const changed = $$("[name]:enabled", dialog).filter(each => shownValue(each) !== each.was);
    const {url, ...options} = readFields(changed);
    await call("PATCH", pathOf(tid), {url: url || undefined, options});
    if (pressed.value === "resume") await call("PUT", pathOf(tid, "?act=resume"));
    dialog.close();
    toast("Saved.");
  });
  put($("h2", dialog), name);
  for (const control of $$("[name]", dialog)) {
    const value = options[control.name] ?? "";
    control.value = control.name === "ratelimit" && value ? exactSize(value) : value;
    control.was = shownValue(control);
    if (["filename", "dir"].includes(control.name)) control.closest("label").hidden = control.disabled = named;
  }
  const resume = $("[value=resume]", dialog);
  resume.hidden = !idle;
  resume.type = idle ? "submit" : "button";         // Enter takes the first that submits
  offerFolders();
}

export async function offerFolders() {
  const {detail: folders} = await get("folders");
  $("#folders").replaceChildren(...folders.map(value => make("option", {value})));
}

export function showFile(kind, task, save) {
  const dialog = openDialog("player"), body = $(".body", dialog);
  put($("h2", dialog), task.name);
  const onerror = () => {
    if (!dialog.open) return;
    dialog.close();
    save([task]);
  };
  body.replaceChildren(make(kind, {src: pathOf(task.tid, "/file"), controls: true, alt: task.name, onerror}));
  dialog.onclose = () => body.replaceChildren();
}

// -- the daemon's settings ---

const COMMON = "ratelimit max_concurrent max_per_host overwrite reserve retries retry_wait timeout hash".split(" ");

export async function openSettings() {
  const [{config, origins}, {components}] = await Promise.all([get("config?origins=true"), get("openapi.json")]);
  const dialog = openDialog("settings", async () => {
    const changes = {};
    for (const control of $$("[name]:enabled", dialog)) {
      const [section, key] = control.name.split(".");
      if (shownValue(control) !== control.was) changes[section] = {...changes[section], [key]: readSetting(control)};
    }
    if (Object.keys(changes).length) await call("POST", "config", changes);
    dialog.close();
    toast("Saved.");
  });
  const parts = [[], [], []];
  for (const [section, {properties = {}}] of Object.entries(components.schemas.config.properties)) {
    for (const [key, schema] of Object.entries(properties)) {
      const name = section + "." + key, at = section === "download" ? COMMON.indexOf(key) : -1;
      const label = makeSetting(name, schema, config[section][key], schema.readOnly && (origins[name] || "default"));
      if (at < 0) parts[schema.readOnly ? 2 : 1].push(label);
      else parts[0][at] = label;
    }
  }
  $$(".fields", dialog).forEach((part, index) => part.replaceChildren(...parts[index]));
  $("input", dialog).focus();
}

function makeSetting(name, {description, type, enum: words}, value, origin) {
  const check = type === "boolean", [unit] = typeof value === "number" && /bytes|seconds/.exec(description) || [];
  const control = words ? make("select", ...words.map(word => make("option", word)))
    : make("input", {name, spellcheck: false, ...check && {type: "checkbox", role: "switch", checked: value}});
  if (!check) {
    control.value = value === "" ? "none" : Array.isArray(value) ? value.join(" ") : unit === "seconds" ? value + " s"
      : unit && value ? exactSize(value) : value ?? "";
  }
  Object.assign(control, {name, was: shownValue(control), old: value, unit, disabled: Boolean(origin)});
  const text = make("span", description, origin ? make("small", ` (set by ${origin})`) : "");
  return make(check ? "label.check" : "label", ...check ? [control, text] : [text, control]);
}

/** As the server takes it: null for nothing, "" for none. */
function readSetting(control) {
  const {old, unit} = control, shown = shownValue(control);
  const value = unit === "seconds" ? shown.replace(/ *s$/, "") : shown;
  if (Array.isArray(old)) return value.split(/[\s,]+/).filter(Boolean);
  if (value === "none" || value === "") return value ? "" : null;
  return typeof old === "number" && !isNaN(value) ? +value : value;
}

// -- the token ---

let asking = null;

export function askToken(share) {
  asking = asking || new Promise((resolve, reject) => {
    session.token = "";             // if there was one, it is refused now
    const dialog = openDialog("token", async () => {
      const {value} = $("input", dialog);
      read(await ask("GET", "stats", undefined, value), "token: ");
      unlock(value);
      share(value);
    });
    const nothing = new Trouble("Without its token the daemon tells this page nothing.");
    dialog.onclose = () => session.token ? resolve() : reject(nothing);
  }).finally(() => { asking = null; });
  return asking;
}

export function unlock(token) {
  if (!token || token === session.token) return;
  session.token = token;
  const seed = new XMLHttpRequest();      // tells the browser, for links and films
  seed.open("GET", "stats", true, "dlserv", token);
  seed.send();
  $("#token").close();
}

// -- help ---

export function openHelp() {
  for (const control of $$("[name]", openDialog("help"))) control.checked = prefs[control.name];
}

export function setUpHelp() {
  for (const control of $$("#help [name]")) {
    control.onchange = async () => {
      const asks = control.name === "notify" && control.checked;
      if (asks && await window.Notification?.requestPermission() !== "granted") {
        control.checked = false;
        toast("The browser does not allow it; it takes https and your consent.", true);
      }
      remember({[control.name]: control.checked});
    };
  }
  const here = JSON.stringify(new URL("./", location.href).href);
  for (const link of $$(".bookmarklet")) {
    link.href = `javascript:void open(${here}+"?add="+encodeURIComponent(location.href))`;
    link.onclick = () => false;
  }
}
