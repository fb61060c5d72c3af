// The conversation as a whole: the rooms, each at its place in its log, over one connection.
//
// The rule that keeps it right: an entry with `seq` one above the last is applied, a lower one is
// dropped, a higher one (or another epoch) means that something is missing: subscribe again from
// the last. History comes over REST, everything after it over the connection.

import { Acks } from './acks.js';
import { api } from './api.js';
import { Blocks } from './blocks.js';
import { Connection } from './connection.js';
import { device } from './device.js';
import { calmly } from './dom.js';
import { History } from './history.js';
import { Outbox } from './outbox.js';
import { Room } from './room.js';
import { Sender } from './sender.js';
import { Signals } from './signals.js';

const WINDOW = 256;

/**
 * Events: `rooms` (the list), `room` (the open one changed), `items` and `sent` (detail: room id),
 * `entry` (detail: a live one), `signals` (detail: room), `blocks`, `state`, `end`.
 */
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
  #acks = new Acks(this.#connection);
  #losses = 0;
  #refreshing = null;

  constructor(me) {
    super();
    this.#me = me;
    const connection = this.#connection;
    const items = (room) => this.#tell('items', room);
    this.outbox = new Outbox(me.id);
    this.history = new History((room) => items(room.id));
    this.signals = new Signals(connection, (room) => this.#tell('signals', room));
    const lastOf = (room) => this.rooms.get(room)?.last ?? 0;
    const slowed = (room, ms) => {
      this.rooms.get(room)?.wait(ms);
      this.#tell('room');
    };
    this.blocks = new Blocks(() => this.#tell('blocks'));
    this.sender = new Sender({ connection, outbox: this.outbox, told: items, lastOf, slowed });
    this.refreshSoon = calmly(() => this.refresh().catch(() => {}), 300);
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
    this.#acks.clear();
    this.sender.stop();
    this.#connection.stop();
  }

  // Rooms

  /** Asks anew which rooms there are. Calls that overlap share one answer. */
  refresh() {
    this.#refreshing ??= this.#refresh().finally(() => { this.#refreshing = null; });
    return this.#refreshing;
  }

  async #refresh() {
    const { changes } = this.blocks;
    const blocked = (users) => { if (this.blocks.changes === changes) this.blocks.learn(users); };
    const [joined, visible] = await Promise.all([api.joinedRooms(blocked), api.visibleRooms()]);
    const here = new Set(joined.map((summary) => summary.room));
    for (const id of this.rooms.keys()) if (!here.has(id)) this.#forget(id);
    for (const summary of joined) {
      const room = this.rooms.get(summary.room);
      if (!room) {
        this.rooms.set(summary.room, new Room(summary, this.#me.id));
        this.#subscribe(this.rooms.get(summary.room));
      } else if (summary.epoch !== room.epoch || summary.head_seq >= room.last) {
        // An answer that is older than what has arrived since says nothing new.
        room.describe(summary);
      }
    }
    this.visible = visible.filter((summary) => !here.has(summary.room));
    this.known = true;
    this.#tell('rooms');
    this.#tell('room');
    this.#nameDirect();
  }

  /** A direct room is called by the other one. */
  async #nameDirect() {
    for (const room of [...this.rooms.values()].filter(({ kind, other }) => kind === 'direct' && !other)) {
      const members = await api.members(room.id, 2).catch(() => []);
      room.other = members.find(({ user }) => user !== this.#me.id)?.user ?? null;
      if (room.other) this.#tell('rooms');
      if (room === this.current) this.#tell('room');
    }
  }

  async create(fields) {
    return this.#came(await api.createRoom(fields));
  }

  async enter(id) {
    return this.#came(await api.enter(id));
  }

  /** Comes into a room by the code of an invite link. */
  async accept(code) {
    return this.#came(await api.accept(code));
  }

  async #came({ room }) {
    await this.#refreshAfter();
    return room;
  }

  /** An answer that was on its way may be older than what was just done. */
  async #refreshAfter() {
    await this.#refreshing;
    await this.refresh();
  }

  /** What of a room one wants to be told of: `{level, snooze_until?}`. */
  async notify(room, setting) {
    await api.notify(room.id, setting);
    this.#notify(room, setting);
  }

  async leave(id) {
    await api.leave(id);
    this.#forget(id);
    await this.#refreshAfter();
  }

  #forget(id) {
    this.#acks.forget(this.rooms.get(id));
    this.rooms.delete(id);
    if (this.current?.id === id) this.show(null);
  }

  /** Puts a room on the screen; null for none. */
  show(id) {
    const room = this.rooms.get(id) ?? null;
    if (room && room !== this.current) room.readAtOpen = room.unread > 0 ? room.readN : undefined;
    this.current = room;
    this.#tell('room');
    this.#tell('rooms');
    return room && !room.loaded ? this.history.earlier(room) : Promise.resolve();
  }

  /** Everything in the room on the screen has been seen. */
  read() {
    const room = this.current;
    if (!room || room.unread === 0) return;
    room.readAll();
    this.#tell('rooms');
    this.#connection.request('mark_read', { room: room.id, seq: room.last }).catch(() => {
      // The next one says it again: marks only go forward.
    });
  }

  // The live side

  #ready(welcome) {
    this.#losses = 0;
    this.#window = Math.min(WINDOW, welcome.limits?.window ?? WINDOW);
    this.#acks.clear();
    for (const room of this.rooms.values()) {
      room.subscribing = false;
      this.#subscribe(room);
    }
    this.sender.flush();
    // Rooms may have come or gone while nobody listened.
    this.refreshSoon();
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
    const room = this.rooms.get(frame.room);
    switch (frame.op) {
      case 'event': return room && this.#event(room, frame);
      case 'gap': return room && this.#gap(room, frame);
      case 'signal': return room && this.signals.heard(room, frame);
      case 'mark': return room && this.#mark(room, frame);
      case 'membership': return this.refreshSoon();
      case 'notify': return room && this.#notify(room, frame);
      default: return undefined;
    }
  }

  #event(room, entry) {
    const became = room.apply(entry);
    if (became === 'gap') this.#subscribe(room);
    if (became !== 'applied') return;
    if (entry.user === this.#me.id && entry.client_msg_id) this.outbox.remove(entry.client_msg_id);
    if (entry.kind === 'message') {
      this.signals.wrote(room, entry.user);
      // Who writes has read what was there; oneself only if nothing else was unread, as on the server.
      if (entry.user !== this.#me.id) this.#mark(room, { user: entry.user, read_seq: entry.seq });
      else if (room.unread === 1) room.readAll();
      if (room === this.current && entry.user === this.#me.id) this.#tell('room');
    } else {
      if (entry.kind === 'role' && entry.target === this.#me.id) room.role = entry.role;
      if (room === this.current) this.#tell('room');
      // Whether who is banned was in the room, the entry does not say; nor what of the unread is gone.
      if (entry.kind === 'ban' || entry.kind === 'expire') this.refreshSoon();
    }
    this.history.assure(room);
    this.#acks.count(room, this.#window);
    this.#tell('entry', entry);
    this.#tell('items', room.id);
    this.#tell('rooms');
  }

  #mark(room, { user, read_seq: seq }) {
    if (seq <= (room.marks.get(user) ?? 0)) return;
    room.marks.set(user, seq);
    if (user === this.#me.id) {
      // On another device, perhaps.
      if (seq >= room.last) room.readAll();
      else if (room.unread > 0) this.refreshSoon();
      this.#tell('rooms');
    }
    this.#tell('items', room.id);
  }

  /** What is to be told of a room was said on one of one's devices. */
  #notify(room, { level, snooze_until }) {
    room.notify = { level, snooze_until };
    this.#tell('rooms');
  }

  #gap(room, frame) {
    if (frame.epoch === room.epoch && frame.reason === 'slow') this.#subscribe(room);
    else this.#restart(room, frame).then(() => this.#subscribe(room));
  }

  #subscribe(room) {
    if (this.state !== 'ready' || room.subscribing) return;
    room.subscribing = true;
    this.#connection.request('subscribe', { room: room.id, since: room.cursor }).then(
      (result) => {
        room.subscribing = false;
        room.present = new Set(result.presence);
        for (const mark of result.marks ?? []) this.#mark(room, mark);
        this.#tell('signals', room);
        // Live from here, but what was between cannot be told: start over at the head.
        if (result.recovered === false) this.#restart(room, result);
      },
      (problem) => {
        room.subscribing = false;
        if (problem.code === 'not_found' || problem.code === 'forbidden') this.refreshSoon();
      },
    );
  }

  async #restart(room, head) {
    const { present } = room;
    room.restart(head);
    room.present = present;
    // What was acknowledged is in the history that comes now.
    for (const message of this.outbox.of(room.id)) {
      if (message.state === 'sent' && message.seq <= room.last) this.outbox.remove(message.client_msg_id);
    }
    this.#tell('items', room.id);
    if (room === this.current) await this.history.earlier(room).catch(() => {});
  }

  send(room, { text, attachments, reply_to }) {
    const message = this.outbox.add({ room, user: this.#me.id, text, attachments, reply_to });
    this.#tell('items', message.room);
    this.#tell('sent', message.room);
    this.sender.flush();
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
