// Whom one does not want to hear of. What they write in rooms of many is there, folded away.

import { api } from './api.js';

export class Blocks {
  #users = new Set();
  /** Messages that were unfolded, until the page is loaded anew. */
  #shown = new Set();
  #told;
  /** How often it was changed from here: an answer that was asked for before that may be older. */
  changes = 0;

  /** `told()` is called when something else is to be hidden. */
  constructor(told) {
    this.#told = told;
  }

  has(user) {
    return this.#users.has(user);
  }

  /** Takes over what the server says. */
  learn(users) {
    if (users.length === this.#users.size && users.every((user) => this.#users.has(user))) return;
    this.#users = new Set(users);
    this.#told();
  }

  async set(user, on) {
    await api.block(user, on);
    this.changes += 1;
    if (on) this.#users.add(user);
    else this.#users.delete(user);
    this.#told();
  }

  hides(message) {
    return this.has(message.user) && !message.deleted_at && !this.#shown.has(message.message_id);
  }

  show(messages) {
    for (const id of messages) this.#shown.add(id);
    this.#told();
  }
}
