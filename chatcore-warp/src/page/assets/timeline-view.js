// The messages of the room on the screen.

import { api } from './api.js';
import { byId, el, size } from './dom.js';

const GROUP_MS = 5 * 60_000;
const NEAR_BOTTOM = 80;
const SHOWN_IMAGES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);
const LINK = /\bhttps?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]]/g;

const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

/** Words of a person, kept from reordering what stands beside them. */
const own = (text) => el('bdi', {}, text);
const because = ({ reason }) => (reason ? [': ', own(reason)] : []);
const NOTICE = {
  enter: (e, name) => [name(e.user), ' came in'],
  leave: (e, name) => [name(e.user), ' left'],
  invite: (e, name) => [name(e.user), ' invited ', name(e.target)],
  kick: (e, name) => [name(e.user), ' sent ', name(e.target), ' out', ...because(e)],
  ban: (e, name) => [name(e.user), ' banned ', name(e.target), ...because(e)],
  unban: (e, name) => [name(e.user), ' lifted the ban of ', name(e.target)],
  mute: (e, name) => [name(e.user), ' muted ', name(e.target), ...because(e)],
  unmute: (e, name) => [name(e.user), ' let ', name(e.target), ' write again'],
  role: (e, name) => [name(e.user), ' made ', name(e.target), ` ${e.role}`],
  room: (e, name) => [name(e.user), ' changed the room: ', own(e.name ?? '')],
};

function dayOf(ts) {
  return Number.isNaN(new Date(ts).getTime()) ? '' : day.format(ts);
}

/** One of eight colours, the same for the same person everywhere. */
function tint(id) {
  let sum = 0;
  for (const character of id) sum = (sum * 31 + character.codePointAt(0)) % 65_521;
  return `tint-${sum % 8}`;
}

function initial(name) {
  return ([...name.matchAll(/\p{L}|\p{N}/gu)][0]?.[0] ?? '?').toUpperCase();
}

/** Text with its web addresses as links; everything else stays the text that it is. */
function withLinks(text) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    parts.push(text.slice(from, match.index));
    parts.push(el('a', { href: match[0], target: '_blank', rel: 'noopener noreferrer nofollow' }, match[0]));
    from = match.index + match[0].length;
  }
  parts.push(text.slice(from));
  return parts.filter((part) => part !== '');
}

function attachment(file) {
  const href = api.fileUrl(file);
  if (SHOWN_IMAGES.has(file.content_type)) {
    const image = el('img', {
      src: href, alt: file.name, loading: 'lazy', decoding: 'async', width: file.width, height: file.height, 'data-testid': 'image',
    });
    return el('a', { href, target: '_blank', rel: 'noopener', className: 'image' }, image);
  }
  return el(
    'a', { href, download: file.name, className: 'file', 'data-testid': 'attachment' },
    el('span', { className: 'file-name' }, own(file.name)), ' ', el('span', { className: 'hint' }, size(file.size)),
  );
}

function messageBody(message) {
  if (message.deleted_at) return [el('p', { className: 'deleted' }, 'This message was deleted.')];
  const parts = [];
  if (message.text) {
    const text = el('p', { className: 'text', dir: 'auto', 'data-testid': 'message-text' }, ...withLinks(message.text));
    if (message.edited_at) text.append(' ', el('span', { className: 'hint' }, '(edited)'));
    parts.push(text);
  }
  if (message.attachments?.length) parts.push(el('div', { className: 'attachments' }, ...message.attachments.map(attachment)));
  if (message.reactions?.length) {
    parts.push(el('p', { className: 'reactions' }, ...message.reactions.map(({ emoji, count }) => el('span', { 'data-testid': 'reaction' }, `${emoji} ${count}`))));
  }
  return parts;
}

/** One row that cannot be drawn must not take the others with it. */
function guarded(draw) {
  try {
    return draw();
  } catch (problem) {
    console.error(problem);
    return el('li', { className: 'notice' }, 'This cannot be shown.');
  }
}

export class Timeline {
  #session;
  #scroll = byId('scroll');
  #list = byId('messages');
  #drawn = new Map();
  #room = null;
  #scheduled = false;
  #atEnd = true;
  #top = 0;

  constructor(session) {
    this.#session = session;
    this.#scroll.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    byId('earlier').addEventListener('click', () => this.#earlier());
    byId('newest').addEventListener('click', () => this.#toEnd());
    document.addEventListener('visibilitychange', () => this.#seen());
    // An image that arrives, or a keyboard that opens, must not push the newest out of sight.
    const stick = new ResizeObserver(() => { if (this.#atEnd) this.#toEnd(); });
    stick.observe(this.#list);
    stick.observe(this.#scroll);
  }

  /** Draws soon, once, however often it is asked. */
  draw() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      this.#drawNow();
    });
  }

  #drawNow() {
    const { chat } = this.#session;
    const room = chat?.current ?? null;
    if (room !== this.#room) {
      this.#room = room;
      this.#drawn.clear();
      this.#list.replaceChildren();
      this.#atEnd = true;
    }
    if (!room) return;
    if (this.#atEnd) room.trim();

    // Whoever reads older messages keeps looking at the same one.
    const before = this.#scroll.scrollHeight - this.#scroll.scrollTop;
    const oldFirst = this.#list.querySelector('.message')?.dataset.key;
    const newest = this.#list.lastElementChild;
    this.#reconcile(this.#plan(room, chat));
    byId('earlier').hidden = !room.loaded || room.foundOldest;
    byId('beginning').hidden = !room.loaded || !room.foundOldest;
    this.#list.setAttribute('aria-busy', String(!room.loaded));

    if (this.#atEnd) {
      this.#toEnd();
    } else {
      if (oldFirst !== this.#list.querySelector('.message')?.dataset.key) {
        this.#scroll.scrollTop = this.#scroll.scrollHeight - before;
      }
      if (newest !== this.#list.lastElementChild) byId('newest').hidden = false;
    }
    this.#seen();
  }

  /** What should stand there: `key` says which, `version` changes when it must be drawn anew. */
  #plan(room, chat) {
    const name = (id) => this.#session.people.name(id);
    const rows = [];
    let lastDay = '';
    let previous = null;
    for (const item of [...room.items, ...chat.outbox.of(room.id)]) {
      const today = dayOf(item.ts);
      if (today !== lastDay) {
        rows.push({ key: `day-${today}`, version: '', draw: () => el('li', { className: 'day' }, el('span', {}, today)) });
        lastDay = today;
        previous = null;
      }
      if (item.kind !== 'message') {
        const said = [name(item.user), item.target ? name(item.target) : ''];
        rows.push({
          key: `seq-${item.seq}`, version: JSON.stringify(said),
          draw: () => el('li', { className: 'notice', 'data-testid': 'notice' }, ...NOTICE[item.kind](item, (id) => own(name(id)))),
        });
        previous = null;
        continue;
      }
      const head = !previous || previous.user !== item.user || item.ts - previous.ts > GROUP_MS;
      const author = name(item.user);
      rows.push({
        key: item.message_id ?? item.client_msg_id,
        version: JSON.stringify([
          head, author, this.#session.people.picture(item.user), item.text, item.edited_at, item.deleted_at, item.state, item.reactions,
        ]),
        draw: () => this.#message(item, head, author),
      });
      previous = item;
    }
    return rows;
  }

  #message(message, head, author) {
    const mine = message.user === this.#session.me.id;
    const stamp = el('time', { dateTime: new Date(message.ts).toISOString(), title: full.format(message.ts) }, time.format(message.ts));
    const row = el('li', {
      className: `message${head ? ' head' : ''}${mine ? ' mine' : ''}`, 'data-testid': 'message', 'data-seq': message.seq, 'data-state': message.state,
    });
    if (head) row.append(this.#avatar(message.user, author));
    const spoken = head ? '' : ' unseen';
    row.append(el('p', { className: `byline${spoken}` }, el('span', { className: 'author', 'data-testid': 'author' }, own(author)), ' ', stamp));
    row.append(...messageBody(message));
    if (message.state === 'waiting') row.append(el('p', { className: 'state' }, 'Sending…'));
    if (message.state === 'failed') row.append(this.#failed(message));
    return row;
  }

  #avatar(user, author) {
    const picture = this.#session.people.picture(user);
    if (picture) return el('img', { src: picture, alt: '', className: 'avatar', loading: 'lazy' });
    return el('span', { className: `avatar ${tint(user)}`, 'aria-hidden': 'true' }, initial(author));
  }

  #failed(message) {
    const { chat } = this.#session;
    const again = el('button', { type: 'button', className: 'link' }, 'Try again');
    again.addEventListener('click', () => chat.retry(message));
    const away = el('button', { type: 'button', className: 'link' }, 'Discard');
    away.addEventListener('click', () => chat.discard(message));
    return el('p', { className: 'state failed', role: 'alert' }, `Not sent: ${message.problem} `, again, ' ', away);
  }

  /** Brings the list to `rows`, touching only what differs. */
  #reconcile(rows) {
    const wanted = new Set(rows.map(({ key }) => key));
    for (const [key, { element }] of this.#drawn) {
      if (!wanted.has(key)) {
        element.remove();
        this.#drawn.delete(key);
      }
    }
    let place = this.#list.firstElementChild;
    for (const { key, version, draw } of rows) {
      let drawn = this.#drawn.get(key);
      if (drawn && drawn.version !== version) {
        const element = guarded(draw);
        if (place === drawn.element) place = element;
        drawn.element.replaceWith(element);
        element.dataset.key = key;
        drawn = { element, version };
        this.#drawn.set(key, drawn);
      } else if (!drawn) {
        drawn = { element: guarded(draw), version };
        drawn.element.dataset.key = key;
        this.#drawn.set(key, drawn);
      }
      if (drawn.element === place) place = place.nextElementSibling;
      else this.#list.insertBefore(drawn.element, place);
    }
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroll;
    const near = scrollHeight - scrollTop - clientHeight < NEAR_BOTTOM;
    // Only whoever goes up leaves the end; an image that grows below them does not take them away.
    this.#atEnd = near || (this.#atEnd && scrollTop >= this.#top);
    this.#top = scrollTop;
    if (this.#atEnd) {
      byId('newest').hidden = true;
      this.#seen();
    }
    if (scrollTop < NEAR_BOTTOM && this.#room?.loaded && !byId('earlier').hidden) this.#earlier();
  }

  #earlier() {
    this.#session.chat?.earlier().catch(() => {
      // The button stays, and says what it does.
    });
  }

  #toEnd() {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
    this.#top = this.#scroll.scrollTop;
    this.#atEnd = true;
    byId('newest').hidden = true;
  }

  #seen() {
    if (this.#atEnd && this.#room?.loaded && document.visibilityState === 'visible') this.#session.chat?.read();
  }
}
