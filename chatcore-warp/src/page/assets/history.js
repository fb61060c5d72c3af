// Reading what was: pages of messages, in both directions and around a place.

import { api } from './api.js';

const PAGE = 100;

export class History {
  #told;

  /** `told(room)` is called when what is there of a room has changed. */
  constructor(told) {
    this.#told = told;
  }

  #read(room, anchor, seq, take) {
    if (room.loading > 0) return Promise.resolve(false);
    room.reading = this.#readNow(room, anchor, seq, take);
    return room.reading;
  }

  async #readNow(room, anchor, seq, take) {
    room.loading += 1;
    const { epoch, last } = room;
    try {
      const page = await api.history(room.id, anchor, seq, PAGE);
      if (room.epoch !== epoch) return false;
      take(page, last);
      room.failed = false;
    } catch (problem) {
      room.failed = true;
      throw problem;
    } finally {
      room.loading -= 1;
      this.#told(room);
    }
    this.assure(room);
    return true;
  }

  /** One more page before what is there. */
  earlier(room) {
    if (room.loaded && room.foundOldest) return Promise.resolve(false);
    return this.#read(room, 'before', room.oldest, (page) => {
      room.prepend(page);
      room.trim('newest');
    });
  }

  /** One more page after what is there. */
  later(room) {
    if (room.atHead || !room.loaded) return Promise.resolve(false);
    return this.#read(room, 'after', room.newest, (page, complete) => {
      room.append(page, complete);
      room.trim('oldest');
    });
  }

  /** What is around a place. */
  async around(room, seq) {
    // What is on its way belongs to where one was.
    while (room.loading > 0) await room.reading.catch(() => {});
    room.detach();
    return this.#read(room, 'around', seq, (page, complete) => room.replace(page, complete));
  }

  /** The newest. */
  async newest(room) {
    while (room.loading > 0) await room.reading.catch(() => {});
    room.toHead();
    this.#told(room);
    return this.earlier(room);
  }

  /** Asks anew for the reactions of messages of which they are not certain. */
  assure(room) {
    for (const message of room.unsure()) {
      if (!message.asking) this.#ask(room, message);
    }
  }

  async #ask(room, message) {
    message.asking = true;
    try {
      while (message.unsure) {
        message.unsure = false;
        message.settled = Infinity;
        const { epoch } = room;
        const now = await api.message(room.id, message.message_id);
        const { head_seq: head } = await api.room(room.id);
        if (room.epoch !== epoch) return;
        // Another reaction came in between: whether it is in the answer, nobody knows.
        if (message.unsure) continue;
        message.reactions = now.reactions ?? [];
        message.version = (message.version ?? 0) + 1;
        room.settle(head);
      }
    } catch {
      // Deleted, or out of reach: the next page tells.
    } finally {
      message.asking = false;
      this.#told(room);
    }
  }
}
