// Hands on what a microphone gives, in pieces that are worth sending.
"use strict";

const PIECE = 1024; // samples: about 20 ms

class Microphone extends AudioWorkletProcessor {
  constructor() { super(); this.samples = new Float32Array(PIECE); this.count = 0; }

  process([[channel]]) {
    for (const sample of channel ?? []) {
      this.samples[this.count++] = sample;
      if (this.count === PIECE) { this.port.postMessage(this.samples.slice()); this.count = 0; }
    }
    return true;
  }
}

registerProcessor("microphone", Microphone);
