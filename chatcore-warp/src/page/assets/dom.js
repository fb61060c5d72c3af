// The few things that every part of the page does to the document. Text only ever goes in as text.

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

/** A name within a text that can hold no elements: it must not reorder what stands beside it. */
export const isolated = (name) => `\u2068${name}\u2069`;

/** Shows `problem` in a form, at its field if it names one; without a problem, clears it. */
export function showProblem(form, problem) {
  const place = form.querySelector('.problem');
  for (const field of form.querySelectorAll('[aria-invalid]')) field.removeAttribute('aria-invalid');
  place.hidden = !problem;
  place.textContent = problem ? problem.message : '';
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
    const buttons = form.querySelectorAll('button');
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

const units = ['bytes', 'kB', 'MB', 'GB'];

export function size(bytes) {
  const power = bytes < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${value.toLocaleString(undefined, { maximumFractionDigits: value < 10 && power > 0 ? 1 : 0 })} ${units[power]}`;
}
