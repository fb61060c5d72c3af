// Lists that come in pages: `<paged-list>`. It says what it is doing, what went wrong, and that there is nothing.

import { el } from './dom.js';
import { problemText, t } from './i18n.js';

/** Pages without a row that are passed over, until someone asks for more. */
const EMPTY_PAGES = 20;

class PagedList extends HTMLElement {
  #rows = el('ul', { className: 'rows' });
  #said = el('p', { className: 'hint', role: 'status' });
  #more = el('button', { type: 'button', className: 'quiet outlined', hidden: true }, t('more'));
  #asked = 0;
  #next = null;

  /**
   * `read(after)` gives a page, `{items, next}`; `row(item)` draws one of them; `empty` and `found(n)` are
   * what is said of none and of so many.
   */
  begin({ read, row, empty, label, testid, found = () => '' }) {
    Object.assign(this, { read, row, empty, found });
    this.#rows.setAttribute('aria-label', label);
    this.#rows.dataset.testid = testid;
    this.#more.dataset.testid = `${testid}-more`;
    this.#more.addEventListener('click', () => this.#look(this.#next));
    this.append(this.#rows, this.#said, this.#more);
    this.reload();
    return this;
  }

  /** Reads from the beginning; what is there stays until the answer is. */
  reload() {
    return this.#look();
  }

  /** Nothing is looked for: `words` stand there instead. */
  clear(words) {
    this.#asked += 1;
    this.#rows.replaceChildren();
    this.#more.hidden = true;
    this.#said.textContent = words;
  }

  async #look(after) {
    const mine = this.#asked += 1;
    this.#said.textContent = t('loading');
    this.#more.disabled = true;
    try {
      let page = await this.read(after);
      // A page may end when its time is over: nothing so far is not nothing at all.
      for (let left = EMPTY_PAGES; left > 0 && page.items.length === 0 && page.next && mine === this.#asked; left -= 1) page = await this.read(page.next);
      // Who asked for something else meanwhile is not interested any more.
      if (mine !== this.#asked) return;
      const drawn = page.items.map(this.row).filter(Boolean);
      if (after) this.#rows.append(...drawn);
      else this.#rows.replaceChildren(...drawn);
      this.#next = page.next;
      this.#more.hidden = !page.next;
      this.#said.textContent = this.#rows.childElementCount > 0 ? this.found(this.#rows.childElementCount) : this.empty;
      if (after) drawn[0]?.querySelector('button')?.focus();
    } catch (problem) {
      if (mine === this.#asked) this.#said.textContent = problemText(problem);
    } finally {
      if (mine === this.#asked) this.#more.disabled = false;
    }
  }
}

customElements.define('paged-list', PagedList);

/** A list that reads its first page at once; see `begin`. */
export const pagedList = (how) => el('paged-list', {}).begin(how);

/** A row: what stands first, words in lines, and what can be done with it. */
export function row({ testid, before, title, lines = [], actions = [], ...props }) {
  return el(
    'li', { className: 'row', 'data-testid': testid, ...props }, before,
    el('div', { className: 'row-body' }, el('div', { className: 'row-title' }, ...[title].flat().filter(Boolean)), ...lines.filter(Boolean)),
    ...actions.filter(Boolean),
  );
}

export const line = (...words) => el('p', { className: 'hint' }, ...words.filter(Boolean));

/** A button in a row. */
export function act(label, action, { testid, bad = false } = {}) {
  const button = el('button', { type: 'button', className: bad ? 'quiet outlined bad' : 'quiet outlined', 'data-testid': testid }, label);
  button.addEventListener('click', action);
  return button;
}
