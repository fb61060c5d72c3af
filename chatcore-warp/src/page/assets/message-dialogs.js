// Dialogs about messages: delete one, report one, those that are pinned, and who has read one.

import { api } from './api.js';
import { confirmThat, field, openDialog, openForm, tick } from './dialog.js';
import { el, own } from './dom.js';
import { userAvatar, userName } from './elements.js';
import { shortText } from './format.js';
import { t } from './i18n.js';
import { act, line, pagedList, row } from './list.js';
import { people } from './people.js';
import { session } from './session.js';
import { attempt, toast } from './toast.js';

/** What a message says, in a few lines. */
export const saying = ({ text, attachments }) => el('p', { className: 'saying', dir: 'auto' }, text || own(attachments?.[0]?.name ?? ''));

export function openDelete(room, message) {
  confirmThat({
    title: t('message.delete_title'), text: t('message.delete_text'), submit: t('message.delete'), testid: 'delete',
    action: () => api.remove(room.id, message.message_id),
  });
}

export function openReport(room, message) {
  const name = people.name(message.user);
  openForm({
    title: t('report.title'), testid: 'report', submit: t('report'), danger: true,
    fields: [
      el('p', { className: 'hint' }, t('report.text')), saying(message),
      field({ tag: 'textarea', label: t('report.reason'), name: 'reason', rows: 3, required: true, maxLength: 1000, testid: 'report-reason' }),
      ...session.chat.blocks.has(message.user) ? [] : [tick({ label: t('report.block_too', { name }), name: 'block', 'data-testid': 'report-block' })],
    ],
    action: async ({ reason, block }) => {
      await api.report(room.id, message.message_id, reason.trim());
      if (block) await session.chat.blocks.set(message.user, true);
      toast(t('report.done'));
    },
  });
}

/** The pinned messages of a room, to go to or to take down. */
export function openPins(room) {
  const list = pagedList({
    label: t('pins'), empty: t('pins.none'), testid: 'pins',
    read: async (after) => {
      const { pinned, next } = await api.pins(room.id, after);
      return { items: pinned, next };
    },
    row: (message) => row({
      testid: 'pinned-message', before: userAvatar(message.user), title: userName(message.user),
      lines: [saying(message), line(shortText(message.ts))],
      actions: [
        act(t('message.show'), () => {
          dialog.close();
          session.jump(room.id, message.message_id, message.seq);
        }, { testid: 'pin-show' }),
        room.pinning && act(t('message.unpin'), () => attempt(async () => {
          await api.pin(room.id, message.message_id, false);
          await list.reload();
        }), { testid: 'pin-remove' }),
      ],
    }),
  });
  const dialog = openDialog({ title: t('pins'), testid: 'pins-dialog', className: 'wide', content: list });
}

export function openReaders(room, message) {
  openDialog({
    title: t('readers'), testid: 'readers-dialog',
    content: pagedList({
      label: t('readers'), empty: t('readers.none'), testid: 'readers',
      read: async (after) => {
        const { readers, next } = await api.readers(room.id, message.message_id, after);
        return { items: readers, next };
      },
      row: (user) => row({ testid: 'reader', before: userAvatar(user), title: userName(user) }),
    }),
  });
}
