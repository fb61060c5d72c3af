// Completion of names: after an `@`, the members whose name or handle begins so.

import { el } from './dom.js';
import { userAvatar } from './elements.js';
import { people } from './people.js';

const MOST = 8;
const WORD = /(?:^|[\s(])@([\p{L}\p{N}._-]{0,40})$/u;

export class Completion {
  #text;
  #box;
  #candidates;
  #found = [];
  #at = 0;

  /** `candidates()` tells the ids of those who may be meant. */
  constructor(text, box, candidates) {
    this.#text = text;
    this.#box = box;
    this.#candidates = candidates;
    text.addEventListener('input', () => this.#look());
    text.addEventListener('blur', () => this.close());
    // Before the text loses the focus to it.
    box.addEventListener('pointerdown', (event) => {
      const at = [...box.children].indexOf(event.target.closest('li'));
      event.preventDefault();
      if (at >= 0) this.#choose(at);
    });
  }

  get open() {
    return !this.#box.hidden;
  }

  close() {
    this.#box.hidden = true;
    this.#text.removeAttribute('aria-activedescendant');
  }

  #look() {
    const { value, selectionStart: caret } = this.#text;
    const word = WORD.exec(value.slice(0, caret))?.[1]?.toLowerCase();
    this.#found = word === undefined ? [] : this.#matching(word);
    this.#at = 0;
    this.#draw();
  }

  #matching(word) {
    const known = [...this.#candidates()].map((user) => ({ user, ...people.about(user) }));
    const fits = ({ handle, name }) => handle?.toLowerCase().startsWith(word) || name.toLowerCase().split(/\s+/).some((part) => part.startsWith(word));
    return known.filter((person) => person.handle && fits(person))
      .sort((a, b) => a.name.localeCompare(b.name)).slice(0, MOST);
  }

  #written() {
    const { value, selectionStart: caret } = this.#text;
    return WORD.exec(value.slice(0, caret))?.[1]?.toLowerCase() === this.#found[this.#at].handle.toLowerCase();
  }

  #draw() {
    this.#box.hidden = this.#found.length === 0;
    this.#box.replaceChildren(...this.#found.map(({ user, name, handle }, i) => el(
      'li', { id: `completion-${i}`, role: 'option', 'aria-selected': String(i === this.#at), 'data-testid': 'completion' },
      userAvatar(user), el('bdi', {}, name), el('span', { className: 'hint' }, `@${handle}`),
    )));
    if (this.open) this.#text.setAttribute('aria-activedescendant', `completion-${this.#at}`);
    else this.close();
  }

  #choose(at) {
    const { value, selectionStart: caret } = this.#text;
    const before = value.slice(0, caret).replace(/@[^@]*$/u, `@${this.#found[at].handle} `);
    this.#text.value = before + value.slice(caret).replace(/^ /, '');
    this.#text.setSelectionRange(before.length, before.length);
    this.close();
  }

  /** Takes a key if it is for the list; whether it was. */
  pressed({ key }) {
    if (!this.open) return false;
    const count = this.#found.length;
    switch (key) {
      case 'ArrowDown': this.#at = (this.#at + 1) % count; break;
      case 'ArrowUp': this.#at = (this.#at + count - 1) % count; break;
      case 'Enter':
        // What is written out already needs no completing: the key is for sending.
        if (this.#written()) {
          this.close();
          return false;
        }
        this.#choose(this.#at);
        return true;
      case 'Tab': this.#choose(this.#at); return true;
      case 'Escape': this.close(); return true;
      default: return false;
    }
    this.#draw();
    return true;
  }
}
