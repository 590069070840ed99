/* The box that takes links, and what becomes of what is none. */

import {call, pathOf} from "./daemon.js";
import {offerFolders} from "./dialogs.js";
import {$, $$, attempt, blame, button, listOf, make, put, readFields, shownValue, toast} from "./dom.js";

const MOST = 10000, STEP = 500;     // links at once, and in one request
const LINK = /^(https?|ftps?):\/\/./i;
const HOST = /^(localhost|\[[\da-f:.]+\]|[^\s:/?#@]+\.[\p{L}\d]+)(:\d+)?([/?#]|$)/iu;

const form = $("#add"), box = $("#links");
const guesses = new Map();          // tid: the http link to try if its https one fails

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

/** The links of `part[01-20].zip`, at most one too many. */
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
  $("#refused ul").replaceChildren(...listOf(rest.map(([text, why]) => [why, " ", make("small", text)])));
  $("#refused").hidden = !rest.length;
}

function fillBox(text) {
  box.value = (box.value + "\n" + text).trim();
  preview();
  showRest(readLinks(text).rest);
  box.focus();
}

async function addLinks(text, query = "") {
  const {links, rest} = readLinks(text), all = [...links.keys()], refused = [], had = [];
  const options = readFields($$("#options [name]:enabled").filter(shownValue));
  let sent = 0;
  preview();
  blame(form, "");
  try {
    for (; all.length <= MOST && sent < all.length; sent += STEP) {
      const left = new Set(all.slice(sent, sent + STEP)), tasks = [...left].map(url => ({url, options}));
      const {tids, detail = [], had_already = []} = await call("POST", "task/batch/add" + query, {tasks});
      refused.push(...takeOut(detail, left));
      had.push(...takeOut(had_already, left));
      [...left].forEach((link, index) => {
        if (!LINK.test(links.get(link))) guesses.set(tids[index], link.replace("s", ""));
      });
    }
  } finally {
    const left = [...refused.map(first), ...all.slice(sent)], added = all.length - left.length - had.length;
    const typed = new Set(left.map(link => links.get(link)));
    if (added) toast(added + " added.");
    box.value = [...typed, ...rest.map(first), box.value].join("\n").trim();
    preview();
  }
  box.focus();
  if (refused.length && blame(form, refused[0][1])) return;
  const again = button("Add again", () => attempt(() => addLinks(had.map(first).join("\n"), "?repeat=true")));
  showRest([...had.length ? [[again, had.length + " had already been downloaded."]] : [], ...refused, ...rest]);
}

const first = ([each]) => each;

/** [[link, why], …] of those told masked, which are taken out of the links. */
const takeOut = (told, links) => told.map(([shown, why]) => {
  const link = links.has(shown) ? shown : [...links].find(each => bare(each) === bare(shown));
  links.delete(link);
  return [link, why];
});

const bare = link => link.replace(/\/\/.*@|[?#].*/gs, "//");

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
  const overlay = on => event => {
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
    const {value} = box;
    event.preventDefault();
    box.value = "";
    attempt(() => addLinks(value), form);
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
  const query = new URLSearchParams(location.search), offered = [query.get("add"), query.get("text")].join("\n");
  if (!location.search) return;
  history.replaceState(null, "", location.pathname);
  fillBox(offered);
}
