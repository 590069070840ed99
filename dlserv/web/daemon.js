/* Requests and events; as a SharedWorker, once for all pages of a browser. */

const READING = 15, CHANGING = 60;  // seconds that an answer may take
const BATCH = 5000;                 // tids in one request
const FIRST = 15000, QUIET = 40000; // ms until the first byte of the events, and the next (one comes each 15 s)
const LONGEST = 15000;              // ms between two tries

export class Trouble extends Error {
  constructor(sentence) { super(sentence.replace("is invalid;", "has failed;")); }
}

export const session = {token: ""};

const introduction = token => ({cache: "no-store", credentials: token ? "omit" : "same-origin",
  headers: {"X-Requested-With": "fetch", ...token && {Authorization: "Bearer " + token}}});    // else the browser asks

export async function ask(method, path, body, token = session.token) {
  const options = introduction(token), seconds = method === "GET" ? READING : CHANGING;
  if (body) options.headers["Content-Type"] = "application/json";
  try {
    const signal = AbortSignal.timeout(seconds * 1000);
    const reply = await fetch(path, {...options, method, body: JSON.stringify(body), signal});
    return [reply.status, await reply.json()];
  } catch ({name}) {
    throw new Trouble(!/Abort|Timeout/.test(name) ? "The daemon does not answer. Is it running?"
      : `The daemon did not answer within ${seconds} s. Look whether it was done before you try again.`);
  }
}

export function read([status, answer], field = "") {
  if (status >= 400) throw new Trouble(field + answer.errmsg);
  return answer;
}

export async function call(method, path, body) {
  const {token} = session, answer = await ask(method, path, body);
  if (answer[0] !== 401) return read(answer);
  if (token === session.token) await session.askToken();
  return call(method, path, body);
}

export const get = path => call("GET", path);
export const pathOf = (tid, rest = "") => "task/tid/" + tid + rest;
export const detail = async (tid, what) => (await get(pathOf(tid, "/" + what))).detail;

export async function statusOf(on) {
  if (on.length < 2) return Promise.all(on.map(task => detail(task.tid, "status")));
  const tids = new Set(on.map(task => task.tid));
  return (await get("task/list?exerpt=false")).detail.filter(task => tids.has(task.tid));
}

export async function batch(on, act, more) {
  const failed = [], tids = on.map(task => task.tid);
  for (let start = 0; start < tids.length; start += BATCH) {
    const answer = await call("POST", "task/batch/" + act, {tids: tids.slice(start, start + BATCH), ...more});
    failed.push(...answer.detail || []);
  }
  if (failed.length) throw new Trouble(`${failed.length} of ${tids.length} could not be done: ${failed[0][1]}`);
}

/** tell([[kind, data], …]) hears events, "token", and the states "open", "lost", "locked" and "idle". */
class Stream {
  constructor(tell) {
    Object.assign(this, {tell, rows: new Map(), state: "idle", token: "", until: 0, failures: 0});
  }

  greeting() {
    const {rows, stats, token, state} = this, detail = [...rows.values()];
    return [["token", token], ...stats ? [["snapshot", {detail, stats}]] : [], [state]];
  }

  /** Follow for so many ms. */
  hold(ms) {
    this.until = Math.max(this.until, Date.now() + ms);
    clearTimeout(this.ending);
    this.ending = setTimeout(() => this.connection?.abort(), this.until - Date.now());
    if (!this.runs && this.state !== "locked") this.run();
  }

  wake(token = this.token) {
    if (this.state === "locked") this.state = "lost";
    this.token = token;
    this.tell([["token", token]]);
    this.retry?.();
    this.hold(0);
  }

  async run() {
    this.runs = true;
    while (Date.now() < this.until) {
      const status = await this.listen().catch(() => 0);
      if (status === 401) this.enter("locked");
      if (status === 401 || Date.now() >= this.until) break;
      this.failures += 1;
      if (this.failures > 1) this.enter("lost");
      await new Promise(resolve => {
        this.retry = resolve;
        setTimeout(resolve, Math.min(LONGEST, 250 * 2 ** this.failures));
      });
    }
    this.runs = false;
    if (this.state !== "locked") this.enter("idle");
  }

  enter(state) {
    if (this.state !== state) this.tell([[state]]);
    this.state = state;
  }

  async listen() {
    const connection = this.connection = new AbortController(), options = introduction(this.token);
    const wait = ms => {
      clearTimeout(this.guard);
      this.guard = setTimeout(() => connection.abort(), ms);
    };
    wait(FIRST);
    if (this.lastId) options.headers["Last-Event-ID"] = this.lastId;
    const {ok, status, body} = await fetch("events", {...options, signal: connection.signal});
    if (!ok) return status;
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ;) {
      const {done, value} = await reader.read();
      if (done) return status;
      wait(QUIET);
      this.failures = 0;
      this.enter("open");
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      this.tell(events.flatMap(event => this.take(event)));
    }
  }

  take(text) {
    const [, id, event, data] = /^id: (.*)\nevent: (.*)\ndata: (.*)/m.exec(text) || [];
    if (!id) return [];
    let told = JSON.parse(data);
    this.lastId = id;
    if (event === "snapshot") this.rows = new Map(told.detail.map(row => [row.tid, row]));
    else if (event === "task") this.rows.set(told.tid, told = {...this.rows.get(told.tid), ...told});
    else if (event === "removed") this.rows.delete(told.tid);
    if (!told.tid) this.stats = told.stats || told;
    return [[event, told]];
  }
}

const ports = new Set(), stream = new Stream(messages => ports.forEach(port => port.postMessage(messages)));

/** Hears [kind, value]: "hello", "bye", "hold" or "wake". */
export function serve(port) {
  port.onmessage = ({data: [kind, value]}) => {
    if (kind === "hello") ports.add(port) && port.postMessage(stream.greeting());
    else if (kind === "bye") ports.delete(port);
    else stream[kind](value);
  };
}

if ("onconnect" in self) self.onconnect = ({ports: [port]}) => serve(port);     // in a worker
