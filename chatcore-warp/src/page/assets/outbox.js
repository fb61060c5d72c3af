// Messages that the server has not acknowledged yet. They outlive the connection and the page: each
// has a name of its own from the start, so that sending it again is never a second message.

import { clientMsgId } from './api.js';
import { t } from './i18n.js';
import { keep, keysOf, recall } from './storage.js';

/** Messages of one account that may wait in this browser. */
const MOST = 200;

/** Anything may stand in the storage: of another version, or half of it. */
function wellFormed(message) {
  const file = (entry) => typeof entry?.id === 'string' && typeof entry.name === 'string';
  return typeof message?.client_msg_id === 'string' && typeof message.room === 'string' && typeof message.text === 'string'
    && Array.isArray(message.attachments) && message.attachments.every(file)
    && ['string', 'undefined'].includes(typeof message.reply_to)
    && typeof message.ts === 'number' && !Number.isNaN(new Date(message.ts).getTime());
}

export class Outbox {
  #prefix;
  #messages = new Map();

  /** What `user` left unsent, also before the page was loaded. */
  constructor(user) {
    this.#prefix = `unsent.${user}.`;
    for (const key of keysOf(this.#prefix)) {
      const message = recall(key);
      if (wellFormed(message) && key === this.#prefix + message.client_msg_id && this.#messages.size < MOST) {
        this.#messages.set(message.client_msg_id, { ...message, user, kind: 'message', state: 'waiting' });
      } else {
        keep(key, null);
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

  /** How many the server does not have. */
  get unsent() {
    return this.all().filter(({ state }) => state !== 'sent').length;
  }

  get full() {
    return this.#messages.size >= MOST;
  }

  add({ room, user, text, attachments, reply_to }) {
    if (this.full) throw new Error(t('outbox.full', { n: MOST }));
    const newest = Math.max(0, ...[...this.#messages.values()].map((message) => message.ts));
    const message = {
      kind: 'message', client_msg_id: clientMsgId(), room, user, text, attachments, reply_to,
      ts: Math.max(Date.now(), newest + 1), state: 'waiting',
    };
    this.#messages.set(message.client_msg_id, message);
    keep(this.#prefix + message.client_msg_id, message);
    return message;
  }

  /** Committed: it need not outlive the page any more, and stays on the screen until it arrives. */
  acknowledged(message, result) {
    message.state = 'sent';
    message.seq = result.seq;
    keep(this.#prefix + message.client_msg_id, null);
  }

  remove(clientMsgId) {
    keep(this.#prefix + clientMsgId, null);
    return this.#messages.delete(clientMsgId);
  }

  clear() {
    for (const id of [...this.#messages.keys()]) this.remove(id);
  }
}
