// The list of keys.

import { openDialog, section } from './dialog.js';
import { el } from './dom.js';
import { t } from './i18n.js';

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
    content: KEYS.map(([title, rows]) => section(
      t(title), el('dl', { className: 'keys' }, ...rows.flatMap(([name, what]) => [el('dt', {}, ...keys(name)), el('dd', {}, t(what))])),
    )),
  });
}
