// What happened in a room beside messages, in a line each.

import { el, own } from './dom.js';
import { userName } from './elements.js';
import { pieces, t } from './i18n.js';

const WORDS = new Set(['enter', 'leave', 'invite', 'kick', 'ban', 'unban', 'mute', 'unmute', 'role', 'room', 'pin', 'link', 'unlink', 'expire']);

/** In the place of messages of whom one blocks. */
export function hiddenRow(messages) {
  const show = el('button', { type: 'button', className: 'link', 'data-unfold': messages.map(({ message_id: id }) => id).join(' '), 'data-testid': 'unfold' }, t('block.show'));
  return el('div', { className: 'notice folded', 'data-testid': 'folded' }, t('block.hidden', { n: messages.length }), ' ', show);
}

export function noticeRow(entry) {
  const row = el('div', { className: 'notice', 'data-testid': 'notice' });
  if (!WORDS.has(entry.kind)) return row;
  const values = {
    user: userName(entry.user), target: userName(entry.target ?? entry.user),
    role: entry.role ? t(`role.${entry.role}`) : '', name: own(entry.name ?? ''),
  };
  row.append(...pieces(entry.kind === 'enter' && entry.link ? 'notice.enter_link' : `notice.${entry.kind}`, values));
  if (entry.reason) row.append(': ', own(entry.reason));
  if (entry.kind === 'pin') row.append(' ', el('button', { type: 'button', className: 'link', 'data-jump': entry.message_id }, t('message.show')));
  return row;
}
