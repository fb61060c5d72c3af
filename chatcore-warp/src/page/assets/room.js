// What the page knows of one room: where it stands in the room's log, and what is on the screen.

/** Items kept while someone reads the newest; older ones come back from the history. */
const KEPT = 400;

/** Kinds of which nothing but a line between the messages is shown. */
const NOTICES = new Set(['invite', 'ban', 'unban', 'mute', 'unmute', 'role']);

/** Reactions stand in the order of their first use; one that nobody gives any more goes. */
function react(message, emoji, step) {
  const reactions = message.reactions ?? [];
  const known = reactions.find((reaction) => reaction.emoji === emoji);
  if (known) known.count += step;
  else if (step > 0) reactions.push({ emoji, count: step });
  message.reactions = reactions.filter(({ count }) => count > 0);
}

export class Room {
  constructor(summary) {
    this.id = summary.room;
    /** Messages and notices, oldest first. `n` of a message tells its place among messages. */
    this.items = [];
    this.messages = new Map();
    this.loaded = false;
    this.foundOldest = false;
    /** Reactions to messages that were not here: a page on its way may be older than they are. */
    this.missedReactions = 0;
    this.describe(summary);
    this.restart(summary);
  }

  /** Takes over the description: name, topic, role, counts. Leaves the place in the log alone. */
  describe(summary) {
    this.name = summary.name || (summary.kind === 'direct' ? 'Direct conversation' : 'Unnamed room');
    this.topic = summary.topic || '';
    this.kind = summary.kind;
    this.role = summary.role;
    this.members = summary.members;
    this.headN = Math.max(this.headN ?? 0, summary.head_n ?? 0);
    this.readN = Math.max(this.readN ?? 0, summary.read_n ?? 0);
  }

  /** Starts over at the head: the log is another one, or the way to it is lost. */
  restart({ epoch, head_seq: head }) {
    this.epoch = epoch;
    this.last = head;
    this.items = [];
    this.messages.clear();
    this.loaded = false;
    this.foundOldest = false;
  }

  get cursor() {
    return { epoch: this.epoch, seq: this.last };
  }

  /** Whether who is here may ask others in. */
  get invites() {
    if (this.kind === 'direct') return false;
    return this.kind === 'public' || this.role === 'moderator' || this.role === 'owner';
  }

  get unread() {
    return Math.max(0, this.headN - this.readN);
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
    const message = this.messages.get(entry.message_id);
    switch (entry.kind) {
      case 'message':
        this.headN = Math.max(this.headN, entry.n ?? 0);
        if (!message) this.#add({ ...entry, reactions: [] });
        break;
      case 'edit':
        if (message && !message.deleted_at) {
          message.text = entry.text;
          message.edited_at = entry.ts;
        }
        break;
      case 'delete':
        if (message) {
          message.text = '';
          message.attachments = [];
          message.reactions = [];
          message.deleted_at = entry.ts;
        }
        break;
      case 'react':
        if (message) react(message, entry.emoji, 1);
        else this.missedReactions += 1;
        break;
      case 'unreact':
        if (message) react(message, entry.emoji, -1);
        else this.missedReactions += 1;
        break;
      case 'room':
        this.name = entry.name || this.name;
        this.topic = entry.topic ?? '';
        this.kind = entry.visibility ?? this.kind;
        if (entry.seq > 1) this.items.push(entry);
        break;
      case 'enter':
      case 'leave':
      case 'kick':
        this.members += entry.kind === 'enter' ? 1 : -1;
        this.items.push(entry);
        break;
      default:
        // Kinds of a later version are no reason to stop.
        if (NOTICES.has(entry.kind)) this.items.push(entry);
    }
  }

  #add(message) {
    message.kind = 'message';
    this.messages.set(message.message_id, message);
    this.items.push(message);
  }

  /** Puts a page of history before what is there. Messages that are there already stay. */
  prepend(page) {
    const fresh = page.messages.filter((message) => !this.messages.has(message.message_id));
    for (const message of fresh) {
      message.kind = 'message';
      this.messages.set(message.message_id, message);
    }
    this.items = [...fresh, ...this.items].sort((a, b) => a.seq - b.seq);
    this.foundOldest = page.found_oldest;
    this.loaded = true;
  }

  /** The place before which older messages lie. */
  get oldest() {
    return this.items.find((item) => item.kind === 'message')?.seq ?? this.last + 1;
  }

  /** Lets go of the oldest, so that a page left open does not grow for ever. */
  trim() {
    if (this.items.length <= KEPT * 1.5) return false;
    for (const item of this.items.splice(0, this.items.length - KEPT)) {
      this.messages.delete(item.message_id);
    }
    this.foundOldest = false;
    return true;
  }
}
