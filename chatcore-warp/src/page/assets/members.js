// Who is in a room, as far as the page asks.

import { api } from './api.js';

/** Members of a room of whom the page asks; of the others, it says how many there are. */
export const MOST_MEMBERS = 400;

/** Kinds of entries after which the list may be another one. */
export const CHANGES_MEMBERS = new Set(['enter', 'leave', 'kick', 'ban', 'role', 'mute', 'unmute']);

/** Asks anew who is in `room`, and how far they have read. */
export async function loadMembers(room) {
  const members = await api.members(room.id, MOST_MEMBERS);
  room.memberList = members.slice(0, MOST_MEMBERS);
  for (const { user, read_seq: seq } of members) room.marks.set(user, Math.max(seq ?? 0, room.marks.get(user) ?? 0));
}

const RANK = { member: 0, moderator: 1, owner: 2 };

/** Whether who has `own` may act on who has `theirs`: a moderator on members, an owner on both. */
export const outranks = (own, theirs) => RANK[own] >= RANK.moderator && RANK[own] > RANK[theirs];
