// Speech from elsewhere: a microphone or a file, sent by WebSocket as one utterance. After studio.js, whose names it uses.
"use strict";

const MOST_RATE = 48000; // Hz that the server takes
const LONGEST_FILE = 64 * 1024 * 1024; // bytes: it is decoded in memory
const AHEAD = 8; // s of a file that are sent before they are heard: a little less than the server takes
const voice = {socket: null, stop: null};

function speakers(rate) { // a connection that is one utterance; its end ends what is sent
  const address = new URL(`/v1/sessions/${studio.session.id}/audio?rate=${rate}`, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address, key ? ["animacy", `key.${key}`] : ["animacy"]);
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({data}) => { const {error} = JSON.parse(data); if (error) failed(new Error(error)); };
  socket.onclose = () => { if (socket === voice.socket) silence(); };
  return new Promise((done, refused) => {
    socket.onopen = () => done(socket);
    socket.onerror = () => refused(new Error("the server does not take sound now"));
  });
}

function send(socket, samples) {
  const whole = new Int16Array(samples.length);
  for (let i = 0; i < samples.length; i++) whole[i] = Math.max(-1, Math.min(1, samples[i])) * 32767;
  if (socket.readyState === WebSocket.OPEN) socket.send(whole);
}

function silence() { // end what is being sent; twice is fine
  const {socket, stop} = voice;
  voice.socket = voice.stop = null;
  if (stop) stop();
  if (socket) socket.close();
  $("mic").setAttribute("aria-pressed", "false");
  $("mic").textContent = "Speak with my voice";
}

async function microphone() {
  if (voice.socket) return silence();
  if (!navigator.mediaDevices) throw new Error("a microphone needs https, or localhost");
  sound(true);
  const stream = await navigator.mediaDevices.getUserMedia({audio: {channelCount: 1, echoCancellation: true, noiseSuppression: true}});
  let context = new AudioContext({latencyHint: "interactive"});
  const stop = () => { stream.getTracks().forEach((track) => track.stop()); context.close(); };
  try {
    if (context.sampleRate > MOST_RATE) { await context.close(); context = new AudioContext({sampleRate: MOST_RATE}); }
    await context.audioWorklet.addModule("/microphone.js");
    const socket = await speakers(context.sampleRate), node = new AudioWorkletNode(context, "microphone", {numberOfOutputs: 0});
    voice.socket = socket;
    voice.stop = stop;
    node.port.onmessage = ({data}) => send(socket, data);
    context.createMediaStreamSource(stream).connect(node);
    await context.resume();
  } catch (error) { stop(); throw error; }
  $("mic").setAttribute("aria-pressed", "true");
  $("mic").textContent = "Stop speaking";
}

async function file(given) {
  if (!given) return;
  if (given.size > LONGEST_FILE) throw new Error(`${given.name} is too large: needed 64 MB at most`);
  silence();
  sound(true);
  const context = new OfflineAudioContext(1, 1, MOST_RATE);
  const decoded = await context.decodeAudioData(await given.arrayBuffer()).catch(() => { throw new Error(`${given.name} cannot be read as sound`); });
  const channels = Array.from({length: decoded.numberOfChannels}, (_, n) => decoded.getChannelData(n)), piece = MOST_RATE / 4;
  const socket = voice.socket = await speakers(MOST_RATE), begun = performance.now();
  for (let at = 0; at < decoded.length && socket === voice.socket; at += piece) {
    const part = channels[0].slice(at, at + piece);
    for (const other of channels.slice(1)) for (let i = 0; i < part.length; i++) part[i] += other[at + i];
    send(socket, part.map((sample) => sample / channels.length));
    const early = at / MOST_RATE - AHEAD - (performance.now() - begun) / 1000;
    if (early > 0) await new Promise((done) => setTimeout(done, 1000 * early));
  }
  if (socket === voice.socket) silence();
}

$("mic").onclick = attempt(async () => { // one press at a time: the browser may ask for leave meanwhile
  $("mic").disabled = true;
  try { await microphone(); } finally { $("mic").disabled = !studio.session; }
});
$("pick").onclick = () => $("file").click();
$("file").onchange = attempt(async () => { try { await file($("file").files[0]); } finally { $("file").value = ""; } });
$("interrupt").addEventListener("click", silence);
addEventListener("pagehide", silence);
