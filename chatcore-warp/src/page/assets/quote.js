// `<message-quote>`: what a message answers, in a line, to be jumped to.

import { api } from './api.js';
import { el } from './dom.js';
import { userName } from './elements.js';
import { t } from './i18n.js';
import { session } from './session.js';

const MOST = 500;
const LENGTH = 160;
/** Messages that are not among those on the screen: a promise of each that was asked for. */
const asked = new Map();

function find(room, id) {
  const here = session.chat?.rooms.get(room)?.messages.get(id);
  if (here) return Promise.resolve(here);
  const key = `${room}/${id}`;
  if (!asked.has(key)) {
    if (asked.size >= MOST) asked.clear();
    asked.set(key, api.message(room, id));
    asked.get(key).catch(() => asked.delete(key));
  }
  return asked.get(key);
}

export const forgetQuotes = () => asked.clear();

customElements.define('message-quote', class extends HTMLElement {
  connectedCallback() {
    const [room, id] = [this.getAttribute('room'), this.getAttribute('message')];
    this.replaceChildren(el('span', { className: 'hint' }, '…'));
    find(room, id).then((message) => this.#draw(message), () => {
      this.replaceChildren(el('span', { className: 'hint' }, t('message.gone')));
    });
  }

  #draw(message) {
    if (session.chat?.blocks.hides(message)) {
      this.replaceChildren(el('span', { className: 'hint' }, t('block.hidden', { n: 1 })));
      return;
    }
    const text = message.deleted_at ? t('message.deleted') : message.text || message.attachments?.[0]?.name || '';
    this.replaceChildren(userName(message.user), ' ', el('span', { className: 'quoted', dir: 'auto' }, [...text].slice(0, LENGTH).join('')));
  }
});

export const quote = (room, message) => el('message-quote', { room, message });
