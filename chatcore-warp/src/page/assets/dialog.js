// Dialogs: they take the focus, give it back, and end with Escape, which the browser sees to.

import { el, iconButton, onSubmit } from './dom.js';
import { t } from './i18n.js';

let count = 0;

/** Shows a dialog of this content; it is gone once it is closed. */
export function openDialog({ title, content, testid, className = '' }) {
  const id = `dialog-title-${count += 1}`;
  const dialog = el('dialog', { className: `card ${className}`, 'aria-labelledby': id, 'data-testid': testid });
  dialog.append(
    el('header', { className: 'dialog-head' }, el('h2', { id }, title), iconButton('close', t('close'), () => dialog.close(), { 'data-testid': 'close-dialog' })),
    ...[content].flat(),
  );
  dialog.addEventListener('close', () => dialog.remove());
  // Beside the dialog is out of it.
  dialog.addEventListener('click', ({ target, clientX: x, clientY: y }) => {
    if (target !== dialog) return;
    const box = dialog.getBoundingClientRect();
    if (x < box.left || x > box.right || y < box.top || y > box.bottom) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** A part of a dialog, under a title of its own. */
export const section = (title, ...content) => el('section', { className: 'section' }, el('h3', {}, title), ...content);

const labelled = (label, hint, control) => el('label', {}, el('span', {}, label, hint ? el('span', { className: 'hint' }, ` ${hint}`) : null), control);

/** A field of a form, under its name; `tag` says which, if it is not a line. */
export function field({ tag = 'input', label, hint, testid, name, ...props }) {
  return labelled(label, hint, el(tag, { name, autocomplete: 'off', 'data-testid': testid, ...props }));
}

/** A list of which one is chosen, under its name: `options` are pairs of a value and its label. */
export function select({ label, hint, testid, name, options, chosen }) {
  const rows = options.map(([value, text]) => el('option', { value, selected: String(value) === String(chosen) }, text));
  return labelled(label, hint, el('select', { name, 'data-testid': testid }, ...rows));
}

/** Something to be ticked or not. */
export function tick({ label, ...props }) {
  return el('label', { className: 'choice' }, el('input', { type: 'checkbox', ...props }), el('span', {}, label));
}

/** One of several. */
export function choice({ legend, name, options, chosen }) {
  return el('fieldset', {}, el('legend', {}, legend), ...options.map(({ value, label, testid }) => el(
    'label', { className: 'choice' },
    el('input', { type: 'radio', name, value, checked: value === chosen, 'data-testid': testid }), el('span', {}, label),
  )));
}

/** A form with a place for what goes wrong; `action(values)` runs on submit. */
export function form({ fields, submit, testid, danger = false, action }) {
  const made = el(
    'form', { className: 'form' }, ...fields,
    el('p', { className: 'problem', role: 'alert', hidden: true, 'data-testid': `${testid}-problem` }),
    el('div', { className: 'buttons' }, el('button', { className: danger ? 'danger' : 'primary', 'data-testid': `${testid}-submit` }, submit)),
  );
  onSubmit(made, () => action(Object.fromEntries(new FormData(made)), made));
  return made;
}

/** A dialog that is one form, and closes when it is done. */
export function openForm({ title, testid, action, ...rest }) {
  const dialog = openDialog({
    title, testid: `${testid}-dialog`,
    content: form({ testid, ...rest, action: async (values) => { await action(values); dialog.close(); } }),
  });
  return dialog;
}

/** Asks before something that cannot be undone. */
export function confirmThat({ text, fields = [], ...rest }) {
  return openForm({ danger: true, fields: [el('p', {}, text), ...fields], ...rest });
}

/** Asks why, and does it: `action(reason)`, without one if none is given. */
export function askWhy({ fields = [], testid, action, ...rest }) {
  const why = field({ label: t('reason'), hint: t('optional'), name: 'reason', maxLength: 1000, testid: `${testid}-reason` });
  return openForm({ danger: true, testid, fields: [...fields, why], action: ({ reason, ...values }) => action(reason.trim() || undefined, values), ...rest });
}
