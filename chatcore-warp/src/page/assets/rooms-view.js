// The side: who one is, whether the connection is up, and the rooms.

import { byId, el, isolated, onSubmit, showProblem } from './dom.js';

const STATES = { connecting: 'Connecting…', ready: 'Connected', waiting: 'Reconnecting…', stopped: 'Not connected' };

export function setUpRooms(session) {
  const dialog = byId('new-room-dialog');
  const form = byId('new-room-form');
  byId('new-room').addEventListener('click', () => {
    form.reset();
    showProblem(form, null);
    dialog.showModal();
  });
  for (const button of document.querySelectorAll('dialog [data-close]')) {
    button.addEventListener('click', () => button.closest('dialog').close());
  }
  onSubmit(form, async () => {
    const { name, topic, kind } = form.elements;
    const fields = { name: name.value.trim(), kind: kind.value };
    if (topic.value.trim()) fields.topic = topic.value.trim();
    const room = await session.chat.create(fields);
    dialog.close();
    session.open(room);
  });
}

export function setUpInvitations(session) {
  const dialog = byId('invite-dialog');
  const form = byId('invite-form');
  byId('invite').addEventListener('click', () => {
    form.reset();
    showProblem(form, null);
    dialog.showModal();
  });
  onSubmit(form, async () => {
    const name = form.elements.user.value.trim().replace(/^@/, '');
    const room = session.chat.current;
    if (room && name) await session.chat.invite(room.id, session.people.withHandle(name) ?? name);
    dialog.close();
  });
}

function row(summary, { testid, current, unread, hint, action }) {
  const name = summary.name || 'Unnamed room';
  const count = unread > 0 ? el('span', { className: 'unread', 'data-testid': 'unread' }, unread > 99 ? '99+' : String(unread)) : null;
  const spoken = unread > 0 ? el('span', { className: 'unseen' }, ' unread messages') : null;
  const button = el(
    'button',
    { type: 'button', className: 'room-button', 'aria-current': current ? 'true' : undefined, 'data-room': summary.id ?? summary.room, 'data-testid': testid },
    el('span', { className: 'room-mark', 'aria-hidden': 'true' }, summary.kind === 'public' ? '#' : '•'),
    el('span', { className: 'room-label' }, el('bdi', {}, name)), hint ? el('span', { className: 'hint' }, hint) : null, count, spoken,
  );
  button.addEventListener('click', action);
  return el('li', {}, button);
}

/**
 * Draws a list anew where it differs, leaving the focus on the same room: a row that goes between
 * the pressing and the letting go of a button would swallow the click.
 */
function fill(list, rows, whenEmpty) {
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.room : undefined;
  const wanted = rows.length > 0 ? rows : [el('li', { className: 'empty' }, whenEmpty)];
  for (const [place, wantedRow] of wanted.entries()) {
    const there = list.children[place];
    if (!there) list.append(wantedRow);
    else if (!there.isEqualNode(wantedRow)) there.replaceWith(wantedRow);
  }
  while (list.children.length > wanted.length) list.lastElementChild.remove();
  if (focused && document.activeElement?.dataset.room !== focused) list.querySelector(`[data-room="${CSS.escape(focused)}"]`)?.focus();
}

export function drawRooms(session) {
  const { chat } = session;
  const joined = [...chat.rooms.values()].sort((a, b) => a.name.localeCompare(b.name));
  fill(byId('joined'), joined.map((room) => row(room, {
    testid: 'joined-room', current: room === chat.current, unread: room.unread, action: () => session.open(room.id),
  })), 'None yet.');
  fill(byId('visible'), chat.visible.map((summary) => row(summary, {
    testid: 'visible-room', unread: 0, hint: summary.state === 'invited' ? 'Invited' : 'Enter', action: () => session.enter(summary.room),
  })), 'No others.');
  const unread = joined.reduce((sum, room) => sum + room.unread, 0);
  document.title = `${unread > 0 ? `(${unread}) ` : ''}${chat.current ? `${isolated(chat.current.name)} · ` : ''}chatcore`;
}

export function drawState(state) {
  const place = byId('connection');
  place.textContent = STATES[state];
  place.dataset.state = state;
}
