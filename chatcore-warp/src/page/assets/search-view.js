// Searching messages, and going to where they stand.

import { api } from './api.js';
import { openDialog } from './dialog.js';
import { calmly, el, own, showProblem } from './dom.js';
import { userAvatar, userName } from './elements.js';
import { shortText } from './format.js';
import { t } from './i18n.js';
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
  const here = el('input', { type: 'checkbox', checked: Boolean(current) });
  const list = el('ul', { className: 'hits', 'aria-label': t('search.found') });
  const said = el('p', { className: 'hint', role: 'status' }, t('search.how'));
  const more = el('button', { type: 'button', className: 'quiet outlined', hidden: true, 'data-testid': 'search-more' }, t('search.more'));
  const form = el(
    'form', { className: 'form' }, input,
    current ? el('label', { className: 'choice' }, here, el('span', {}, t('search.here'))) : null,
    el('p', { className: 'problem', role: 'alert', hidden: true }),
  );
  const dialog = openDialog({ title: t('search'), testid: 'search-dialog', className: 'wide', content: [form, said, list, more] });
  let asked = 0;
  let next = null;

  async function look(after) {
    const query = input.value.trim();
    const mine = asked += 1;
    showProblem(form, null);
    if (!query) {
      list.replaceChildren();
      more.hidden = true;
      said.textContent = t('search.how');
      return;
    }
    try {
      const page = await api.search({ query, ...(here.checked && current ? { room: current.id } : {}), ...(after ? { after } : {}) });
      // Who goes on typing is not interested any more.
      if (mine !== asked || !dialog.isConnected) return;
      const rows = page.hits.map((hit) => hitRow(hit, dialog));
      if (after) list.append(...rows);
      else list.replaceChildren(...rows);
      next = page.next;
      more.hidden = !next;
      said.textContent = t(list.childElementCount > 0 ? 'search.some' : 'search.none', { n: list.childElementCount });
    } catch (problem) {
      if (mine === asked) showProblem(form, problem);
    }
  }

  input.addEventListener('input', calmly(() => look(), SOON_MS));
  here.addEventListener('change', () => look());
  more.addEventListener('click', () => look(next));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    look();
  });
}
