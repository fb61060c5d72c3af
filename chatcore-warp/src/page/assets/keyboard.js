// Keys that work everywhere.

import { byId } from './dom.js';
import { openHelp, openSearch } from './later.js';
import { toggleMembers } from './members-view.js';
import { neighbour } from './rooms-view.js';
import { session } from './session.js';

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
