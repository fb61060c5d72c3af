// What the page knows of one room: where it stands in the room's log, and the part of its messages
// that is here. That part is a window without gaps: it reaches the newest (`atHead`), or the newest
// are left to be read again when someone comes back down to them.

import { t } from './i18n.js';

/** Items that stay when there get to be more: older ones, and newer ones, come back from the history. */
const KEPT = 300;
const TOLERATED = 420;
/** Newest items held while the window is elsewhere, so that it can be joined to them. */
const TAIL = 200;

/** Kinds of which nothing but a line between the messages is shown. */
const NOTICES = new Set(['invite', 'ban', 'unban', 'mute', 'unmute', 'role', 'pin', 'link', 'unlink', 'expire']);

/** Reactions stand in the order of their first use; one that nobody gives any more goes. */
function react(message, emoji, step, mine) {
  const reactions = message.reactions ?? [];
  let known = reactions.find((reaction) => reaction.emoji === emoji);
  if (!known) reactions.push(known = { emoji, count: 0, mine: false });
  known.count += step;
  if (mine) known.mine = step > 0;
  message.reactions = reactions.filter(({ count }) => count > 0);
}

const touch = (message) => { message.version = (message.version ?? 0) + 1; };

export class Room {
  /** Messages and notices, oldest first. */
  items = [];
  messages = new Map();
  loaded = false;
  foundOldest = false;
  atHead = true;
  /** Pages on their way. */
  loading = 0;
  /** Who is there now, and who is writing. */
  present = new Set();
  typing = new Map();
  /** By member, the last entry that they have read. */
  marks = new Map();
  /** Of a direct room: the other one. */
  other = null;
  #tail = [];
  #tailFrom = 0;
  /** Messages that were reacted to while they were not here: a page on its way may be older. */
  #missed = new Set();
  #silentUntil = 0;

  constructor(summary, me) {
    this.id = summary.room;
    this.me = me;
    this.describe(summary);
    this.restart(summary);
  }

  /** Takes over the description: name, topic, role, counts. Leaves the place in the log alone. */
  describe(summary) {
    this.givenName = summary.name ?? '';
    this.topic = summary.topic || '';
    this.kind = summary.kind;
    this.role = summary.role;
    this.members = summary.members;
    this.headN = Math.max(this.headN ?? 0, summary.head_n ?? 0);
    // What is gone is not unread, wherever the mark stands.
    this.readN = Math.max(this.readN ?? 0, (summary.head_n ?? 0) - (summary.unread ?? 0));
    this.mentions = summary.mentions ?? 0;
    this.slowMode = summary.slow_mode ?? 0;
    this.retention = summary.retention ?? 0;
    this.floor = Math.max(this.floor ?? 0, summary.floor_seq ?? 0);
    this.notify = summary.notify ?? { level: 'all' };
  }

  get name() {
    return this.givenName || t(this.kind === 'direct' ? 'room.direct' : 'room.unnamed');
  }

  /** Starts over at the head: the log is another one, or the way to it is lost. */
  restart({ epoch, head_seq: head }) {
    this.epoch = epoch;
    this.last = head;
    this.present.clear();
    this.#empty();
  }

  #empty() {
    this.items = [];
    this.messages.clear();
    this.loaded = false;
    this.foundOldest = false;
    this.atHead = true;
    this.#tail = [];
    this.#missed.clear();
  }

  /** Leaves the window where it is and goes to the newest. */
  toHead() {
    this.#empty();
  }

  get cursor() {
    return { epoch: this.epoch, seq: this.last };
  }

  get moderates() {
    return this.kind !== 'direct' && (this.role === 'moderator' || this.role === 'owner');
  }

  get owns() {
    return this.kind !== 'direct' && this.role === 'owner';
  }

  /** Whether who is here may pin messages. */
  get pinning() {
    return this.moderates || this.kind === 'direct';
  }

  /** Whether slow mode holds for who is here. */
  get slowed() {
    return this.slowMode > 0 && this.role === 'member';
  }

  /** Milliseconds until who is here may write again. */
  get pause() {
    return this.slowed ? Math.max(0, this.#silentUntil - Date.now()) : 0;
  }

  /** Slow mode lets who is here write again in so many milliseconds: never later than it says itself. */
  wait(ms) {
    this.#silentUntil = Date.now() + Math.min(ms, this.slowMode * 1000);
  }

  /** Whether who is here may ask others in. */
  get invites() {
    return this.kind === 'public' || this.moderates;
  }

  get unread() {
    return Math.max(0, this.headN - this.readN);
  }

  /** Whether who is here wants to be told of nothing, for good or for a while. */
  get muted() {
    return this.notify.level === 'none' || this.notify.snooze_until > Date.now();
  }

  /** Of what is unread, what who is here wants to be told of. */
  get badge() {
    if (this.muted) return 0;
    return this.notify.level === 'mentions' ? Math.min(this.mentions, this.unread) : this.unread;
  }

  /** All that there is has been read. */
  readAll() {
    this.readN = this.headN;
    this.mentions = 0;
  }

  /** Takes in one entry of the log. `old`: known already. `gap`: something is missing before it. */
  apply(entry) {
    if (entry.epoch !== this.epoch) return 'gap';
    if (entry.seq <= this.last) return 'old';
    if (entry.seq > this.last + 1) return 'gap';
    this.last = entry.seq;
    this.#project(entry);
    return 'applied';
  }

  #project(entry) {
    const message = this.messages.get(entry.message_id) ?? this.#tail.find(({ message_id: id }) => id && id === entry.message_id);
    if (message && entry.kind !== 'message') touch(message);
    switch (entry.kind) {
      case 'message':
        this.headN = Math.max(this.headN, entry.n ?? 0);
        if (entry.user !== this.me && entry.mentions?.includes(this.me)) this.mentions += 1;
        if (entry.user === this.me) this.#spoke(entry.ts);
        if (!message) this.#arrived({ ...entry, reactions: [], settled: 0 });
        return;
      case 'edit':
        if (message && !message.deleted_at) {
          message.text = entry.text;
          message.edited_at = entry.ts;
        }
        return;
      case 'delete':
        if (message) Object.assign(message, { text: '', attachments: [], reactions: [], pinned: false, deleted_at: entry.ts });
        return;
      case 'react':
      case 'unreact':
        if (!message) {
          if (this.loading > 0) this.#missed.add(entry.message_id);
        } else if (entry.seq <= message.settled) {
          message.unsure = true;
        } else {
          react(message, entry.emoji, entry.kind === 'react' ? 1 : -1, entry.user === this.me);
        }
        return;
      case 'pin':
      case 'unpin':
        if (message) message.pinned = entry.kind === 'pin';
        if (entry.kind === 'pin') this.#arrived(entry);
        return;
      case 'room':
        this.givenName = entry.name || '';
        this.topic = entry.topic ?? '';
        this.kind = entry.visibility ?? this.kind;
        this.slowMode = entry.slow_mode ?? 0;
        this.retention = entry.retention ?? 0;
        if (entry.seq > 1) this.#arrived(entry);
        return;
      case 'expire':
        this.#expire(entry.upto);
        this.#arrived(entry);
        return;
      case 'enter':
      case 'leave':
      case 'kick':
        this.members += entry.kind === 'enter' ? 1 : -1;
        this.#arrived(entry);
        return;
      default:
        // Kinds of a later version are no reason to stop.
        if (NOTICES.has(entry.kind)) this.#arrived(entry);
    }
  }

  /** Who is here wrote at this time of the server's clock, which may be another than ours. */
  #spoke(ts) {
    if (this.slowed) this.wait(ts + this.slowMode * 1000 - Date.now());
  }

  /** All up to this place is gone, with what hung on it. */
  #expire(upto) {
    this.floor = Math.max(this.floor, upto);
    const gone = new Set();
    for (const { seq, message_id: id } of this.items) if (seq <= upto && id) gone.add(id);
    for (const id of gone) this.messages.delete(id);
    this.items = this.items.filter(({ seq }) => seq > upto);
    this.#tail = this.#tail.filter(({ seq }) => seq > upto);
    // What answers one of them has to say so.
    for (const message of this.messages.values()) if (gone.has(message.reply_to)) touch(message);
  }

  #arrived(item) {
    if (this.atHead) {
      if (item.kind === 'message') this.messages.set(item.message_id, item);
      this.items.push(item);
      return;
    }
    this.#tail.push(item);
    if (this.#tail.length > TAIL) this.#tailFrom = this.#tail.shift().seq;
  }

  /** Takes in messages that are not here yet, as the history tells them. */
  #learn(messages) {
    // A page on its way may be older than the end of what it tells.
    const fresh = messages.filter((message) => message.seq > this.floor && !this.messages.has(message.message_id));
    for (const message of fresh) {
      message.kind = 'message';
      // A reaction may be in this page, and come as an entry later: until it is known up to which
      // entry the page is new, only the server can tell how many there are.
      message.settled = Infinity;
      message.unsure = this.#missed.has(message.message_id);
      this.messages.set(message.message_id, message);
    }
    return fresh;
  }

  /** The reactions of these are not known for certain. */
  unsure() {
    return [...this.messages.values()].filter((message) => message.unsure);
  }

  /** All that was read until now holds what happened up to `head`. */
  settle(head) {
    for (const message of this.messages.values()) message.settled = Math.min(message.settled, head);
  }

  /** Puts a page of history before what is there. */
  prepend(page) {
    const last = this.loaded ? undefined : page.messages.findLast(({ user }) => user === this.me);
    if (last) this.#spoke(last.ts);
    this.items = [...this.#learn(page.messages), ...this.items].sort((a, b) => a.seq - b.seq);
    this.foundOldest = page.found_oldest;
    this.loaded = true;
    this.#missed.clear();
  }

  /** Puts a page after what is there; it is known to be complete up to the entry `complete`. */
  append(page, complete) {
    this.items.push(...this.#learn(page.messages));
    this.#missed.clear();
    // What was let go of between the page and the tail is for another page to tell.
    if (!page.found_newest || this.#tailFrom > complete) return;
    const tail = this.#tail.filter((item) => item.seq > complete && !this.messages.has(item.message_id));
    for (const item of tail) if (item.kind === 'message') this.messages.set(item.message_id, item);
    this.items = [...this.items, ...tail].sort((a, b) => a.seq - b.seq);
    this.atHead = true;
    this.#tail = [];
  }

  /** Puts the window elsewhere: where a page is that was asked for when `complete` was the head. */
  replace(page, complete) {
    this.items = [];
    this.messages.clear();
    this.foundOldest = page.found_oldest;
    this.loaded = true;
    this.append(page, complete);
  }

  /** From here on the newest are not added to the window. */
  detach() {
    if (!this.atHead) return;
    this.atHead = false;
    this.#tail = [];
    this.#tailFrom = this.last;
  }

  /** The place before which older messages lie. */
  get oldest() {
    return this.items.find((item) => item.kind === 'message')?.seq ?? this.last + 1;
  }

  /** The place after which newer messages lie. */
  get newest() {
    return this.items.findLast((item) => item.kind === 'message')?.seq ?? 0;
  }

  /** Lets go of the items that are furthest away, so that the window does not grow for ever. */
  trim(end) {
    if (this.items.length <= TOLERATED) return;
    const gone = end === 'oldest' ? this.items.splice(0, this.items.length - KEPT) : this.items.splice(KEPT);
    for (const { message_id: id } of gone) this.messages.delete(id);
    if (end === 'oldest') this.foundOldest = false;
    else this.detach();
  }
}
