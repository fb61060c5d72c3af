// The page's own words, in the language of its reader.

import { en } from './en.js';
import { keep, recall } from './storage.js';
import { zh } from './zh.js';

const WORDS = { en, zh };
/** Those of what is rarely opened. */
const MORE = { en: () => import('./en-later.js'), zh: () => import('./zh-later.js') };

/** The languages that there are, each in its own name. */
export const LANGUAGES = { en: 'English', zh: '中文' };

function chosen() {
  const kept = recall('language');
  if (Object.hasOwn(WORDS, kept ?? '')) return kept;
  const spoken = navigator.languages.map((tag) => tag.split('-')[0]);
  return spoken.find((tag) => Object.hasOwn(WORDS, tag)) ?? 'en';
}

export const language = chosen();

/** What `Intl` shall format in: the reader's own region of the language, if they have one. */
export const locale = navigator.languages.find((tag) => tag.split('-')[0] === language) ?? language;

/** Learns the words of what is rarely opened. */
export async function moreWords() {
  Object.assign(WORDS[language], (await MORE[language]()).later);
}

const plural = new Intl.PluralRules(language);

/** The page begins anew in the other language. */
export function setLanguage(name) {
  keep('language', name);
  location.reload();
}

function form(key, values) {
  const words = WORDS[language][key] ?? key;
  const forms = words.split(' | ');
  return forms.length > 1 && plural.select(values.n) === 'one' ? forms[0] : forms.at(-1);
}

/** The words under `key`, with `{name}` replaced by its value. `n` chooses between `one | more`. */
export function t(key, values = {}) {
  return form(key, values).replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ''));
}

/** The same in pieces, for values that are elements. */
export function pieces(key, values) {
  return form(key, values).split(/(\{\w+\})/).filter(Boolean)
    .map((piece) => (/^\{\w+\}$/.test(piece) ? values[piece.slice(1, -1)] ?? '' : piece));
}

/** Fills in what the document leaves to its language: `data-t` is its text, `data-t-x` attribute x. */
export function translate(root) {
  document.documentElement.lang = language;
  for (const element of root.querySelectorAll('*')) {
    for (const [name, key] of Object.entries(element.dataset)) {
      if (name === 't') element.textContent = t(key);
      else if (name === 'tLabel') element.setAttribute('aria-label', t(key));
      else if (name === 'tPlaceholder') element.setAttribute('placeholder', t(key));
      else if (name === 'tTitle') element.setAttribute('title', t(key));
    }
  }
}

/** What went wrong, in the reader's language: the server's own words are English. */
export function problemText(problem) {
  if (language === 'en' || !problem.code) return problem.message;
  const key = `problem.${problem.code}`;
  return Object.hasOwn(WORDS[language], key) ? t(key) : problem.message;
}
