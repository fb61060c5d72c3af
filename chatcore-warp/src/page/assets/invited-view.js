// Being asked in by a link, as one who is here already.

import { confirmThat } from './dialog.js';
import { isolated } from './dom.js';
import { t } from './i18n.js';

/** Asks whether to come into the room; `action` does, `declined` is called if not. */
export function openInvitation({ name, action, declined }) {
  let came = false;
  const dialog = confirmThat({
    danger: false, title: t('invited.title'), text: t('invited.text', { name: isolated(name) }), submit: t('invited.enter'), testid: 'invited',
    action: async () => {
      await action();
      came = true;
    },
  });
  dialog.addEventListener('close', () => { if (!came) declined(); });
}
