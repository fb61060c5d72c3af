// Who is behind a user id. Asked once per person; until the answer is there, the id stands for it.

import { api } from './api.js';

const MOST = 2000;

export class People extends EventTarget {
  #known = new Map();

  /** Learns what an answer told anyway. */
  learn(user) {
    if (this.#known.size >= MOST) this.#known.clear();
    const name = user.display_name || user.handle || user.email || user.id;
    this.#known.set(user.id, { name, handle: user.handle ?? null, picture: user.avatar_url ? api.avatarUrl(user.id) : null });
  }

  /** A name to show. A `named` event follows when a better one is known. */
  name(id) {
    const known = this.#known.get(id);
    if (known) return known.name;
    if (this.#known.size >= MOST) this.#known.clear();
    this.#known.set(id, { name: id, picture: null });
    api.user(id).then((user) => {
      this.learn({ ...user, id });
      this.dispatchEvent(new CustomEvent('named', { detail: id }));
    }, () => {
      // Erased, or not to be known: the id stays.
    });
    return id;
  }

  /** Whose handle this is, among those whom the page has come across: the server tells of no others. */
  withHandle(handle) {
    for (const [id, known] of this.#known) if (known.handle?.toLowerCase() === handle.toLowerCase()) return id;
    return null;
  }

  /** The address of their picture, if they are known to have one. */
  picture(id) {
    return this.#known.get(id)?.picture ?? null;
  }
}
