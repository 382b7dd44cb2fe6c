// The studio: one page that opens a session, watches it by WHEP, and draws what it is told by WebSocket.
"use strict";

const COLOURS = {anger: "#ef6461", disgust: "#9fb65a", fear: "#a78bda", joy: "#f2c14e", neutral: "#8a8078", sadness: "#6a9ee0", surprise: "#4fc4b8"};
const SPAN = 9; // s of score in view
const NOW = 0.82; // where now is, of the width
const $ = (id) => document.getElementById(id);
const studio = {about: null, session: null, peer: null, place: null, socket: null, words: [], sentence: null, said: null, first: null, opened: 0};
window.studio = studio; // for whoever tests the page
let key = sessionStorage.getItem("key") || "";

const headers = (more) => ({...(key ? {Authorization: `Bearer ${key}`} : {}), ...more});

async function call(method, path, value) {
  const options = {method, headers: headers(value === undefined ? {} : {"Content-Type": "application/json"})};
  if (value !== undefined) options.body = JSON.stringify(value);
  const answer = await fetch(path, options);
  if (answer.status === 401) { await askKey(); return call(method, path, value); }
  const text = await answer.text();
  const json = text ? JSON.parse(text) : {};
  if (answer.status === 410) reopen(); // the session's process has ended
  if (!answer.ok) throw new Error(json.error || answer.statusText);
  return json;
}

function askKey() {
  return new Promise((done) => {
    $("door").showModal();
    $("door").onclose = () => { key = $("key").value.trim(); sessionStorage.setItem("key", key); done(); };
  });
}

function state(name, text) { $("state").dataset.state = name; $("state").textContent = text; }
function failed(error) { $("error").textContent = error.message; }
const attempt = (work) => async () => { $("error").textContent = ""; try { await work(); } catch (error) { failed(error); } };

async function open() {
  state("wait", "opening");
  const emotion = weights();
  studio.session = await call("POST", "/v1/sessions", {avatar: $("avatar").value, voice: $("voice").value, markup: $("markup").value, ...(emotion && {emotion})});
  studio.words = []; studio.sentence = null;
  listen();
  await watch();
  able(true);
}

function able(yes) { for (const id of ["speak", "interrupt", "mic", "pick"]) $(id).disabled = !yes; }

async function close() {
  const {session, peer, socket} = studio;
  studio.session = studio.peer = studio.socket = null;
  if (socket) socket.close();
  if (peer) peer.close();
  if (session) await fetch(`/v1/sessions/${session.id}`, {method: "DELETE", headers: headers(), keepalive: true});
}

let reopening = false;
async function reopen() { // the session is gone, and the server may take a while until it has room again
  if (reopening) return;
  reopening = true;
  able(false);
  let problem = null;
  for (let attempt = 0; attempt < 20; attempt++) {
    try { await close(); await open(); problem = null; break; } catch (error) { problem = error; state("wait", "the session was lost: opening another"); }
    await new Promise((done) => setTimeout(done, 1500));
  }
  reopening = false;
  if (problem) { state("bad", "the session was lost: reload"); failed(problem); }
}

async function watch() {
  const peer = studio.peer = new RTCPeerConnection({iceServers: studio.about.ice_servers.map((urls) => ({urls}))});
  const stream = new MediaStream();
  peer.addTransceiver("video", {direction: "recvonly"});
  peer.addTransceiver("audio", {direction: "recvonly"});
  peer.ontrack = ({track}) => { stream.addTrack(track); $("video").srcObject = stream; };
  peer.onconnectionstatechange = () => {
    if (peer !== studio.peer) return;
    if (peer.connectionState === "connected") state("live", "live");
    if (peer.connectionState === "failed") state("bad", "the picture was lost: reload");
  };
  await peer.setLocalDescription();
  const answer = await fetch(`/v1/sessions/${studio.session.id}/whep`, {
    method: "POST", headers: headers({"Content-Type": "application/sdp"}), body: peer.localDescription.sdp});
  const text = await answer.text();
  if (answer.status !== 201) throw new Error(JSON.parse(text).error);
  studio.place = answer.headers.get("Location");
  await peer.setRemoteDescription({type: "answer", sdp: text});
}

function listen() {
  const address = new URL(`/v1/sessions/${studio.session.id}/events`, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = studio.socket = new WebSocket(address, key ? ["animacy", `key.${key}`] : ["animacy"]);
  socket.onmessage = ({data}) => told(JSON.parse(data));
  socket.onclose = () => { if (socket === studio.socket) state("bad", "the session has ended: reload"); };
}

function told(event) {
  const now = performance.now() / 1000;
  if (event.error) return failed(new Error(event.error));
  if (event.event === "lost") return void reopen();
  if (event.time !== undefined && event.event !== "interrupted") studio.opened = now - event.time;
  if (event.event === "started") {
    state("speaking", "speaking");
    if (studio.said) studio.first = now - studio.said;
    studio.said = null;
  } else if (event.event === "sentence") {
    studio.sentence = event.sentence;
    caption(-1);
  } else if (event.event === "word") {
    const word = studio.sentence && studio.sentence.words.find((w) => w.start === event.start);
    const mood = (word && word.emotion) || (studio.sentence && studio.sentence.emotion) || {neutral: 1};
    const last = studio.words.at(-1);
    if (last && !last.end) last.end = now;
    studio.words.push({text: event.text, at: now, end: 0, stress: word ? word.stress : 0.3, mood: strongest(mood), excitement: studio.sentence ? studio.sentence.excitement : 0});
    if (studio.words.length > 200) studio.words.splice(0, 100);
    caption(event.start);
  } else if (event.event === "finished" || event.event === "interrupted" || event.event === "failed") {
    const last = studio.words.at(-1);
    if (last && !last.end) last.end = now;
    state("live", "live");
    $("caption").textContent = "";
    if (event.event === "failed") failed(new Error(event.text));
  }
}

const strongest = (mood) => Object.entries(mood).sort((a, b) => b[1] - a[1])[0][0];

function caption(start) {
  const {sentence} = studio, line = $("caption");
  if (!sentence) return;
  line.replaceChildren();
  let at = sentence.start;
  for (const word of sentence.words) {
    const i = sentence.text.indexOf(word.text, at - sentence.start);
    if (i < 0) continue;
    line.append(sentence.text.slice(at - sentence.start, i));
    const part = document.createElement(word.start === start ? "b" : "span");
    part.textContent = word.text;
    line.append(part);
    at = sentence.start + i + word.text.length;
  }
  line.append(sentence.text.slice(at - sentence.start));
  const all = document.createElement("span"); // one child, so that the line wraps as text
  all.append(...line.childNodes);
  line.append(all);
}

function draw() {
  const canvas = $("score"), scale = devicePixelRatio || 1, {clientWidth: w, clientHeight: h} = canvas;
  if (canvas.width !== Math.round(w * scale)) { canvas.width = Math.round(w * scale); canvas.height = Math.round(h * scale); }
  const pen = canvas.getContext("2d"), now = performance.now() / 1000;
  const x = (t) => NOW * w + (t - now) / SPAN * w, foot = h - 22;
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, w, h);
  pen.strokeStyle = "#332c28";
  pen.beginPath(); pen.moveTo(0, foot + .5); pen.lineTo(w, foot + .5); pen.stroke();
  pen.font = "12px system-ui, 'Noto Sans', 'Noto Sans CJK SC', sans-serif";
  let clear = -Infinity;
  for (const word of studio.words) {
    const begin = x(word.at), end = x(Math.min(word.end || now, word.at + 0.7));
    if (end < 0) continue;
    const tall = 6 + word.stress * (foot - 16);
    pen.fillStyle = COLOURS[word.mood];
    pen.globalAlpha = word.end ? 0.75 : 1;
    pen.beginPath(); pen.roundRect(begin, foot - tall, Math.max(end - begin - 2, 2), tall, [4, 4, 0, 0]); pen.fill();
    pen.globalAlpha = 1;
    if (begin > clear) { // words that would lie on the one before have no label
      pen.fillStyle = word.stress > 0.6 ? "#f3ece6" : "#a89c93";
      pen.fillText(word.text, begin, h - 6);
      clear = begin + pen.measureText(word.text).width + 5;
    }
  }
  pen.strokeStyle = "#f3ece6"; pen.lineWidth = 1.5;
  pen.beginPath();
  let before = 0;
  for (const word of studio.words) {
    const y = foot - 4 - word.excitement * (foot - 12);
    if (word.at - before > 1.5) pen.moveTo(x(word.at), y); else pen.lineTo(x(word.at), y);
    pen.lineTo(x(word.end || now), y);
    before = word.end || now;
  }
  pen.stroke();
  pen.strokeStyle = "#f2a65a"; pen.lineWidth = 1;
  pen.beginPath(); pen.moveTo(NOW * w + .5, 0); pen.lineTo(NOW * w + .5, foot); pen.stroke();
  requestAnimationFrame(draw);
}

function weights() {
  if ($("read").checked) return null;
  const given = Object.fromEntries([...document.querySelectorAll("#sliders input")].map((i) => [i.name, +i.value]));
  const sum = Object.values(given).reduce((a, b) => a + b, 0);
  if (sum > 1) for (const name in given) given[name] = Math.floor(given[name] / sum * 1000) / 1000;
  return sum ? given : {neutral: 1};
}

let waiting = 0;
function feel() { // not more than five times a second
  clearTimeout(waiting);
  waiting = setTimeout(attempt(async () => { if (studio.session) await call("POST", `/v1/sessions/${studio.session.id}/emotion`, {weights: weights()}); }), 200);
}

const before = {};
async function measure() {
  try {
    const {session, peer} = studio;
    if (!session || !peer) return;
    const figures = (await call("GET", `/v1/sessions/${session.id}`)).figures;
    const rows = {"First frame": studio.first === null ? "–" : `${Math.round(studio.first * 1000)} ms`};
    for (const report of (await peer.getStats()).values()) {
      if (report.type !== "inbound-rtp") continue;
      if (report.kind === "video") {
        rows["Frames a second"] = report.framesPerSecond ?? 0;
        rows.Lost = report.packetsLost;
        rows.Freezes = report.freezeCount ?? 0;
      }
      const delay = report.jitterBufferDelay - (before[report.kind]?.[0] ?? 0), count = report.jitterBufferEmittedCount - (before[report.kind]?.[1] ?? 0);
      before[report.kind] = [report.jitterBufferDelay, report.jitterBufferEmittedCount];
      if (count > 0) rows[report.kind === "video" ? "Picture waits" : "Sound waits"] = `${Math.round(delay / count * 1000)} ms`;
    }
    rows["Frame late by"] = `${figures.lateness_ms.toFixed(1)} ms`;
    rows["Late, skipped"] = `${figures.late}, ${figures.skipped}`;
    rows["Server load"] = `${Math.round(figures.need * 100)} %${figures.half ? ", half rate" : ""}`;
    $("figures").replaceChildren(...Object.entries(rows).map(([name, value]) => {
      const row = document.createElement("div"), term = document.createElement("dt"), data = document.createElement("dd");
      term.textContent = name; data.textContent = value; row.append(term, data); return row;
    }));
  } catch (error) { failed(error); }
}

function choices(id, names, chosen) { $(id).replaceChildren(...names.map((name) => new Option(name, name, name === chosen, name === chosen))); }

const HINTS = {
  plain: ["Marks: ", "[*]stressed[/]", " ", "[pause 1s]", " ", "[joy:0.8]glad[/]"],
  ssml: ["SSML, e.g. ", "<speak>I <emphasis>am</emphasis> glad.</speak>"],
  none: ["Brackets are mere brackets."],
  auto: ["SSML if it begins with ", "<speak>", "; marks if it holds ", "[/]", " or ", "[pause", "; else plain text."],
};
function hint() {
  $("hint").replaceChildren(...HINTS[$("markup").value].map((text) => {
    if (!/[<[]/.test(text)) return text;
    const code = document.createElement("code"); code.textContent = text; return code;
  }));
}

function sound(on) {
  $("video").muted = !on;
  $("sound").hidden = on;
  if (on) $("video").play().catch(failed);
}

async function begin() {
  studio.about = await call("GET", "/v1");
  choices("avatar", studio.about.avatars); choices("voice", studio.about.voices); choices("markup", studio.about.markups, "plain");
  hint();
  $("sliders").replaceChildren(...studio.about.emotions.filter((e) => e !== "neutral").map((name) => {
    const label = document.createElement("label"), input = document.createElement("input"), output = document.createElement("output");
    Object.assign(input, {type: "range", min: 0, max: 1, step: 0.05, value: 0, name});
    label.style.setProperty("--c", COLOURS[name]);
    output.textContent = "0.00";
    input.oninput = () => { output.textContent = (+input.value).toFixed(2); $("read").checked = false; feel(); };
    label.append(name, output, input); return label;
  }));
  $("legend").replaceChildren(...[...Object.entries(COLOURS), ["excitement", "#f3ece6"]].map(([name, colour]) => {
    const item = document.createElement("span"); item.textContent = name; item.style.setProperty("--c", colour);
    if (name === "excitement") item.className = "line";
    return item;
  }));
  $("read").onchange = feel;
  $("sound").onclick = () => sound(true);
  $("speak").onclick = attempt(async () => {
    sound(true);
    studio.said = performance.now() / 1000;
    await call("POST", `/v1/sessions/${studio.session.id}/say`, {text: $("text").value});
  });
  $("interrupt").onclick = attempt(() => call("POST", `/v1/sessions/${studio.session.id}/interrupt`, {}));
  $("avatar").onchange = attempt(() => call("POST", `/v1/sessions/${studio.session.id}/avatar`, {avatar: $("avatar").value}));
  $("voice").onchange = $("markup").onchange = attempt(async () => { hint(); await close(); await open(); });
  $("text").onkeydown = (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("speak").click(); };
  addEventListener("pagehide", close);
  draw();
  setInterval(measure, 1000);
  await open();
}

begin().catch((error) => { state("bad", "not connected"); failed(error); });
