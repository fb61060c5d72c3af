// The head of the room on the screen: what it is called, who is writing, and what can be done.

import { byId, el, iconButton } from './dom.js';
import { userName } from './elements.js';
import { pieces, t } from './i18n.js';
import { openBlock, openDescribe, openInvite, openLeave, openLinks, openNotify, openPins, openRoomAudit } from './later.js';
import { toggleMembers } from './members-view.js';
import { openMenu } from './menu.js';
import { roomName } from './names.js';
import { session } from './session.js';
import { drawSlow } from './slow-view.js';
import { attempt } from './toast.js';

const NAMED_WRITERS = 3;

/** Replaces what stands in `place` where `version` says that it is another. */
function draw(place, version, ...content) {
  if (place.dataset.version === version) return;
  place.dataset.version = version;
  place.replaceChildren(...content);
}

export function drawHead() {
  const room = session.chat?.current;
  byId('room').hidden = !room;
  byId('no-room').hidden = Boolean(room);
  byId('chat').classList.toggle('in-room', Boolean(room));
  if (!room) return;
  draw(byId('room-name'), `${room.id} ${room.other} ${room.name}`, roomName(room));
  draw(byId('room-topic'), room.topic, el('bdi', {}, room.topic));
  byId('room-topic').hidden = !room.topic;
  byId('member-count').textContent = room.kind === 'direct' ? '' : String(room.members || '');
  const label = t('room.members', { n: room.members });
  byId('show-members').setAttribute('aria-label', label);
  byId('show-members').title = label;
  const blocked = room.other && session.chat.blocks.has(room.other);
  byId('blocked-bar').hidden = !blocked;
  if (blocked) draw(byId('blocked-words'), room.other, ...pieces('block.bar', { user: userName(room.other) }));
  drawSlow();
}

/** Who is writing. */
export function drawTyping() {
  const room = session.chat?.current;
  const writers = room ? [...room.typing.keys()].filter((user) => !session.chat.blocks.has(user)) : [];
  const place = byId('typing');
  if (writers.length === 0) draw(place, '');
  else if (writers.length > NAMED_WRITERS) draw(place, 'many', t('typing.many'));
  else {
    const names = writers.flatMap((user, i) => (i === 0 ? [userName(user)] : [t('typing.and'), userName(user)]));
    const words = pieces('typing.some', { n: writers.length, names: el('span', {}, ...names) });
    draw(place, writers.join(' '), ...words);
  }
}

export function setUpRoom() {
  byId('back').replaceWith(iconButton('back', t('room.back'), () => session.open(null), { id: 'back', className: 'icon-button back', 'data-testid': 'back' }));
  byId('show-members').addEventListener('click', toggleMembers);
  byId('unblock').addEventListener('click', () => attempt(() => session.chat.blocks.set(session.chat.current.other, false)));
  const menu = iconButton('more', t('room.actions'), () => {
    const room = session.chat.current;
    openMenu(menu, [
      { label: t('notify'), icon: 'bell', testid: 'menu-notify', action: () => openNotify(room) },
      { label: t('pins'), icon: 'pin', testid: 'menu-pins', action: () => openPins(room) },
      room.invites && { label: t('room.invite'), icon: 'plus', testid: 'menu-invite', action: () => openInvite(room) },
      room.owns && { label: t('room.describe'), icon: 'edit', testid: 'menu-describe', action: () => openDescribe(room) },
      room.moderates && { label: t('links'), icon: 'link', testid: 'menu-links', action: () => openLinks(room) },
      room.moderates && { label: t('audit'), icon: 'list', testid: 'menu-audit', action: () => openRoomAudit(room) },
      room.other && !session.chat.blocks.has(room.other) && { label: t('block.them'), icon: 'block', danger: true, testid: 'menu-block', action: () => openBlock(room.other) },
      { label: t('room.leave'), icon: 'close', danger: true, testid: 'leave', action: () => openLeave(room) },
    ]);
  }, { id: 'room-menu', 'aria-haspopup': 'menu', 'data-testid': 'room-menu' });
  byId('room-menu').replaceWith(menu);
}
