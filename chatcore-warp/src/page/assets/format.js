// Times, sizes and initials, as people write them.

import { locale } from './i18n.js';

const day = new Intl.DateTimeFormat(locale, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
const time = new Intl.DateTimeFormat(locale, { timeStyle: 'short' });
const full = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'medium' });
const short = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });

const date = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeZone: 'UTC' });

/** A time that is none is shown as nothing, and takes nothing else with it. */
const guarded = (format) => (ts) => (Number.isNaN(new Date(ts).getTime()) ? '' : format.format(ts));

export const dayText = guarded(day);
export const timeText = guarded(time);
export const fullText = guarded(full);
export const shortText = guarded(short);
/** Of a day that is counted from midnight to midnight UTC. */
export const dateText = guarded(date);

/** Which day it is here: cheap to compare, where the words for it are not. */
export function dayKey(ts) {
  const date = new Date(ts);
  return (date.getFullYear() * 12 + date.getMonth()) * 31 + date.getDate();
}

const units = ['B', 'kB', 'MB', 'GB'];

export function sizeText(bytes) {
  const power = bytes < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${value.toLocaleString(locale, { maximumFractionDigits: value < 10 && power > 0 ? 1 : 0 })} ${units[power]}`;
}

const LENGTHS = [['day', 86_400], ['hour', 3_600], ['minute', 60], ['second', 1]];

/** A length of time in the largest unit that tells it exactly. */
export function lengthText(seconds) {
  const [unit, size] = LENGTHS.find(([, size]) => seconds >= size && seconds % size === 0) ?? LENGTHS.at(-1);
  return new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'long' }).format(seconds / size);
}

export const numberText = (number) => number.toLocaleString(locale);

/** One of eight colours, the same for the same person everywhere. */
export function tint(id) {
  let sum = 0;
  for (const character of id) sum = (sum * 31 + character.codePointAt(0)) % 65_521;
  return `tint-${sum % 8}`;
}

export function initial(name) {
  return ([...name.matchAll(/\p{L}|\p{N}/gu)][0]?.[0] ?? '?').toUpperCase();
}
