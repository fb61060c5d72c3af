// The panel of members: who is there, what they may do, and what may be done to them.

import { api } from './api.js';
import { byId, calmly, el, iconButton } from './dom.js';
import { userAvatar, userName } from './elements.js';
import { shortText } from './format.js';
import { t } from './i18n.js';
import { openBlock, openDirect, openInvite, openSanction } from './later.js';
import { CHANGES_MEMBERS, loadMembers, outranks } from './members.js';
import { openMenu } from './menu.js';
import { people } from './people.js';
import { session } from './session.js';
import { attempt } from './toast.js';

const panel = byId('members');
const list = byId('member-list');
const reload = calmly(() => read(session.chat?.current), 300);
let room = null;

const ORDER = { owner: 0, moderator: 1, member: 2 };

async function read(which) {
  if (!which) return;
  await loadMembers(which).catch(() => {
    // Who left in between is not told any more; a connection that comes back asks again.
  });
  if (which === room) drawMembers();
}

function actions(member) {
  const { user, role } = member;
  const own = room.role;
  const change = (fields) => () => attempt(() => api.member(room.id, user, fields)).then(reload);
  const below = outranks(own, role) && room.moderates;
  const muted = member.muted_until > Date.now();
  const sanction = (action) => () => openSanction(room, user, action);
  const other = user !== session.me.id;
  const { blocks } = session.chat;
  return [
    other && { label: t('direct.write'), testid: 'member-write', action: () => openDirect(user) },
    room.owns && role !== 'moderator' && other && { label: t('member.make_moderator'), testid: 'member-moderator', action: change({ action: 'role', role: 'moderator' }) },
    room.owns && role !== 'owner' && { label: t('member.make_owner'), testid: 'member-owner', action: change({ action: 'role', role: 'owner' }) },
    room.owns && role !== 'member' && other && { label: t('member.make_member'), testid: 'member-member', action: change({ action: 'role', role: 'member' }) },
    below && !muted && { label: t('member.mute'), testid: 'member-mute', action: sanction('mute') },
    below && muted && { label: t('member.unmute'), testid: 'member-unmute', action: change({ action: 'unmute' }) },
    below && { label: t('member.kick'), danger: true, testid: 'member-kick', action: sanction('kick') },
    below && { label: t('member.ban'), danger: true, testid: 'member-ban', action: sanction('ban') },
    other && !blocks.has(user) && { label: t('block.them'), danger: true, testid: 'member-block', action: () => openBlock(user) },
    other && blocks.has(user) && { label: t('unblock'), testid: 'member-unblock', action: () => attempt(() => blocks.set(user, false)) },
  ].filter(Boolean);
}

function row(member) {
  const { user, role } = member;
  const here = room.present.has(user);
  const muted = member.muted_until > Date.now();
  const item = el(
    'li', { className: here ? 'member here' : 'member', 'data-testid': 'member', 'data-user': user },
    userAvatar(user), el('span', { className: 'member-name' }, userName(user)),
    here ? el('span', { className: 'unseen' }, t('member.here')) : null,
    session.chat.blocks.has(user) ? el('span', { className: 'hint', 'data-testid': 'blocks-them' }, t('blocked')) : null,
    muted ? el('span', { className: 'hint', title: shortText(member.muted_until) }, t('member.muted')) : null,
    role === 'member' || room.kind === 'direct' ? null : el('span', { className: 'badge' }, t(`role.${role}`)),
  );
  const name = people.name(user);
  if (actions(member).length > 0) {
    const more = iconButton('more', t('member.actions', { name }), () => openMenu(more, actions(member)), { 'aria-haspopup': 'menu', 'data-testid': 'member-actions' });
    item.append(more);
  }
  return item;
}

/** Draws the panel of the room on the screen, if it is open. */
export function drawMembers() {
  if (panel.hidden || !room) return;
  const members = [...room.memberList ?? []].sort((a, b) => room.present.has(b.user) - room.present.has(a.user)
    || ORDER[a.role] - ORDER[b.role] || people.name(a.user).localeCompare(people.name(b.user)));
  // Whoever is about to use one of these must find it where it was.
  const focused = list.contains(document.activeElement) ? document.activeElement.closest('[data-user]')?.dataset.user : null;
  list.replaceChildren(...members.map(row));
  if (focused) list.querySelector(`[data-user="${CSS.escape(focused)}"] button`)?.focus();
  const others = Math.max(0, room.members - members.length);
  byId('more-members').hidden = others === 0 || !room.memberList;
  byId('more-members').textContent = t('member.others', { n: others });
  byId('invite').hidden = !room.invites;
}

export function showMembers(which) {
  if (which !== room) {
    room = which;
    list.replaceChildren();
    if (room) read(room);
  }
  drawMembers();
}

export function toggleMembers() {
  panel.hidden = !panel.hidden;
  byId('chat').classList.toggle('with-members', !panel.hidden);
  byId('show-members').setAttribute('aria-expanded', String(!panel.hidden));
  if (!panel.hidden) {
    drawMembers();
    reload();
    byId('close-members').focus();
  } else {
    byId('show-members').focus();
  }
}

/** An entry came that may change who is there. */
export function membersHeard(entry) {
  if (entry.room === room?.id && CHANGES_MEMBERS.has(entry.kind)) reload();
}

export function setUpMembers() {
  byId('close-members').replaceWith(iconButton('close', t('close'), toggleMembers, { id: 'close-members' }));
  byId('invite').addEventListener('click', () => openInvite(room));
  panel.addEventListener('keydown', (event) => { if (event.key === 'Escape') toggleMembers(); });
  people.addEventListener('named', calmly(drawMembers, 200));
}
