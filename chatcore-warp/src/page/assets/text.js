// What a text of a person is made of: words, web addresses, names that are called, code. Everything
// else stays the text that it is.

import { el } from './dom.js';

const FENCE = /```(?:[a-z0-9+-]{0,20}\n)?([\s\S]+?)```/g;
const INLINE = /`([^`\n]+)`|\bhttps?:\/\/[^\s<>"'`]+[^\s<>"'`.,;:!?)\]]|(?<![\p{L}\p{N}_@])@[\p{L}\p{N}](?:[\p{L}\p{N}._-]{0,62}[\p{L}\p{N}])?/gu;

/** An address that may be a link: http and https alone, and nothing that pretends to be one. */
export function safeAddress(text) {
  try {
    const url = new URL(text);
    return (url.protocol === 'https:' || url.protocol === 'http:') && !url.username ? url.href : null;
  } catch {
    return null;
  }
}

/**
 * The text in pieces: `{text}`, `{link, text}`, `{mention, text}`, `{code}` or `{block}`.
 * @param {string} text
 */
export function parse(text) {
  const pieces = [];
  let from = 0;
  for (const fence of text.matchAll(FENCE)) {
    inline(text.slice(from, fence.index), pieces);
    pieces.push({ block: fence[1].replace(/\n$/, '') });
    from = fence.index + fence[0].length;
  }
  inline(text.slice(from), pieces);
  return pieces;
}

function inline(text, pieces) {
  let from = 0;
  const say = (words) => { if (words) pieces.push({ text: words }); };
  for (const match of text.matchAll(INLINE)) {
    const [whole, code] = match;
    const link = code === undefined && whole[0] !== '@' ? safeAddress(whole) : undefined;
    if (link === null) continue;
    say(text.slice(from, match.index));
    from = match.index + whole.length;
    if (code !== undefined) pieces.push({ code });
    else if (link) pieces.push({ link, text: whole });
    else pieces.push({ mention: whole.slice(1), text: whole });
  }
  say(text.slice(from));
}

/** The text as nodes; `me` is the handle of who reads it. */
export function textNodes(text, me) {
  return parse(text).map((piece) => {
    if (piece.link) return el('a', { href: piece.link, target: '_blank', rel: 'noopener noreferrer nofollow' }, piece.text);
    if (piece.code) return el('code', {}, piece.code);
    if (piece.block) return el('pre', { tabIndex: 0 }, el('code', {}, piece.block));
    if (!piece.mention) return piece.text;
    const called = me && piece.mention.toLowerCase() === me.toLowerCase();
    return el('span', { className: called ? 'mention to-me' : 'mention' }, piece.text);
  });
}

/** One emoji, or a few, and nothing else: shown larger. */
export function isEmoji(text) {
  return text.length <= 40 && /^(?:\p{Extended_Pictographic}|\p{Emoji_Component}|\s){1,12}$/u.test(text) && /\p{Extended_Pictographic}|\p{Regional_Indicator}/u.test(text);
}
