// Keys that work everywhere, and the dialog that tells of all of them.

import { openDialog } from './dialog.js';
import { byId, el } from './dom.js';
import { t } from './i18n.js';
import { toggleMembers } from './members-view.js';
import { neighbour } from './rooms-view.js';
import { openSearch } from './search-view.js';
import { session } from './session.js';

const KEYS = [
  ['keys.everywhere', [
    ['?', 'keys.help'], ['Ctrl K', 'keys.find'], ['Ctrl Shift F', 'search'], ['Alt ↑ / ↓', 'keys.rooms'], ['Alt Shift ↑ / ↓', 'keys.unread'],
    ['Ctrl M', 'keys.members'], ['/', 'keys.write'], ['Esc', 'keys.close'],
  ]],
  ['keys.writing', [
    ['Enter', 'keys.send'], ['Shift Enter', 'keys.line'], ['↑', 'keys.edit_last'], ['@', 'keys.mention'], ['Shift Tab', 'keys.to_messages'],
  ]],
  ['keys.messages', [
    ['↑ / ↓', 'keys.move'], ['R', 'message.reply'], ['E', 'message.edit'], ['+', 'reaction.choose'], ['C', 'message.copy'],
    ['P', 'message.pin'], ['Del', 'message.delete'], ['Ctrl Home', 'keys.oldest'], ['End', 'keys.newest'],
  ]],
];

export function openHelp() {
  const keys = (name) => name.split(' ').flatMap((key, i) => [i ? ' ' : '', key === '/' && name !== '/' ? '/' : el('kbd', {}, key)]);
  openDialog({
    title: t('keys'), testid: 'help-dialog', className: 'wide',
    content: KEYS.map(([title, rows]) => el(
      'section', { className: 'section' }, el('h3', {}, t(title)),
      el('dl', { className: 'keys' }, ...rows.flatMap(([name, what]) => [el('dt', {}, ...keys(name)), el('dd', {}, t(what))])),
    )),
  });
}

/** Whether what is pressed is being written. */
const writes = (target) => target.closest?.('input, textarea, select, [contenteditable]');

export function setUpKeyboard({ timeline, composer }) {
  addEventListener('keydown', (event) => {
    if (!session.chat || event.defaultPrevented || event.isComposing || document.querySelector('dialog[open]')) return;
    const { key, altKey, shiftKey } = event;
    const control = event.ctrlKey || event.metaKey;
    const act = (action) => {
      event.preventDefault();
      action();
    };
    if (control && !altKey && key.toLowerCase() === 'k') act(() => byId('room-filter').focus());
    else if (control && !altKey && shiftKey && key.toLowerCase() === 'f') act(openSearch);
    else if (control && !altKey && key.toLowerCase() === 'm') act(() => session.chat.current && toggleMembers());
    else if (altKey && !control && (key === 'ArrowUp' || key === 'ArrowDown')) {
      act(() => {
        const id = neighbour(key === 'ArrowDown' ? 1 : -1, shiftKey);
        if (id) session.open(id);
      });
    } else if (event.target === byId('text') && key === 'Tab' && shiftKey) act(() => timeline.focus());
    else if (!writes(event.target) && !control && !altKey) {
      if (key === '?') act(openHelp);
      else if (key === '/') act(() => composer.focus());
      else if (key === 'Escape' && session.chat.current) act(() => composer.focus());
    }
  });
}
