// Who is behind a user id. Asked once per person; until the answer is there, the id stands for it.

import { api } from './api.js';
import { t } from './i18n.js';

const MOST = 5000;
/** The host itself, who has no account. */
const SYSTEM = '~system';

class People extends EventTarget {
  #known = new Map();

  /** Learns what an answer told anyway. */
  learn(user) {
    if (this.#known.size >= MOST) this.#known.clear();
    const name = user.display_name || user.handle || user.email || user.id;
    const picture = user.avatar_url ? api.avatarUrl(user.id, encodeURIComponent(user.avatar_url)) : null;
    this.#known.set(user.id, { name, handle: user.handle ?? null, picture, asked: true });
    this.dispatchEvent(new CustomEvent('named', { detail: user.id }));
  }

  /** What is known of them now. A `named` event follows when there is more. */
  about(id) {
    const known = this.#known.get(id);
    if (known) return known;
    if (this.#known.size >= MOST) this.#known.clear();
    const unknown = { name: id === SYSTEM ? t('person.system') : id, handle: null, picture: null };
    this.#known.set(id, unknown);
    if (id === SYSTEM) return unknown;
    api.user(id).then((user) => this.learn({ ...user, id }), () => {
      // Erased, or not to be known: the id stays.
    });
    return unknown;
  }

  name(id) {
    return this.about(id).name;
  }

  /** Whose handle this is, among those whom the page has come across: the server tells of no others. */
  withHandle(handle) {
    const wanted = handle.toLowerCase();
    for (const [id, known] of this.#known) if (known.handle?.toLowerCase() === wanted) return id;
    return null;
  }

  clear() {
    this.#known.clear();
  }
}

export const people = new People();
