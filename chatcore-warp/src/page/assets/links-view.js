// Links by which people come into a room: made, shown once, listed, revoked.

import { api, invitationUrl } from './api.js';
import { form, openDialog, section, select } from './dialog.js';
import { el } from './dom.js';
import { userName } from './elements.js';
import { lengthText, shortText } from './format.js';
import { pieces, t } from './i18n.js';
import { act, line, pagedList, row } from './list.js';
import { attempt, copy } from './toast.js';

const HOUR = 3600;
const LIVES = [HOUR, 6 * HOUR, 24 * HOUR, 7 * 24 * HOUR, 30 * 24 * HOUR];
const USES = [1, 5, 10, 25, 100];
/** Somewhat less than was chosen: this clock may be ahead of the server's, which knows a longest life. */
const SPARE_MS = 60_000;

/** The link, this once: the server keeps no more of it than by what it is known again. */
function shown(code) {
  const url = invitationUrl(code);
  const place = el('input', { value: url, readOnly: true, 'aria-label': t('links.link'), 'data-testid': 'link-url' });
  place.addEventListener('focus', () => place.select());
  return [
    el('p', {}, t('links.once')),
    el('div', { className: 'made-row' }, place, act(t('copy'), () => copy(url), { testid: 'link-copy' })),
  ];
}

export function openLinks(room) {
  const made = el('div', { className: 'made', role: 'status' });
  const list = pagedList({
    label: t('links'), empty: t('links.none'), testid: 'links',
    read: async () => ({ items: (await api.links(room.id)).sort((a, b) => b.created_at - a.created_at) }),
    row: (link) => row({
      testid: 'link', title: link.uses ? t('links.used_of', { n: link.used, of: link.uses }) : t('links.used', { n: link.used }),
      lines: [line(...pieces('links.about', { until: shortText(link.expires_at), user: userName(link.created_by) }))],
      actions: [act(t('links.revoke'), () => attempt(async () => {
        await api.revokeLink(room.id, link.link);
        if (made.dataset.link === link.link) made.replaceChildren();
        await list.reload();
      }), { testid: 'link-revoke', bad: true })],
    }),
  });
  const create = form({
    testid: 'link', submit: t('links.make'),
    fields: [el('div', { className: 'side-by-side' },
      select({ label: t('links.life'), name: 'life', chosen: 24 * HOUR, options: LIVES.map((seconds) => [seconds, lengthText(seconds)]), testid: 'link-life' }),
      select({ label: t('links.uses'), name: 'uses', chosen: 0, options: [[0, t('links.any')], ...USES.map((n) => [n, t('links.people', { n })])], testid: 'link-uses' }))],
    action: async ({ life, uses }) => {
      const fields = { expires_at: Date.now() + Number(life) * 1000 - SPARE_MS };
      if (Number(uses) > 0) fields.uses = Number(uses);
      const link = await api.makeLink(room.id, fields);
      made.dataset.link = link.link;
      made.replaceChildren(...shown(link.code));
      await list.reload();
    },
  });
  openDialog({ title: t('links'), testid: 'links-dialog', className: 'wide', content: [create, made, section(t('links.open'), list)] });
}
