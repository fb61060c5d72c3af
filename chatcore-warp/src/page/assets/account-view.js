// All that is kept of oneself: to be had, or to be erased.

import { api } from './api.js';
import { confirmThat, field } from './dialog.js';
import { el } from './dom.js';
import { t } from './i18n.js';
import { act } from './list.js';
import { session } from './session.js';

function openErase() {
  confirmThat({
    title: t('erase.title'), text: t('erase.text'), submit: t('erase.do'), testid: 'erase',
    fields: [
      el('input', { type: 'text', autocomplete: 'username', value: session.me.handle ?? session.me.email ?? '', hidden: true }),
      field({ label: t('auth.password'), name: 'password', type: 'password', autocomplete: 'current-password', required: true, testid: 'erase-password' }),
    ],
    action: async ({ password }) => {
      const { chat } = session;
      await api.erase(password);
      chat.outbox.clear();
      session.end(t('erase.done'));
    },
  });
}

export const account = () => [
  el('p', { className: 'hint' }, t('export.text')),
  el('p', {}, el('a', { className: 'quiet button outlined', href: api.exportUrl(), download: 'export.ndjson', 'data-testid': 'export' }, t('export'))),
  el('p', { className: 'hint' }, t('erase.hint')),
  act(t('erase.title'), openErase, { testid: 'erase', bad: true }),
];
