// Elements that show a person, and what is learned about them later: `<user-name>` and
// `<user-avatar>`, each with the attribute `user`.

import { el } from './dom.js';
import { initial, tint } from './format.js';
import { people } from './people.js';

class OfUser extends HTMLElement {
  #heard = ({ detail }) => { if (detail === this.who) this.draw(); };

  get who() {
    return this.getAttribute('user') ?? '';
  }

  connectedCallback() {
    people.addEventListener('named', this.#heard);
    this.draw();
  }

  disconnectedCallback() {
    people.removeEventListener('named', this.#heard);
  }
}

customElements.define('user-name', class extends OfUser {
  draw() {
    this.replaceChildren(el('bdi', {}, people.name(this.who)));
  }
});

customElements.define('user-avatar', class extends OfUser {
  #shown = '';

  draw() {
    const { name, picture } = people.about(this.who);
    const wanted = picture ?? initial(name);
    if (wanted === this.#shown) return;
    this.#shown = wanted;
    this.setAttribute('aria-hidden', 'true');
    this.className = `avatar ${tint(this.who)}`;
    this.replaceChildren(picture ? el('img', { src: picture, alt: '', loading: 'lazy' }) : wanted);
  }
});

export const userName = (user) => el('user-name', { user });
export const userAvatar = (user) => el('user-avatar', { user });
