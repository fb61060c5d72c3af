// One WebSocket of the native protocol, kept up: it says hello, pings, and comes back after a loss.
// It knows frames and requests, and nothing of rooms.

import { Problem, socketUrl, Unreachable } from './api.js';

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;
const HELLO_TIMEOUT_MS = 10_000;
/** Close codes after which the same attempt would end in the same way. */
const PROTOCOL_ERROR = 4001;
const FINAL = new Set([PROTOCOL_ERROR, 4002, 4003, 4007]);

/**
 * Events: `state` (detail: the new state), `ready` (detail: the welcome), `frame` (detail: a frame
 * that answers no request), `end` (detail: the close code; it will not come back by itself).
 */
export class Connection extends EventTarget {
  /** `connecting`, `ready`, `waiting` (between attempts) or `stopped`. */
  state = 'stopped';
  #socket = null;
  #device;
  #window;
  #attempts = 0;
  #notBefore = 0;
  #timer = 0;
  #heartbeat = 0;
  #lastHeard = 0;
  #nextId = 1;
  #pending = new Map();

  constructor({ device, window }) {
    super();
    this.#device = device;
    this.#window = window;
    // A network that comes back is worth an attempt at once.
    globalThis.addEventListener('online', () => this.#hurry());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.#hurry();
    });
  }

  start() {
    if (this.state === 'stopped') this.#connect();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#drop(1000);
    this.#enter('stopped');
  }

  /** Sends a request and waits for its result. Rejects with what went wrong. */
  request(op, fields) {
    if (this.state !== 'ready') return Promise.reject(new Unreachable());
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.send({ op, id, ...fields });
    });
  }

  /** Sends a frame that has no answer; without a connection it is lost, as it may be. */
  send(frame) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#enter('connecting');
    const socket = new WebSocket(socketUrl(), 'chatcore.v1.json');
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#lost(socket), HELLO_TIMEOUT_MS);
    socket.addEventListener('open', () => {
      this.send({ op: 'hello', versions: [1], device: this.#device, caps: [], window: this.#window });
    });
    socket.addEventListener('message', ({ data }) => {
      if (socket === this.#socket) this.#heard(data);
    });
    socket.addEventListener('close', ({ code }) => this.#lost(socket, code));
  }

  #heard(data) {
    this.#lastHeard = Date.now();
    const frame = JSON.parse(data);
    switch (frame.op) {
      case 'welcome':
        return this.#welcomed(frame);
      case 'pong':
        return undefined;
      case 'goaway':
        // The server closes soon; what is on its way still arrives.
        this.#notBefore = Date.now() + (frame.retry_after_ms ?? 0);
        return undefined;
      case 'result':
        return this.#answer(frame.id, (request) => request.resolve(frame));
      case 'error':
        if (frame.id === undefined) return undefined;
        return this.#answer(frame.id, (request) => {
          const problem = { code: frame.code, field: frame.field, detail: frame.message };
          request.reject(new Problem(0, problem, frame.retry_after_ms ?? 0));
        });
      default:
        // Frames that this version does not know are for `frame` to ignore.
        this.dispatchEvent(new CustomEvent('frame', { detail: frame }));
        return undefined;
    }
  }

  #answer(id, settle) {
    const request = this.#pending.get(id);
    this.#pending.delete(id);
    if (request) settle(request);
  }

  #welcomed(welcome) {
    clearTimeout(this.#timer);
    this.#attempts = 0;
    this.#notBefore = 0;
    const every = welcome.heartbeat_ms || 25_000;
    clearInterval(this.#heartbeat);
    this.#heartbeat = setInterval(() => {
      if (Date.now() - this.#lastHeard > 2 * every) this.#lost(this.#socket);
      else this.send({ op: 'ping', ts: Date.now() });
    }, every);
    this.#enter('ready');
    this.dispatchEvent(new CustomEvent('ready', { detail: welcome }));
  }

  #lost(socket, code) {
    if (socket !== this.#socket || this.state === 'stopped') return;
    this.#drop();
    if (FINAL.has(code)) {
      this.#enter('stopped');
      this.dispatchEvent(new CustomEvent('end', { detail: code }));
      return;
    }
    // Full jitter: after a restart of the server, its clients must not all come back at once.
    const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#attempts);
    this.#attempts += 1;
    const asked = Math.max(0, this.#notBefore - Date.now());
    this.#enter('waiting');
    this.#timer = setTimeout(() => this.#connect(), asked + Math.random() * ceiling);
  }

  #hurry() {
    if (this.state === 'waiting' && Date.now() >= this.#notBefore) this.#connect();
  }

  #drop(code = 1000) {
    clearTimeout(this.#timer);
    clearInterval(this.#heartbeat);
    const socket = this.#socket;
    this.#socket = null;
    if (socket && socket.readyState <= WebSocket.OPEN) socket.close(code);
    for (const request of this.#pending.values()) request.reject(new Unreachable());
    this.#pending.clear();
  }

  #enter(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new CustomEvent('state', { detail: state }));
  }
}
