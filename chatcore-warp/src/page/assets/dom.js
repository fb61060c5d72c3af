// The few things that every part of the page does to the document. Text only ever goes in as text.

import { problemText } from './i18n.js';

export const byId = (id) => document.getElementById(id);

/** Makes an element; properties that are no properties of elements become attributes. */
export function el(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Words of a person within others, which they must not reorder. */
export const own = (text) => el('bdi', {}, text);

/** The same within a text that can hold no elements. */
export const isolated = (name) => `\u2068${name}\u2069`;

const SVG = 'http://www.w3.org/2000/svg';

const ICONS = {
  attach: 'M20 11.5l-8.2 8.2a5 5 0 0 1-7.1-7.1l8.6-8.6a3.4 3.4 0 0 1 4.8 4.8l-8.5 8.5a1.7 1.7 0 0 1-2.4-2.4l7.8-7.8',
  back: 'M15 5l-7 7 7 7',
  block: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM5.6 5.6l12.8 12.8',
  close: 'M6 6l12 12M18 6L6 18',
  down: 'M12 5v14M6 13l6 6 6-6',
  edit: 'M4 20h4L19 9l-4-4L4 16zM13.5 6.5l4 4',
  file: 'M6 3h8l4 4v14H6zM14 3v4h4',
  flag: 'M6 21V4h11l-2 4 2 4H6',
  left: 'M15 5l-7 7 7 7',
  link: 'M10 14a4 4 0 0 0 5.7 0l3.5-3.5a4 4 0 0 0-5.7-5.7l-1.3 1.3M14 10a4 4 0 0 0-5.7 0l-3.5 3.5a4 4 0 0 0 5.7 5.7l1.3-1.3',
  list: 'M9 6h11M9 12h11M9 18h11M4.5 6h.01M4.5 12h.01M4.5 18h.01',
  lock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3',
  more: 'M5 12h.01M12 12h.01M19 12h.01',
  people: 'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c0-3.6 2.9-6 6.5-6s6.5 2.4 6.5 6M16 4.4a3.5 3.5 0 0 1 0 6.2M18 14.6c2.1.8 3.5 2.8 3.5 5.4',
  out: 'M10 4H5v16h5M14 8l4 4-4 4M18 12H9',
  pin: 'M9 3h6l-1 6 4 4H6l4-4zM12 13v8',
  plus: 'M12 5v14M5 12h14',
  quiet: 'M6 17V11a6 6 0 0 1 9.5-4.9M18 10v7H7M10 20.5h4M4 4l16 16',
  bell: 'M6 17V11a6 6 0 0 1 12 0v6zM4 17h16M10 20.5h4',
  reply: 'M10 6L4 12l6 6M4 12h9c4 0 7 2 7 6',
  right: 'M9 5l7 7-7 7',
  search: 'M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5L20 20',
  send: 'M4 12l16-8-5 16-3.5-6.5z',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4',
  shield: 'M12 3l7 3v5c0 4.6-2.9 8.3-7 10-4.1-1.7-7-5.4-7-10V6zM9 12l2.2 2.2L15.4 10',
  smile: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM8.5 14a4.3 4.3 0 0 0 7 0M9 9.5h.01M15 9.5h.01',
  trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13',
};

/** A drawing that says nothing by itself: what it stands in has the words. */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  const path = document.createElementNS(SVG, 'path');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', `icon icon-${name}`);
  svg.setAttribute('aria-hidden', 'true');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

/** A button that shows a drawing and is called `label`. */
export function iconButton(name, label, action, props = {}) {
  const button = el('button', { type: 'button', className: 'icon-button', 'aria-label': label, title: label, ...props }, icon(name));
  if (action) button.addEventListener('click', action);
  return button;
}

/** Shows `problem` in a form, at its field if it names one; without a problem, clears it. */
export function showProblem(form, problem) {
  const place = form.querySelector('.problem');
  for (const field of form.querySelectorAll('[aria-invalid]')) field.removeAttribute('aria-invalid');
  place.hidden = !problem;
  place.textContent = problem ? problemText(problem) : '';
  const field = problem?.field && form.elements.namedItem(problem.field);
  if (field instanceof HTMLElement) {
    field.setAttribute('aria-invalid', 'true');
    field.focus();
  }
}

/** Runs `action` on submit, once at a time, and shows what goes wrong in the form. */
export function onSubmit(form, action) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const buttons = [...form.querySelectorAll('button')].filter((button) => !button.disabled);
    for (const button of buttons) button.disabled = true;
    showProblem(form, null);
    let problem = null;
    try {
      await action(form);
    } catch (error) {
      problem = error;
    }
    for (const button of buttons) button.disabled = false;
    // A disabled button may have taken the focus with it: only now can a field have it.
    if (problem) showProblem(form, problem);
  });
}

/** Calls `action` once, `ms` after the last of the calls that came until then. */
export function calmly(action, ms) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, ms);
  };
}
