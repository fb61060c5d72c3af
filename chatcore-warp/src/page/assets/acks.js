// Tells the server what has arrived: every half window, and after a pause.

const AFTER_MS = 2_000;

export class Acks {
  #connection;
  #unacked = new Map();
  #timer = 0;

  constructor(connection) {
    this.#connection = connection;
  }

  /** One more has arrived of `room`, of at most `window` that may be on their way. */
  count(room, window) {
    const count = (this.#unacked.get(room) ?? 0) + 1;
    this.#unacked.set(room, count);
    if (count * 2 >= window) this.#send();
    else if (!this.#timer) this.#timer = setTimeout(() => this.#send(), AFTER_MS);
  }

  forget(room) {
    this.#unacked.delete(room);
  }

  /** What has not been told is of no interest any more. */
  clear() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#unacked.clear();
  }

  /** Cumulative. */
  #send() {
    const places = [...this.#unacked.keys()].map((room) => [room.id, room.last]);
    this.clear();
    if (places.length > 0) this.#connection.send({ op: 'ack', rooms: Object.fromEntries(places) });
  }
}
