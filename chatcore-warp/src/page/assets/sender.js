// Sends what waits in the outbox: room by room, in the order of writing, each once.

/** Codes with which the same message may be accepted later. */
const PASSING = new Set(['unreachable', 'unavailable', 'rate_limited', 'internal', 'storage_full', 'too_early']);
const RETRY_MS = 5_000;

export class Sender {
  #connection;
  #outbox;
  #told;
  #lastOf;
  #slowed;
  #timer = 0;
  #flushing = new Set();

  /**
   * `told(room)` is called when something changed, `slowed(room, ms)` when it has to wait; `lastOf(room)`
   * tells what has arrived of a room.
   */
  constructor({ connection, outbox, told, lastOf, slowed }) {
    this.#connection = connection;
    this.#outbox = outbox;
    this.#told = told;
    this.#lastOf = lastOf;
    this.#slowed = slowed;
  }

  stop() {
    clearTimeout(this.#timer);
  }

  retry(message) {
    message.state = 'waiting';
    this.#told(message.room);
    this.flush();
  }

  discard(message) {
    this.#outbox.remove(message.client_msg_id);
    this.#told(message.room);
  }

  flush() {
    clearTimeout(this.#timer);
    for (const room of new Set(this.#outbox.all().map((message) => message.room))) this.#flushRoom(room);
  }

  async #flushRoom(room) {
    if (this.#connection.state !== 'ready' || this.#flushing.has(room)) return;
    this.#flushing.add(room);
    try {
      let message;
      while ((message = this.#outbox.of(room).find(({ state }) => state === 'waiting'))) {
        if (!(await this.#sendOne(message))) break;
      }
    } finally {
      this.#flushing.delete(room);
    }
  }

  /** Whether the next one may follow. */
  async #sendOne(message) {
    const { room, client_msg_id, text, attachments, reply_to } = message;
    try {
      const fields = { room, client_msg_id, text };
      if (reply_to) fields.reply_to = reply_to;
      if (attachments?.length > 0) fields.attachments = attachments.map(({ id }) => id);
      const result = await this.#connection.request('send', fields);
      this.#outbox.acknowledged(message, result);
      // Its event came first, perhaps before the page was loaded anew.
      if (this.#lastOf(room) >= result.seq) this.#outbox.remove(client_msg_id);
    } catch (problem) {
      if (problem.code === 'rate_limited') this.#slowed(room, problem.retryAfterMs);
      if (PASSING.has(problem.code)) {
        // Without a connection its return sends it again; else the server said when.
        if (this.#connection.state === 'ready') {
          clearTimeout(this.#timer);
          this.#timer = setTimeout(() => this.flush(), problem.retryAfterMs || RETRY_MS);
        }
        return false;
      }
      message.state = 'failed';
      message.problem = problem;
    }
    this.#told(room);
    return true;
  }
}
