// What people reported, and that it was dealt with.

import { api } from './api.js';
import { roomCalled } from './audit-view.js';
import { askWhy, tick } from './dialog.js';
import { el } from './dom.js';
import { userAvatar, userName } from './elements.js';
import { shortText } from './format.js';
import { pieces, t } from './i18n.js';
import { act, line, pagedList, row } from './list.js';
import { session } from './session.js';

export function reports() {
  const shown = tick({ label: t('admin.settled_too'), 'data-testid': 'reports-all' });
  const all = shown.querySelector('input');
  const list = pagedList({
    label: t('admin.reports'), empty: t('admin.no_reports'), testid: 'admin-reports',
    read: async (before) => {
      const { reports: items, next } = await api.admin.reports(all.checked || undefined, before);
      return { items, next };
    },
    row: (report) => row({
      testid: 'admin-report', before: userAvatar(report.author), title: userName(report.author),
      lines: [
        report.text ? el('p', { className: 'saying', dir: 'auto' }, report.text) : line(t('admin.no_text')),
        el('p', {}, ...pieces('admin.reported', { user: userName(report.by), reason: el('q', { dir: 'auto' }, report.reason) })),
        line(roomCalled(report.room), ' · ', shortText(report.at)),
        report.resolved_at ? line(...pieces('admin.settled', { user: userName(report.resolved_by), when: shortText(report.resolved_at) })) : null,
      ],
      actions: [
        session.chat.rooms.has(report.room) && act(t('message.show'), () => {
          list.closest('dialog').close();
          session.jump(report.room, report.message, report.seq);
        }, { testid: 'report-show' }),
        !report.resolved_at && act(t('admin.settle'), () => askWhy({
          danger: false, title: t('admin.settle_title'), submit: t('admin.settle'), testid: 'settle', fields: [el('p', { className: 'hint' }, t('admin.settle_text'))],
          action: async (reason) => {
            await api.admin.resolve(report.id, reason);
            await list.reload();
          },
        }), { testid: 'report-settle' }),
      ],
    }),
  });
  all.addEventListener('change', () => list.reload());
  return [shown, list];
}
