// The messages of the room on the screen: a window of them, which is moved as one scrolls.

import { api } from './api.js';
import { byId, el } from './dom.js';
import { dayText } from './format.js';
import { t } from './i18n.js';
import { openReaders, openViewer } from './later.js';
import { messageRow } from './message-view.js';
import { hiddenRow, noticeRow } from './notices.js';
import { planRows } from './plan.js';
import { session } from './session.js';
import { complain } from './toast.js';

const NEAR_END = 60;
/** Another page is asked for when there is less than so many screens of messages left. */
const AHEAD = 2;

function drawRow(row, room) {
  try {
    switch (row.kind) {
      case 'day': return el('div', { className: 'day' }, el('span', {}, dayText(row.ts)));
      case 'unread': return el('div', { className: 'day unread-line', 'data-testid': 'unread-line' }, el('span', {}, t('timeline.unread')));
      case 'notice': return noticeRow(row.item);
      case 'hidden': return hiddenRow(row.items);
      default: return messageRow(row.item, { head: row.head, seen: row.seen ? t(room.kind === 'direct' ? 'message.seen' : 'message.seen_by', { n: row.seen }) : '' });
    }
  } catch (problem) {
    // One row that cannot be drawn must not take the others with it.
    console.error(problem);
    return el('div', { className: 'notice' }, t('timeline.broken'));
  }
}

export class Timeline {
  #actions;
  #scroll = byId('scroll');
  #list = byId('messages');
  #drawn = new Map();
  #room = null;
  #scheduled = false;
  #atEnd = true;
  #top = 0;
  #target = null;

  constructor(actions) {
    this.#actions = actions;
    const list = this.#list;
    this.#scroll.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    this.#scroll.addEventListener('keydown', (event) => this.#pressed(event));
    byId('newest').addEventListener('click', () => this.toNewest());
    byId('edge-retry').addEventListener('click', () => this.#fill(true));
    list.addEventListener('click', (event) => this.#clicked(event));
    const tools = ({ target }) => {
      const row = target.closest?.('.message');
      if (row) actions.showOn(row, this.#messageOf(row));
    };
    // Rows that move under a pointer which rests take nothing from who uses keys.
    let rests = '';
    const place = ({ clientX, clientY }) => `${clientX} ${clientY}`;
    document.addEventListener('pointermove', (event) => { rests = place(event); }, { capture: true, passive: true });
    list.addEventListener('pointerover', (event) => { if (place(event) !== rests) tools(event); });
    list.addEventListener('focusin', tools);
    list.addEventListener('pointerleave', () => { if (!list.contains(document.activeElement)) actions.hide(); });
    document.addEventListener('visibilitychange', () => this.#seen());
    // An image that arrives, or a keyboard that opens, must not push the newest out of sight.
    const stick = new ResizeObserver(() => { if (this.#atEnd) this.#toEnd(); });
    stick.observe(list);
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
    const { chat } = session;
    const room = chat?.current ?? null;
    if (room !== this.#room) this.#enter(room);
    if (!room) return;
    if (this.#atEnd && room.atHead) room.trim('oldest');
    const items = room.atHead ? [...room.items, ...chat.outbox.of(room.id)] : room.items;
    const anchor = this.#atEnd ? null : this.#anchor();
    const newest = this.#list.lastElementChild;
    this.#reconcile(planRows(items, {
      me: session.me.id, readAtOpen: room.readAtOpen, online: chat.state === 'ready', seenBy: (message) => this.#seenBy(message),
      hides: (message) => chat.blocks.hides(message),
    }));
    this.#edges(room);
    if (this.#target) this.#toTarget();
    else if (this.#atEnd && room.atHead) this.#toEnd();
    else this.#restore(anchor);
    if (newest && newest !== this.#list.lastElementChild && !this.#atEnd) byId('newest').classList.add('news');
    this.#drawNewest();
    this.#seen();
    this.#fill();
  }

  #enter(room) {
    this.#room = room;
    this.#drawn.clear();
    this.#list.replaceChildren();
    this.#actions.hide();
    this.#atEnd = true;
    this.#target = null;
    byId('newest').classList.remove('news');
  }

  #seenBy(message) {
    let seen = 0;
    for (const [user, seq] of this.#room.marks) if (user !== session.me.id && seq >= message.seq) seen += 1;
    return seen;
  }

  #edges(room) {
    const waits = !room.loaded;
    byId('edge').dataset.state = room.failed ? 'failed' : waits || !room.foundOldest ? 'loading' : 'beginning';
    byId('empty-room').hidden = !room.loaded || this.#list.childElementCount > 0;
    byId('beginning').textContent = t(room.floor > 0 ? 'timeline.floor' : 'timeline.beginning');
    this.#list.setAttribute('aria-busy', String(waits));
  }

  // Where one is

  /** The first row on the screen, and where: whoever reads keeps looking at the same one. */
  #anchor() {
    const rows = this.#list.children;
    const top = this.#scroll.scrollTop - this.#list.offsetTop;
    let [low, high] = [0, rows.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].offsetTop + rows[middle].offsetHeight - this.#list.offsetTop <= top) low = middle + 1;
      else high = middle;
    }
    // Lines between the messages may go when there are others around them.
    while (rows[low] && !rows[low].classList.contains('message')) low += 1;
    return rows[low] && { row: rows[low], key: rows[low].dataset.key, at: rows[low].offsetTop - this.#scroll.scrollTop };
  }

  #restore(anchor) {
    const row = anchor && this.#drawn.get(anchor.key)?.element;
    if (!row) return;
    const wanted = row.offsetTop - anchor.at;
    if (Math.abs(wanted - this.#scroll.scrollTop) >= 1) this.#scroll.scrollTop = wanted;
    this.#top = this.#scroll.scrollTop;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroll;
    const near = scrollHeight - scrollTop - clientHeight < NEAR_END;
    // Only whoever goes up leaves the end; an image that grows below them does not take them away.
    this.#atEnd = Boolean(this.#room?.atHead) && (near || (this.#atEnd && scrollTop >= this.#top));
    this.#top = scrollTop;
    this.#drawNewest();
    this.#seen();
    this.#fill();
  }

  /** Reads on, where what is there ends soon. */
  #fill(again = false) {
    const { chat } = session;
    const room = this.#room;
    if (!chat || !room || room.loading > 0 || this.#target || (room.failed && !again)) return;
    const { scrollTop, scrollHeight, clientHeight } = this.#scroll;
    let read = null;
    if (!room.loaded || (scrollTop < AHEAD * clientHeight && !room.foundOldest)) read = chat.history.earlier(room);
    else if (!room.atHead && scrollHeight - scrollTop - clientHeight < AHEAD * clientHeight) read = chat.history.later(room);
    // That it went wrong is shown at the edge, with a way to try again.
    read?.catch(() => {});
  }

  #toEnd() {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
    this.#top = this.#scroll.scrollTop;
    this.#atEnd = true;
    this.#drawNewest();
  }

  #drawNewest() {
    const button = byId('newest');
    button.hidden = this.#atEnd || !this.#room?.loaded;
    if (this.#atEnd) button.classList.remove('news');
  }

  #seen() {
    if (this.#atEnd && this.#room?.loaded && document.visibilityState === 'visible' && document.hasFocus()) session.chat?.read();
  }

  /** Also for who comes back to the window. */
  looked() {
    this.#seen();
  }

  // Where one goes

  /** To the newest, wherever one is. */
  toNewest() {
    const room = this.#room;
    if (!room) return;
    this.#atEnd = true;
    if (room.atHead) this.#toEnd();
    else session.chat.history.newest(room).catch(complain);
  }

  /** To the first message of all. */
  toOldest() {
    const room = this.#room;
    if (!room || room.foundOldest) this.#scroll.scrollTop = 0;
    else this.#around(room, 1, null);
  }

  /** To a message of this room, wherever it is; `seq` is its place, if that is known. */
  async jump(id, seq) {
    const room = this.#room;
    if (!room) return;
    this.#target = id;
    this.#atEnd = false;
    session.chat.blocks.show([id]);
    if (room.messages.has(id)) {
      this.draw();
      return;
    }
    try {
      const place = seq ?? (await api.message(room.id, id)).seq;
      await this.#around(room, place, id);
    } catch (problem) {
      this.#target = null;
      complain(problem);
    }
  }

  async #around(room, seq, target) {
    this.#atEnd = false;
    this.#target = target;
    const read = await session.chat.history.around(room, seq).catch((problem) => { this.#target = null; complain(problem); });
    if (read && !target) requestAnimationFrame(() => requestAnimationFrame(() => { this.#scroll.scrollTop = 0; }));
  }

  #toTarget() {
    const row = this.#drawn.get(this.#target)?.element;
    if (!row) return;
    this.#target = null;
    row.scrollIntoView({ block: 'center' });
    this.#top = this.#scroll.scrollTop;
    row.classList.remove('flash');
    requestAnimationFrame(() => row.classList.add('flash'));
    row.focus({ preventScroll: true });
  }

  // What is done to it

  #messageOf(row) {
    const { key } = row.dataset;
    return this.#room?.messages.get(key) ?? session.chat?.outbox.of(this.#room?.id).find((message) => message.client_msg_id === key);
  }

  #clicked({ target }) {
    const row = target.closest('.message');
    const message = row && this.#messageOf(row);
    const hit = target.closest('[data-jump], [data-emoji], [data-image], [data-action], [data-unfold]');
    if (!hit) return;
    const { jump, emoji, image, action, unfold } = hit.dataset;
    if (jump) this.jump(jump);
    else if (unfold) this.#unfold(unfold.split(' '));
    else if (!message) return;
    else if (emoji) this.#actions.react(message, emoji);
    else if (image) openViewer(message.attachments, image);
    else if (action === 'readers') openReaders(this.#room, message);
    else if (action === 'retry') session.chat.sender.retry(message);
    else if (action === 'discard') session.chat.sender.discard(message);
  }

  /** Shows messages that were folded away, the first of them to who uses keys. */
  #unfold(messages) {
    session.chat.blocks.show(messages);
    this.#drawNow();
    this.#drawn.get(messages[0])?.element.focus({ preventScroll: true });
  }

  #pressed(event) {
    if (event.key === 'End' || (event.key === 'Home' && event.ctrlKey)) {
      event.preventDefault();
      if (event.key === 'End') this.toNewest();
      else this.toOldest();
      return;
    }
    const row = event.target.closest('.message');
    const step = { ArrowDown: 'nextElementSibling', ArrowUp: 'previousElementSibling' }[event.key];
    if (step && (row === event.target || event.target === this.#scroll) && !event.ctrlKey) {
      let to = row ? row[step] : this.#list.lastElementChild;
      while (to && !to.classList.contains('message')) to = to[step];
      if (!to) return;
      event.preventDefault();
      to.focus();
      return;
    }
    if (row && row === event.target && this.#actions.pressed(event, this.#messageOf(row), row)) event.preventDefault();
  }

  /** Puts the focus on the newest message. */
  focus() {
    const rows = this.#list.querySelectorAll('.message');
    (rows[rows.length - 1] ?? this.#scroll).focus();
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
    for (const row of rows) {
      const { key, version } = row;
      let drawn = this.#drawn.get(key);
      if (!drawn || drawn.version !== version) {
        const element = drawRow(row, this.#room);
        element.dataset.key = key;
        if (drawn) {
          const focused = drawn.element === document.activeElement;
          if (place === drawn.element) place = element;
          drawn.element.replaceWith(element);
          if (focused) element.focus({ preventScroll: true });
        }
        drawn = { element, version };
        this.#drawn.set(key, drawn);
      }
      if (drawn.element === place) place = place.nextElementSibling;
      else this.#list.insertBefore(drawn.element, place);
    }
  }
}
