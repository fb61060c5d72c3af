// What this browser keeps from one visit to the next. A private window may refuse to keep anything:
// then it lasts as long as the page.

const PREFIX = 'chatcore.';
const unkept = new Map();

/** The value under `key`, or null: also for what is no JSON, of another version or half of it. */
export function recall(key) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + key));
  } catch {
    return unkept.get(key) ?? null;
  }
}

/** Keeps `value` under `key`; null takes it away. */
export function keep(key, value) {
  try {
    if (value === null) localStorage.removeItem(PREFIX + key);
    else localStorage.setItem(PREFIX + key, JSON.stringify(value));
  } catch {
    if (value === null) unkept.delete(key);
    else unkept.set(key, value);
  }
}

/** The keys that begin with `beginning`. */
export function keysOf(beginning) {
  try {
    return Object.keys(localStorage)
      .filter((key) => key.startsWith(PREFIX + beginning))
      .map((key) => key.slice(PREFIX.length));
  } catch {
    return [];
  }
}
