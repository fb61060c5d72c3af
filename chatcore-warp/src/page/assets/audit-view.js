// Who did what to whom: in a room for its moderators, everywhere for admins.

import { api } from './api.js';
import { openDialog } from './dialog.js';
import { el, own } from './dom.js';
import { userAvatar, userName } from './elements.js';
import { fullText, shortText } from './format.js';
import { pieces, t } from './i18n.js';
import { act, line, pagedList, row } from './list.js';
import { roomName } from './names.js';
import { session } from './session.js';
import { attempt } from './toast.js';

/** A room by its name if it is known here, else by its id. */
export function roomCalled(id) {
  const { chat } = session;
  const room = chat.rooms.get(id);
  return room ? roomName(room) : own(chat.visible.find((one) => one.room === id)?.name ?? id);
}

function words(entry, where) {
  const values = {
    user: userName(entry.by), target: userName(entry.target ?? entry.by),
    role: entry.role ? t(`role.${entry.role}`) : '', room: roomCalled(entry.room ?? ''),
  };
  const said = pieces(`act.${entry.act}`, values);
  return where && entry.room && entry.act !== 'delete_room' ? [...said, ' · ', roomCalled(entry.room)] : said;
}

/** A list of what was done; `where`: in which room, too. `actions(entry)` are what can be done about one. */
export function auditList({ read, where = false, actions = () => [] }) {
  return pagedList({
    label: t('audit'), empty: t('audit.none'), testid: 'audit',
    read: async (before) => {
      const { entries, next } = await read(before);
      return { items: entries, next };
    },
    row: (entry) => row({
      testid: 'audit-entry', before: userAvatar(entry.by), title: el('span', { className: 'said' }, ...words(entry, where)),
      lines: [
        entry.reason ? el('p', { className: 'saying', dir: 'auto' }, entry.reason) : null,
        line(el('time', { dateTime: new Date(entry.at).toISOString(), title: fullText(entry.at) }, shortText(entry.at)), entry.until ? ` · ${t('audit.until', { until: shortText(entry.until) })}` : ''),
      ],
      actions: actions(entry),
    }),
  });
}

export function openRoomAudit(room) {
  // The newest comes first: what is said of someone first is how it stands.
  const settled = new Set();
  const list = auditList({
    read: (before) => {
      if (!before) settled.clear();
      return api.audit(room.id, before);
    },
    actions: ({ act: what, target, until }) => {
      const stands = what === 'ban' && !settled.has(target) && !(until <= Date.now());
      if (what === 'ban' || what === 'unban') settled.add(target);
      return [stands && act(t('member.unban'), () => attempt(async () => {
        await api.member(room.id, target, { action: 'unban' });
        await list.reload();
      }), { testid: 'unban' })];
    },
  });
  openDialog({ title: t('audit'), testid: 'audit-dialog', className: 'wide', content: [el('p', { className: 'hint' }, t('audit.text')), list] });
}
