// The side: the rooms that one is in, and those that one may enter.

import { byId, el, icon, iconButton, isolated } from './dom.js';
import { userAvatar } from './elements.js';
import { t } from './i18n.js';
import { openNewRoom } from './later.js';
import { roomName, roomTitle } from './names.js';
import { session } from './session.js';
import { attempt } from './toast.js';

const STATES = { connecting: 'state.connecting', ready: 'state.ready', waiting: 'state.waiting', stopped: 'state.stopped' };
/** Rows of rooms to enter; the filter finds the others. */
const MOST_ROWS = 200;

const filter = byId('room-filter');

function mark(room) {
  if (!room.other) return el('span', { className: 'room-mark', 'aria-hidden': 'true' }, room.kind === 'public' ? '#' : icon('lock'));
  const here = room.present?.has(room.other);
  return el('span', { className: here ? 'room-mark here' : 'room-mark' }, userAvatar(room.other), here ? el('span', { className: 'unseen' }, t('member.here')) : null);
}

function row(room, { id, testid, current, unread, mentions, hint, muted }) {
  const count = unread > 0 ? el(
    'span', { className: mentions > 0 ? 'unread to-me' : 'unread', 'data-testid': 'unread' },
    `${mentions > 0 ? '@' : ''}${unread > 99 ? '99+' : unread}`,
  ) : null;
  const spoken = unread > 0 ? el('span', { className: 'unseen' }, ` ${t('rooms.unread', { n: unread })}`) : null;
  return el('li', {}, el(
    'button',
    { type: 'button', className: unread > 0 ? 'room-button news' : 'room-button', 'aria-current': current ? 'true' : undefined, 'data-room': id, 'data-testid': testid },
    mark(room), el('span', { className: 'room-label' }, roomName(room)),
    muted ? el('span', { className: 'muted', 'data-testid': 'muted' }, icon('quiet'), el('span', { className: 'unseen' }, t('notify.muted'))) : null, hint ? el('span', { className: 'hint' }, hint) : null, count, spoken,
  ));
}

/**
 * Draws a list anew where it differs, leaving the focus on the same room: a row that goes between
 * the pressing and the letting go of a button would swallow the click.
 */
function fill(list, rows, whenEmpty) {
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.room : undefined;
  const wanted = rows.length > 0 ? rows : [{ version: whenEmpty, draw: () => el('li', { className: 'empty' }, whenEmpty) }];
  for (const [place, { version, draw }] of wanted.entries()) {
    const there = list.children[place];
    if (there?.dataset.version === version) continue;
    const drawn = draw();
    drawn.dataset.version = version;
    if (there) there.replaceWith(drawn);
    else list.append(drawn);
  }
  while (list.children.length > wanted.length) list.lastElementChild.remove();
  if (focused && document.activeElement?.dataset.room !== focused) list.querySelector(`[data-room="${CSS.escape(focused)}"]`)?.focus();
}

function listed(chat) {
  const wanted = filter.value.trim().toLowerCase();
  const named = [...chat.rooms.values()].map((room) => ({ room, title: roomTitle(room) }));
  return named.filter(({ title }) => title.toLowerCase().includes(wanted))
    .sort((a, b) => (a.room.kind === 'direct') - (b.room.kind === 'direct') || a.title.localeCompare(b.title))
    .map(({ room }) => room);
}

export function drawRooms() {
  const { chat } = session;
  if (!chat) return;
  fill(byId('joined'), listed(chat).map((room) => {
    const about = { id: room.id, testid: 'joined-room', current: room === chat.current, unread: room.badge, mentions: room.mentions, muted: room.muted };
    const version = JSON.stringify([about, room.kind, room.name, room.other, room.present.has(room.other)]);
    return { version, draw: () => row(room, about) };
  }), chat.known ? t(filter.value ? 'rooms.none_found' : 'rooms.none') : t('loading'));
  const wanted = filter.value.trim().toLowerCase();
  const visible = chat.visible.filter(({ name }) => (name ?? '').toLowerCase().includes(wanted)).slice(0, MOST_ROWS);
  fill(byId('visible'), visible.map((summary) => {
    const about = { id: summary.room, testid: 'visible-room', unread: 0, hint: t(summary.state === 'invited' ? 'rooms.invited' : 'rooms.enter') };
    const room = { name: summary.name || t('room.unnamed'), kind: summary.kind };
    return { version: JSON.stringify([about, room]), draw: () => row(room, about) };
  }), t('rooms.no_others'));
  byId('visible-part').hidden = chat.visible.length === 0;
  const unread = [...chat.rooms.values()].reduce((sum, room) => sum + room.badge, 0);
  document.title = `${unread > 0 ? `(${unread}) ` : ''}${chat.current ? `${isolated(roomTitle(chat.current))} · ` : ''}chatcore`;
}

export function drawState() {
  const { chat } = session;
  if (!chat) return;
  const place = byId('connection');
  const unsent = chat.outbox.unsent;
  const waits = chat.state !== 'ready' && unsent > 0 ? ` · ${t('state.unsent', { n: unsent })}` : '';
  const text = t(STATES[chat.state]) + waits;
  if (place.textContent !== text) place.textContent = text;
  place.dataset.state = chat.state;
  byId('offline').hidden = chat.state === 'ready' || chat.state === 'connecting';
  byId('offline').textContent = t('state.offline') + waits;
}

/** The room `step` further down the list; with `unread`, the next one with something unread. */
export function neighbour(step, unread) {
  const { chat } = session;
  const rooms = listed(chat);
  const wanted = (room) => !unread || room.badge > 0;
  const at = rooms.indexOf(chat.current);
  for (let i = 1; i <= rooms.length; i += 1) {
    const place = at < 0 && step < 0 ? rooms.length - i : at + step * i;
    const room = rooms[((place % rooms.length) + rooms.length) % rooms.length];
    if (wanted(room)) return room.id;
  }
  return null;
}

export function setUpRooms() {
  byId('new-room').replaceWith(iconButton('plus', t('rooms.new'), openNewRoom, { id: 'new-room', 'data-testid': 'new-room' }));
  filter.addEventListener('input', drawRooms);
  filter.addEventListener('keydown', (event) => {
    const first = byId('joined').querySelector('button') ?? byId('visible').querySelector('button');
    if (event.key === 'Escape') filter.value = '';
    else if (event.key === 'ArrowDown') first?.focus();
    else if (event.key === 'Enter') first?.click();
    else return;
    event.preventDefault();
    if (event.key === 'Enter') filter.value = '';
    drawRooms();
  });
  byId('joined').addEventListener('click', ({ target }) => {
    const id = target.closest('[data-room]')?.dataset.room;
    if (id) session.open(id);
  });
  byId('visible').addEventListener('click', ({ target }) => {
    const id = target.closest('[data-room]')?.dataset.room;
    if (!id) return;
    attempt(async () => {
      await session.chat.enter(id);
      session.open(id);
    }).then((entered) => { if (!entered) session.chat?.refreshSoon(); });
  });
  byId('room-lists').addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const buttons = [...byId('room-lists').querySelectorAll('.room-button')];
    const at = buttons.indexOf(document.activeElement);
    if (at < 0) return;
    event.preventDefault();
    (buttons[at + step] ?? (step < 0 ? filter : buttons[at])).focus();
  });
}
