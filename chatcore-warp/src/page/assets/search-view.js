// Searching messages, and going to where they stand.

import { api } from './api.js';
import { openDialog, tick } from './dialog.js';
import { calmly, el, own } from './dom.js';
import { userAvatar, userName } from './elements.js';
import { shortText } from './format.js';
import { t } from './i18n.js';
import { pagedList } from './list.js';
import { roomName } from './names.js';
import { session } from './session.js';

const SOON_MS = 250;

function excerpt({ pieces, cut_before: before, cut_after: after }) {
  const shown = pieces.map(({ text, found }) => (found ? el('mark', {}, text) : text));
  return el('span', { className: 'found-text', dir: 'auto' }, before ? '… ' : '', ...shown, after ? ' …' : '');
}

function hitRow(hit, dialog) {
  const room = session.chat.rooms.get(hit.room);
  const button = el(
    'button', { type: 'button', className: 'hit', 'data-testid': 'hit' }, userAvatar(hit.user),
    el('span', { className: 'hit-body' },
      el('span', { className: 'hit-head' }, userName(hit.user), el('span', { className: 'hint' }, room ? roomName(room) : own(hit.room), ' · ', shortText(hit.ts))),
      excerpt(hit.excerpt)),
  );
  button.addEventListener('click', () => {
    dialog.close();
    session.jump(hit.room, hit.message_id, hit.seq);
  });
  return el('li', {}, button);
}

/** Opens the search; in the room on the screen, if one is, until it is told otherwise. */
export function openSearch() {
  const { current } = session.chat;
  const input = el('input', { type: 'search', name: 'query', autocomplete: 'off', maxLength: 256, autofocus: true, 'aria-label': t('search.words'), placeholder: t('search.words'), 'data-testid': 'search-query' });
  const here = tick({ label: t('search.here'), checked: Boolean(current) });
  const onlyHere = here.querySelector('input');
  const list = pagedList({
    label: t('search.found'), empty: t('search.none'), found: (n) => t('search.some', { n }), testid: 'hits',
    read: async (after) => {
      const query = input.value.trim();
      if (!query) return { items: [] };
      const { hits, next } = await api.search({ query, room: current && onlyHere.checked ? current.id : undefined, after });
      return { items: hits, next };
    },
    row: (hit) => hitRow(hit, dialog),
  });
  const form = el('form', { className: 'form' }, input, current ? here : null);
  const dialog = openDialog({ title: t('search'), testid: 'search-dialog', className: 'wide', content: [form, list] });
  const look = () => (input.value.trim() ? list.reload() : list.clear(t('search.how')));
  list.clear(t('search.how'));
  input.addEventListener('input', calmly(look, SOON_MS));
  onlyHere.addEventListener('change', look);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    look();
  });
}
