/* The box that takes links, and what becomes of what is none. */

import {call, pathOf} from "./daemon.js";
import {offerFolders} from "./dialogs.js";
import {$, $$, attempt, blame, listOf, make, put, readFields, shownValue, toast} from "./dom.js";

const MOST = 10000, STEP = 500;     // links at once, and in one request
const LINK = /^(https?|ftps?):\/\/./i;
const HOST = /^(localhost|\[[\da-f:.]+\]|[^\s:/?#@]+\.[\p{L}\d]+)(:\d+)?([/?#]|$)/iu;

const box = $("#links"), guesses = new Map();       // tid: the http link to try if its https one fails

/** {links: Map of link to what was typed, rest: [[text, why not], …]} */
function readLinks(text) {
  const links = new Map(), rest = [];
  for (const line of text.split("\n").filter(line => !line.startsWith("#"))) {
    const words = line.split(/\s+/).filter(Boolean), others = [];
    for (const word of words) {
      const isHost = HOST.test(word) && (words.length === 1 || word.includes("/"));
      if (!isHost && !LINK.test(word)) others.push(word);
      else for (const link of expand(isHost ? "https://" + word : word)) links.set(link, word);
    }
    if (others.length) rest.push([others.join(" "), whyNot(others[0])]);
  }
  return {links, rest};
}

function whyNot(word) {
  const [, scheme] = /^(?!http|ftp)([a-z][\w+.-]*):/i.exec(word) || [];
  return scheme ? `${scheme} links are not for dlserv, which fetches http, https and ftp` : "this is not a link";
}

/** The links that `part[01-20].zip` stands for, at most one too many. */
function expand(link) {
  const [range, from, to] = /\[(\d+)-(\d+)\]/.exec(link) || [];
  if (!range) return [link];
  const links = [], step = +from <= +to ? 1 : -1;
  for (let number = +from; links.length <= MOST && number !== +to + step; number += step) {
    links.push(...expand(link.replace(range, () => String(number).padStart(from.length, "0"))));
  }
  return links;
}

function preview() {
  const {links} = readLinks(box.value), all = [...links.keys()], [first] = all, name = $("#options input");
  box.style.height = "auto";
  box.style.height = Math.min(box.scrollHeight + 2, innerHeight / 3) + "px";
  put($("#preview"), all.length > MOST ? `Only ${MOST} links can be added at once.`
    : all.length > 1 ? `${all.length} links: ${first} … ${all[all.length - 1]}`
    : first && !LINK.test(links.get(first)) ? `${first}, or http if there is no https` : "");
  name.disabled = all.length > 1;
  name.placeholder = name.disabled ? "for one link only" : "";
  showRest([]);
}

function showRest(rest) {
  $("#refused ul").replaceChildren(...listOf(rest.map(([text, why]) => [why, make("small", " " + text)])));
  $("#refused").hidden = !rest.length;
}

function fillBox(text) {
  box.value = (box.value + "\n" + text).trim();
  preview();
  showRest(readLinks(text).rest);
  box.focus();
}

async function addLinks() {
  const {links, rest} = readLinks(box.value), all = [...links.keys()], refused = [];
  const options = readFields($$("#options [name]:enabled").filter(shownValue));
  blame($("#add"), "");
  if (all.length > MOST) return;
  let sent = 0;
  try {
    for (; sent < all.length; sent += STEP) {
      refused.push(...await addSome(all.slice(sent, sent + STEP), links, options));
    }
  } finally {
    const left = [...refused.map(([link]) => link), ...all.slice(sent)];
    if (all.length > left.length) toast(all.length - left.length + " added.");
    box.value = [...new Set(left.map(link => links.get(link))), ...rest.map(([text]) => text)].join("\n");
    preview();
  }
  box.focus();
  if (refused.length && blame($("#add"), refused[0][1])) return;
  showRest([...refused, ...rest]);
}

/** [[link, why], …] of the refused, which are told masked. */
async function addSome(some, links, options) {
  const left = [...some], tasks = some.map(url => ({url, options}));
  const {tids, detail = []} = await call("POST", "task/batch/add", {tasks});
  const refused = detail.map(([shown, why]) => {
    const at = left.indexOf(shown), found = at < 0 ? left.findIndex(link => bare(link) === bare(shown)) : at;
    return [...left.splice(found, 1), why];
  });
  left.forEach((link, index) => {
    if (!LINK.test(links.get(link))) guesses.set(tids[index], link.replace("s", ""));
  });
  return refused;
}

const bare = link => link.replace(/\/\/.*@|[?#].*/gs, "");

/** Where https was a guess and has brought nothing, take http. */
export function tryHttp({tid, state, error, reason, downloaded_bytes}) {
  const url = guesses.get(tid);
  if (!url || !downloaded_bytes && (!/tls|network|timeout/.test(reason) || /certificate/.test(error))) return;
  guesses.delete(tid);
  if (!downloaded_bytes) attempt(async () => {
    await call("PATCH", pathOf(tid), {url});
    if (state === "invalid") await call("PUT", pathOf(tid, "?act=resume"));
  });
}

async function drop({dataTransfer}) {
  const links = ["text/uri-list", "text/plain"].map(kind => dataTransfer.getData(kind));
  const files = [...dataTransfer.files].filter(file => file.size < 2 ** 20);
  const texts = await Promise.all(files.map(file => file.text()));
  fillBox(texts.join("\n") || links[0] || links[1]);
}

export function setUpAdding() {
  const form = $("#add"), overlay = on => event => {
    event.preventDefault();
    $("#dropping").hidden = !on;
  };
  box.oninput = preview;
  box.onkeydown = event => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  };
  form.onsubmit = event => {
    event.preventDefault();
    attempt(addLinks, form);
  };
  $("#options").ontoggle = () => attempt(offerFolders);
  $("#begin").onclick = () => box.focus();
  document.onpaste = event => {
    if (event.target.closest("input, textarea, dialog")) return;
    event.preventDefault();
    fillBox(event.clipboardData.getData("text/plain"));
  };
  document.ondragover = overlay(true);
  document.ondragleave = event => overlay(event.relatedTarget)(event);
  document.ondrop = event => {
    overlay(false)(event);
    attempt(() => drop(event));
  };
  const query = new URLSearchParams(location.search);
  const offered = ["add", "text"].map(name => query.get(name) || "").join("\n");
  if (location.search) history.replaceState(null, "", location.pathname);
  if (offered.trim()) fillBox(offered);
}
