// Messages that the server has not acknowledged yet. They outlive the connection and the page: each
// has a name of its own from the start, so that sending it again is never a second message.

const PREFIX = 'chatcore.unsent.';

function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// Without storage (a private window may refuse it) messages are kept as long as the page is.
function store(key, value) {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, JSON.stringify(value));
  } catch {
    return;
  }
}

function keys() {
  try {
    return Object.keys(localStorage);
  } catch {
    return [];
  }
}

function load(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

/** Anything may stand in the storage: of another version, or half of it. */
function wellFormed(message) {
  const file = (entry) => typeof entry?.id === 'string' && typeof entry.name === 'string';
  return typeof message?.client_msg_id === 'string' && typeof message.room === 'string' && typeof message.text === 'string'
    && Array.isArray(message.attachments) && message.attachments.every(file)
    && typeof message.ts === 'number' && !Number.isNaN(new Date(message.ts).getTime());
}

export class Outbox {
  #prefix;
  #messages = new Map();

  /** What `user` left unsent, also before the page was loaded. */
  constructor(user) {
    this.#prefix = `${PREFIX}${user}.`;
    for (const key of keys().filter((key) => key.startsWith(this.#prefix))) {
      const message = load(key);
      if (wellFormed(message) && key === this.#prefix + message.client_msg_id) {
        this.#messages.set(message.client_msg_id, { ...message, user, kind: 'message', state: 'waiting' });
      } else {
        store(key, null);
      }
    }
  }

  /** In the order in which they were written. */
  all() {
    return [...this.#messages.values()].sort((a, b) => a.ts - b.ts);
  }

  of(room) {
    return this.all().filter((message) => message.room === room);
  }

  add({ room, user, text, attachments }) {
    const newest = Math.max(0, ...[...this.#messages.values()].map((message) => message.ts));
    const message = {
      kind: 'message', client_msg_id: randomId(), room, user, text, attachments,
      ts: Math.max(Date.now(), newest + 1), state: 'waiting',
    };
    this.#messages.set(message.client_msg_id, message);
    store(this.#prefix + message.client_msg_id, message);
    return message;
  }

  /** Committed: it need not outlive the page any more, and stays on the screen until it arrives. */
  acknowledged(message, result) {
    message.state = 'sent';
    message.seq = result.seq;
    store(this.#prefix + message.client_msg_id, null);
  }

  remove(clientMsgId) {
    store(this.#prefix + clientMsgId, null);
    return this.#messages.delete(clientMsgId);
  }

  clear() {
    for (const id of [...this.#messages.keys()]) this.remove(id);
  }
}
