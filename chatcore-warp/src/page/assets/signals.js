// What is not stored: who is there, and who is writing.

const TYPING_TTL_MS = 6_000;
const TYPING_EVERY_MS = 3_000;

/** The signals of all rooms. `told(room)` is called when what is shown of a room has changed. */
export class Signals {
  #connection;
  #told;
  #said = { room: null, at: 0 };

  constructor(connection, told) {
    this.#connection = connection;
    this.#told = told;
  }

  /** A signal that came. */
  heard(room, { kind, user, on, ttl_ms: ttl }) {
    if (kind === 'presence') {
      if (on) room.present.add(user);
      else room.present.delete(user);
      if (!on) this.#stopped(room, user);
      this.#told(room);
    }
    if (kind === 'typing' && user !== room.me) {
      this.#stopped(room, user);
      if (on) room.typing.set(user, setTimeout(() => { this.#stopped(room, user); this.#told(room); }, ttl));
      this.#told(room);
    }
  }

  /** Who wrote is not writing any more. */
  wrote(room, user) {
    if (this.#stopped(room, user)) this.#told(room);
  }

  #stopped(room, user) {
    clearTimeout(room.typing.get(user));
    return room.typing.delete(user);
  }

  /** Tells a room that its reader writes, or stopped; not more often than there is need. */
  typing(room, on) {
    const now = Date.now();
    if (on && this.#said.room === room && now - this.#said.at < TYPING_EVERY_MS) return;
    if (!on && this.#said.room !== room) return;
    this.#said = { room: on ? room : null, at: now };
    this.#connection.send({ op: 'signal', room, kind: 'typing', on, ttl_ms: TYPING_TTL_MS });
  }
}
