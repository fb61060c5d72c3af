// Whom one does not want to hear of.

import { api } from './api.js';
import { confirmThat } from './dialog.js';
import { userAvatar, userName } from './elements.js';
import { t } from './i18n.js';
import { act, pagedList, row } from './list.js';
import { people } from './people.js';
import { session } from './session.js';
import { attempt, toast } from './toast.js';

export function openBlock(user) {
  const name = people.name(user);
  confirmThat({
    title: t('block.title', { name }), text: t('block.text'), submit: t('block'), testid: 'block',
    action: async () => {
      await session.chat.blocks.set(user, true);
      toast(t('block.done', { name }));
    },
  });
}

/** Everyone whom one blocks, each to be let off. */
export function blockList() {
  const list = pagedList({
    label: t('blocks'), empty: t('blocks.none'), testid: 'blocks',
    read: async (after) => {
      const { blocks, next } = await api.blocks(after);
      return { items: blocks, next };
    },
    row: (user) => row({
      testid: 'blocked', before: userAvatar(user), title: userName(user),
      actions: [act(t('unblock'), () => attempt(async () => {
        await session.chat.blocks.set(user, false);
        await list.reload();
      }), { testid: 'unblock' })],
    }),
  });
  return list;
}
