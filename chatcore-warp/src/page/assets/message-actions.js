// What can be done with a message, by the tools that appear on it or by a key while it has the focus.

import { api } from './api.js';
import { el, iconButton } from './dom.js';
import { EMOJI, QUICK } from './emoji.js';
import { t } from './i18n.js';
import { openBlock, openDelete, openReaders, openReport } from './later.js';
import { openGrid, openMenu } from './menu.js';
import { session } from './session.js';
import { attempt, copy } from './toast.js';

export class MessageActions {
  #composer;
  #bar;
  #message = null;

  constructor(composer) {
    this.#composer = composer;
    const quick = QUICK.slice(0, 3).map((emoji) => {
      const button = el('button', { type: 'button', className: 'icon-button', 'aria-label': t('reaction.add', { emoji }), 'data-testid': 'quick-react' }, emoji);
      button.addEventListener('click', () => this.react(this.#message, emoji));
      return button;
    });
    this.smile = iconButton('smile', t('reaction.choose'), () => this.choose(this.#message, this.smile), { 'data-testid': 'react' });
    this.more = iconButton('more', t('message.more'), () => openMenu(this.more, this.#entries(this.#message)), { 'aria-haspopup': 'menu', 'data-testid': 'message-more' });
    this.#bar = el(
      'div', { className: 'tools', role: 'toolbar', 'aria-label': t('message.tools'), 'data-testid': 'message-tools' },
      ...quick, this.smile, iconButton('reply', t('message.reply'), () => this.reply(this.#message), { 'data-testid': 'reply' }), this.more,
    );
  }

  /** Puts the tools on a row; on none, if there is nothing to be done with it. */
  showOn(row, message) {
    if (!message || message.state || message.deleted_at) {
      this.#bar.remove();
      return;
    }
    this.#message = message;
    if (this.#bar.parentElement !== row) row.append(this.#bar);
  }

  hide() {
    this.#message = null;
    this.#bar.remove();
  }

  get #room() {
    return session.chat.current;
  }

  #may(message) {
    const mine = message.user === session.me.id;
    return { edit: mine, remove: mine || this.#room.moderates, pin: this.#room.pinning };
  }

  #entries(message) {
    const may = this.#may(message);
    const room = this.#room;
    const { blocks } = session.chat;
    const theirs = message.user !== session.me.id;
    return [
      may.edit && { label: t('message.edit'), icon: 'edit', testid: 'edit', action: () => this.edit(message) },
      message.text && { label: t('message.copy'), icon: 'file', testid: 'copy', action: () => this.copy(message) },
      may.pin && { label: t(message.pinned ? 'message.unpin' : 'message.pin'), icon: 'pin', testid: 'pin', action: () => this.pin(message) },
      { label: t('readers'), icon: 'people', testid: 'readers-of', action: () => openReaders(room, message) },
      theirs && { label: t('report.do'), icon: 'flag', testid: 'report', action: () => openReport(room, message) },
      theirs && !blocks.has(message.user) && { label: t('block.them'), icon: 'block', testid: 'block', action: () => openBlock(message.user) },
      theirs && blocks.has(message.user) && { label: t('unblock'), icon: 'block', testid: 'unblock', action: () => attempt(() => blocks.set(message.user, false)) },
      may.remove && { label: t('message.delete'), icon: 'trash', danger: true, testid: 'delete', action: () => this.remove(message) },
    ];
  }

  react(message, emoji) {
    const given = message.reactions?.find((reaction) => reaction.emoji === emoji)?.mine;
    return attempt(() => api.react(this.#room.id, message.message_id, emoji, !given));
  }

  choose(message, anchor) {
    openGrid(anchor, { label: t('reaction.choose'), options: EMOJI, testid: 'emoji', action: (emoji) => this.react(message, emoji) });
  }

  reply(message) {
    this.#composer.reply(message);
  }

  edit(message) {
    if (this.#may(message).edit) this.#composer.edit(message);
  }

  copy(message) {
    return copy(message.text);
  }

  pin(message) {
    if (!this.#may(message).pin) return undefined;
    return attempt(() => api.pin(this.#room.id, message.message_id, !message.pinned));
  }

  remove(message) {
    if (!this.#may(message).remove) return;
    openDelete(this.#room, message);
  }

  /** A key that was pressed on a message; whether it meant something. */
  pressed(event, message, row) {
    if (event.ctrlKey || event.metaKey || event.altKey || message.state || message.deleted_at) return false;
    switch (event.key) {
      case 'r': this.reply(message); return true;
      case 'e': this.edit(message); return true;
      case 'c': this.copy(message); return true;
      case 'p': this.pin(message); return true;
      case 'Delete': this.remove(message); return true;
      case '+': this.showOn(row, message); this.choose(message, this.smile); return true;
      default: return false;
    }
  }
}
