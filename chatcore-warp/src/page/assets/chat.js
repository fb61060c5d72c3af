// The conversation as a whole: the rooms, each at its place in its log, over one connection.
//
// The rule that keeps it right: an entry with `seq` one above the last is applied, a lower one is
// dropped, a higher one (or another epoch) means that something is missing: subscribe again from
// the last. History comes over REST, everything after it over the connection.

import { api } from './api.js';
import { Connection } from './connection.js';
import { device } from './device.js';
import { Outbox } from './outbox.js';
import { Room } from './room.js';

const PAGE = 50;
const WINDOW = 256;
const ACK_AFTER_MS = 2_000;
/** Codes with which the same message may be accepted later. */
const PASSING = new Set(['unavailable', 'rate_limited', 'internal', 'storage_full', 'too_early']);

/** Events: `rooms`, `room` (the open one changed), `items` (detail: room id), `state`, `end`. */
export class Chat extends EventTarget {
  rooms = new Map();
  visible = [];
  /** Whether it is known which rooms there are. */
  known = false;
  /** The room on the screen. */
  current = null;
  #me;
  #connection = new Connection({ device, window: WINDOW });
  #window = WINDOW;
  #unacked = new Map();
  #ackTimer = 0;
  #retryTimer = 0;
  #losses = 0;
  #flushing = new Set();
  #refreshing = null;

  constructor(me) {
    super();
    this.#me = me;
    this.outbox = new Outbox(me.id);
    const connection = this.#connection;
    connection.addEventListener('ready', ({ detail }) => this.#ready(detail));
    connection.addEventListener('frame', ({ detail }) => this.#frame(detail));
    connection.addEventListener('state', ({ detail }) => this.#state(detail));
    connection.addEventListener('end', ({ detail }) => this.#tell('end', detail));
  }

  get state() {
    return this.#connection.state;
  }

  start() {
    this.#connection.start();
    return this.refresh();
  }

  stop() {
    clearTimeout(this.#ackTimer);
    clearTimeout(this.#retryTimer);
    this.#connection.stop();
  }

  // Rooms

  /** Asks anew which rooms there are. Calls that overlap share one answer. */
  refresh() {
    this.#refreshing ??= this.#refresh().finally(() => { this.#refreshing = null; });
    return this.#refreshing;
  }

  async #refresh() {
    const [joined, visible] = await Promise.all([api.joinedRooms(), api.visibleRooms()]);
    const here = new Set(joined.map((summary) => summary.room));
    for (const id of this.rooms.keys()) if (!here.has(id)) this.#forget(id);
    for (const summary of joined) {
      const room = this.rooms.get(summary.room);
      if (room) {
        // An answer that is older than what has arrived since says nothing new.
        if (summary.epoch !== room.epoch || summary.head_seq >= room.last) room.describe(summary);
      } else {
        this.rooms.set(summary.room, new Room(summary));
        this.#subscribe(this.rooms.get(summary.room));
      }
    }
    this.visible = visible.filter((summary) => !here.has(summary.room));
    this.known = true;
    this.#tell('rooms');
    this.#tell('room');
  }

  async create(fields) {
    const { room } = await api.createRoom(fields);
    await this.refresh();
    return room;
  }

  async enter(id) {
    await api.enter(id);
    // An answer that was on its way may be older than the entering.
    await this.#refreshing;
    await this.refresh();
  }

  /** Their entry in the log, if there is one, arrives like every other. */
  invite(id, user) {
    return api.invite(id, user);
  }

  async leave(id) {
    await api.leave(id);
    this.#forget(id);
    await this.refresh();
  }

  #forget(id) {
    this.#unacked.delete(this.rooms.get(id));
    this.rooms.delete(id);
    if (this.current?.id === id) this.show(null);
  }

  /** Puts a room on the screen; null for none. */
  show(id) {
    this.current = this.rooms.get(id) ?? null;
    this.#tell('room');
    this.#tell('rooms');
    if (this.current && !this.current.loaded) return this.earlier();
    return Promise.resolve();
  }

  /** Reads one more page of history of the room on the screen. */
  async earlier() {
    const room = this.current;
    if (!room || room.loading || (room.loaded && room.foundOldest)) return;
    room.loading = true;
    try {
      const epoch = room.epoch;
      const missed = room.missedReactions;
      let page = await api.messagesBefore(room.id, room.oldest, PAGE);
      if (room.missedReactions !== missed) page = await api.messagesBefore(room.id, room.oldest, PAGE);
      if (room.epoch === epoch) room.prepend(page);
    } finally {
      room.loading = false;
    }
    this.#tell('items', room.id);
  }

  /** Everything in the room on the screen has been seen. */
  read() {
    const room = this.current;
    if (!room || room.unread === 0) return;
    room.readN = room.headN;
    this.#tell('rooms');
    this.#connection.request('mark_read', { room: room.id, seq: room.last }).catch(() => {
      // The next one says it again: marks only go forward.
    });
  }

  // The live side

  #ready(welcome) {
    this.#losses = 0;
    this.#window = Math.min(WINDOW, welcome.limits?.window ?? WINDOW);
    this.#unacked.clear();
    for (const room of this.rooms.values()) this.#subscribe(room);
    this.#flush();
    // Rooms may have come or gone while nobody listened.
    this.refresh().catch(() => {});
  }

  async #state(state) {
    this.#tell('state', state);
    if (state !== 'waiting') return;
    // A browser does not tell a script why an upgrade was refused: ask whether we are still known.
    this.#losses += 1;
    if (this.#losses % 3 !== 0) return;
    await api.me().catch((problem) => {
      if (problem.status === 401) this.#tell('end', 4002);
    });
  }

  #frame(frame) {
    switch (frame.op) {
      case 'event': return this.#event(frame);
      case 'gap': return this.#gap(frame);
      case 'membership': return void this.refresh().catch(() => {});
      default: return undefined;
    }
  }

  #event(entry) {
    const room = this.rooms.get(entry.room);
    if (!room) return;
    if (room.apply(entry) === 'gap') {
      this.#subscribe(room);
      return;
    }
    if (entry.user === this.#me.id && entry.client_msg_id) this.outbox.remove(entry.client_msg_id);
    if (entry.kind === 'role' && entry.target === this.#me.id) room.role = entry.role;
    if (room === this.current && entry.kind !== 'message') this.#tell('room');
    // Whether who is banned was in the room, the entry does not say.
    if (entry.kind === 'ban') this.refresh().catch(() => {});
    this.#ack(room);
    this.#tell('items', room.id);
    this.#tell('rooms');
  }

  #gap(frame) {
    const room = this.rooms.get(frame.room);
    if (!room) return;
    if (frame.epoch === room.epoch && frame.reason === 'slow') this.#subscribe(room);
    else this.#restart(room, frame).then(() => this.#subscribe(room));
  }

  #subscribe(room) {
    if (this.state !== 'ready' || room.subscribing) return;
    room.subscribing = true;
    this.#connection.request('subscribe', { room: room.id, since: room.cursor }).then(
      (result) => {
        room.subscribing = false;
        // Live from here, but what was between cannot be told: start over at the head.
        if (result.recovered === false) this.#restart(room, result);
      },
      (problem) => {
        room.subscribing = false;
        if (problem.code === 'not_found' || problem.code === 'forbidden') this.refresh().catch(() => {});
      },
    );
  }

  async #restart(room, head) {
    room.restart(head);
    // What was acknowledged is in the history that comes now.
    for (const message of this.outbox.of(room.id)) {
      if (message.state === 'sent' && message.seq <= room.last) this.outbox.remove(message.client_msg_id);
    }
    this.#tell('items', room.id);
    if (room === this.current) await this.earlier().catch(() => {});
  }

  /** Cumulative, every half window; and after a pause, so that the server knows it all arrived. */
  #ack(room) {
    const count = (this.#unacked.get(room) ?? 0) + 1;
    this.#unacked.set(room, count);
    if (count * 2 >= this.#window) this.#sendAck();
    else if (!this.#ackTimer) this.#ackTimer = setTimeout(() => this.#sendAck(), ACK_AFTER_MS);
  }

  #sendAck() {
    clearTimeout(this.#ackTimer);
    this.#ackTimer = 0;
    if (this.#unacked.size === 0) return;
    const places = [...this.#unacked.keys()].map((room) => [room.id, room.last]);
    this.#connection.send({ op: 'ack', rooms: Object.fromEntries(places) });
    this.#unacked.clear();
  }

  // Sending

  send(room, text, attachments) {
    const message = this.outbox.add({ room, user: this.#me.id, text, attachments });
    this.#tell('items', message.room);
    this.#flush();
  }

  retry(message) {
    message.state = 'waiting';
    this.#tell('items', message.room);
    this.#flush();
  }

  discard(message) {
    this.outbox.remove(message.client_msg_id);
    this.#tell('items', message.room);
  }

  /** Sends what waits, room by room in the order of writing. */
  #flush() {
    clearTimeout(this.#retryTimer);
    for (const room of new Set(this.outbox.all().map((message) => message.room))) this.#flushRoom(room);
  }

  async #flushRoom(room) {
    if (this.state !== 'ready' || this.#flushing.has(room)) return;
    this.#flushing.add(room);
    try {
      let message;
      while ((message = this.outbox.of(room).find(({ state }) => state === 'waiting'))) {
        if (!(await this.#sendOne(message))) break;
      }
    } finally {
      this.#flushing.delete(room);
    }
  }

  /** Whether the next one may follow. */
  async #sendOne(message) {
    const { room, client_msg_id, text, attachments } = message;
    try {
      const fields = { room, client_msg_id, text };
      if (attachments?.length > 0) fields.attachments = attachments.map(({ id }) => id);
      const result = await this.#connection.request('send', fields);
      this.outbox.acknowledged(message, result);
      // Its event came first, perhaps before the page was loaded anew.
      if ((this.rooms.get(room)?.last ?? 0) >= result.seq) this.outbox.remove(client_msg_id);
    } catch (problem) {
      if (PASSING.has(problem.code)) {
        // Without a connection its return sends it again; else the server said when.
        if (this.state === 'ready') {
          this.#retryTimer = setTimeout(() => this.#flush(), problem.retryAfterMs || 5_000);
        }
        return false;
      }
      message.state = 'failed';
      message.problem = problem.message;
    }
    this.#tell('items', room);
    return true;
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
