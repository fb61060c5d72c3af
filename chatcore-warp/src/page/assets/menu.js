// Menus that open at a button: arrows move, Enter chooses, Escape and Tab close.

import { el, icon } from './dom.js';

let close = null;

/** Puts `box` beside `anchor`, within the window. */
function place(box, anchor) {
  const from = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = box;
  const below = from.bottom + 4 + height <= innerHeight || from.top < height;
  const left = Math.min(Math.max(8, from.right - width), innerWidth - width - 8);
  box.style.left = `${left}px`;
  box.style.top = `${Math.max(8, Math.min(below ? from.bottom + 4 : from.top - height - 4, innerHeight - height - 8))}px`;
}

/** Shows `box` at `anchor` until something else is clicked; what `close` gives back closes it. */
function openAt(anchor, box) {
  close?.();
  const before = document.activeElement;
  const host = anchor.closest('dialog') ?? document.body;
  host.append(box);
  place(box, anchor);
  anchor.setAttribute('aria-expanded', 'true');
  const outside = ({ target }) => { if (!box.contains(target)) close?.(); };
  close = (focus) => {
    close = null;
    document.removeEventListener('pointerdown', outside, true);
    anchor.setAttribute('aria-expanded', 'false');
    box.remove();
    if (focus) (anchor.isConnected ? anchor : before)?.focus?.();
  };
  document.addEventListener('pointerdown', outside, true);
  box.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' && event.key !== 'Tab') return;
    event.preventDefault();
    event.stopPropagation();
    close?.(true);
  });
}

export const closeMenu = () => close?.();

/** Moves the focus among `items` with the arrows; `across` is how many stand in a row. */
function arrows(box, items, across) {
  const steps = { ArrowDown: across, ArrowUp: -across, ...(across > 1 ? { ArrowRight: 1, ArrowLeft: -1 } : {}) };
  box.addEventListener('keydown', (event) => {
    const at = items.indexOf(document.activeElement);
    const to = { Home: 0, End: items.length - 1 }[event.key] ?? (event.key in steps ? (at + steps[event.key] + items.length) % items.length : -1);
    if (to < 0) return;
    event.preventDefault();
    items[to]?.focus();
  });
}

/** A menu of `{label, icon?, danger?, testid?, action}`. */
export function openMenu(anchor, entries) {
  const items = entries.filter(Boolean).map(({ label, icon: drawing, danger, testid, action }) => {
    const item = el(
      'button', { type: 'button', role: 'menuitem', className: danger ? 'menu-item bad' : 'menu-item', 'data-testid': testid },
      drawing ? icon(drawing) : null, el('span', {}, label),
    );
    item.addEventListener('click', () => {
      close?.(true);
      action();
    });
    return item;
  });
  const box = el('div', { role: 'menu', className: 'menu' }, ...items);
  openAt(anchor, box);
  arrows(box, items, 1);
  items[0]?.focus();
}

/** A grid of short texts to pick one of. */
export function openGrid(anchor, { label, options, testid, action }) {
  const items = options.map((option) => {
    const item = el('button', { type: 'button', className: 'emoji', 'data-testid': testid }, option);
    item.addEventListener('click', () => {
      close?.(true);
      action(option);
    });
    return item;
  });
  const box = el('div', { role: 'group', 'aria-label': label, className: 'menu emoji-grid' }, ...items);
  openAt(anchor, box);
  arrows(box, items, 8);
  items[0]?.focus();
}
