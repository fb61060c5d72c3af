// Which rows stand in a timeline: messages in groups, lines for days, for what else happened, for where
// the unread begins, and for messages that are folded away.

import { dayKey } from './format.js';

const GROUP_MS = 5 * 60_000;

/**
 * `key` says which row, `version` changes when it must be drawn anew.
 * @param {object[]} items messages and notices, oldest first
 * @param {{me: string, readAtOpen?: number, seenBy?: (message: object) => number,
 *   online?: boolean, hides?: (message: object) => boolean}} about
 */
export function planRows(items, { me, readAtOpen = Infinity, seenBy = () => 0, online = true, hides = () => false }) {
  const rows = [];
  let day = null;
  let previous = null;
  let marked = false;
  const lastMine = items.findLast((item) => item.kind === 'message' && item.user === me && item.seq && !item.state && !item.deleted_at);
  for (const item of items) {
    const today = dayKey(item.ts);
    if (today !== day) {
      rows.push({ kind: 'day', key: `day-${today}`, version: '', ts: item.ts });
      day = today;
      previous = null;
    }
    if (item.kind !== 'message') {
      rows.push({ kind: 'notice', key: `seq-${item.seq}`, version: '', item });
      previous = null;
      continue;
    }
    if (!marked && item.n > readAtOpen && item.user !== me) {
      rows.push({ kind: 'unread', key: 'unread', version: '' });
      previous = null;
      marked = true;
    }
    if (hides(item)) {
      let last = rows.at(-1);
      if (last.kind !== 'hidden') rows.push(last = { kind: 'hidden', key: `hidden-${item.message_id}`, items: [] });
      last.items.push(item);
      last.version = String(last.items.length);
      previous = null;
      continue;
    }
    const head = !previous || previous.user !== item.user || item.ts - previous.ts > GROUP_MS || Boolean(item.reply_to) || Boolean(previous.deleted_at);
    const seen = item === lastMine ? seenBy(item) : 0;
    const waits = item.state === 'waiting' ? online : '';
    rows.push({ kind: 'message', key: item.message_id ?? item.client_msg_id, version: `${head} ${item.version ?? 0} ${item.state} ${item.pinned} ${seen} ${waits}`, item, head, seen });
    previous = item;
  }
  return rows;
}
