// Short notes that belong to no form, said aloud as well as shown.

import { byId, el } from './dom.js';
import { problemText, t } from './i18n.js';

const SHOWN_MS = 6_000;
const MOST = 3;

export function toast(text, kind = 'info') {
  const place = byId('toasts');
  const note = el('p', { className: `toast ${kind}`, 'data-testid': 'toast' }, text);
  // Above whatever dialog is open. It is there before the note is, so that the note is read out.
  if (document.querySelector('dialog[open]')) place.hidePopover();
  if (!place.matches(':popover-open')) place.showPopover();
  place.append(note);
  while (place.children.length > MOST) place.firstElementChild.remove();
  setTimeout(() => note.remove(), SHOWN_MS);
}

/** Says what went wrong. */
export const complain = (problem) => toast(problemText(problem), 'bad');

/** Runs something that may go wrong, and says so; whether it did not. */
export async function attempt(action) {
  try {
    await action();
    return true;
  } catch (problem) {
    complain(problem);
    return false;
  }
}

/** Puts a text where it can be pasted from. */
export const copy = (text) => attempt(async () => {
  await navigator.clipboard.writeText(text);
  toast(t('copied'));
});

/** Says something to who listens, and shows nothing. */
export function say(text) {
  byId('spoken').textContent = text;
}
