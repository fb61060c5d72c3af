// One message: who said it, to what, its text, its files, its reactions, and how far it has come.

import { api } from './api.js';
import { el, icon, own } from './dom.js';
import { userAvatar, userName } from './elements.js';
import { fullText, sizeText, timeText } from './format.js';
import { problemText, t } from './i18n.js';
import { people } from './people.js';
import { quote } from './quote.js';
import { session } from './session.js';
import { isEmoji, textNodes } from './text.js';

const SHOWN_IMAGES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);
const SHOWN_VIDEO = new Set(['video/mp4', 'video/webm']);
const SHOWN_AUDIO = new Set(['audio/mpeg', 'audio/ogg', 'audio/wav', 'audio/mp4']);

export const isImage = (file) => SHOWN_IMAGES.has(file.content_type);

function image(file) {
  // In full where there is no smaller one, and where it moves.
  const small = file.content_type === 'image/gif' ? undefined : file.thumbnail;
  const { width, height } = small ?? file;
  const picture = el('img', {
    src: small ? api.thumbnailUrl(file) : api.fileUrl(file), alt: file.name, loading: 'lazy', decoding: 'async', width, height, 'data-testid': 'image',
  });
  return el('button', { type: 'button', className: 'image', 'data-image': file.id, 'aria-label': t('image.open', { name: file.name }) }, picture);
}

function attachment(file) {
  if (isImage(file)) return image(file);
  const href = api.fileUrl(file);
  const link = el(
    'a', { href, download: file.name, className: 'file', 'data-testid': 'attachment' },
    icon('file'), el('span', { className: 'file-name' }, own(file.name)), el('span', { className: 'hint' }, sizeText(file.size)),
  );
  const kind = SHOWN_VIDEO.has(file.content_type) ? 'video' : SHOWN_AUDIO.has(file.content_type) ? 'audio' : null;
  if (!kind) return link;
  return el('div', { className: 'played' }, el(kind, { src: href, controls: true, preload: 'none' }), link);
}

function reactionButton({ emoji, count, mine }) {
  return el(
    'button', { type: 'button', className: 'reaction', 'data-emoji': emoji, 'aria-pressed': String(Boolean(mine)), 'data-testid': 'reaction', 'aria-label': t('reaction.count', { emoji, n: count }) },
    el('span', {}, emoji), ' ', String(count),
  );
}

function body(message) {
  if (message.deleted_at) return [el('p', { className: 'deleted' }, t('message.deleted'))];
  const parts = [];
  if (message.text) {
    const text = el('div', { className: isEmoji(message.text) ? 'text large' : 'text', dir: 'auto', 'data-testid': 'message-text' }, ...textNodes(message.text, session.me?.handle));
    parts.push(text);
    if (message.edited_at) parts.push(el('span', { className: 'hint edited', title: fullText(message.edited_at) }, t('message.edited')));
  }
  if (message.attachments?.length) parts.push(el('div', { className: 'attachments' }, ...message.attachments.map(attachment)));
  if (message.reactions?.length) parts.push(el('div', { className: 'reactions' }, ...message.reactions.map(reactionButton)));
  return parts;
}

function failed(message) {
  return el(
    'p', { className: 'state failed', role: 'alert' }, `${t('message.not_sent')} ${problemText(message.problem)} `,
    el('button', { type: 'button', className: 'link', 'data-action': 'retry', 'data-testid': 'retry' }, t('try_again')), ' ',
    el('button', { type: 'button', className: 'link', 'data-action': 'discard', 'data-testid': 'discard' }, t('discard')),
  );
}

/** `head`: it begins a group of its author's. `seen`: what is to be said of who has read it. */
export function messageRow(message, { head, seen }) {
  const mine = message.user === session.me?.id;
  const when = timeText(message.ts);
  const row = el('article', {
    className: `message${head ? ' head' : ''}${mine ? ' mine' : ''}${message.mentions?.includes(session.me?.id) ? ' calls-me' : ''}`, tabIndex: -1,
    'aria-label': t('message.of', { name: people.name(message.user), time: when }),
    'data-testid': 'message', 'data-seq': message.seq, 'data-state': message.state,
  });
  const stamp = el('time', { dateTime: new Date(message.ts).toISOString(), title: fullText(message.ts) }, when);
  if (head) row.append(userAvatar(message.user), el('div', { className: 'byline' }, el('span', { className: 'author', 'data-testid': 'author' }, userName(message.user)), ' ', stamp));
  else row.append(stamp);
  if (message.pinned) row.append(el('span', { className: 'pinned-mark hint', 'data-testid': 'pinned' }, icon('pin'), t('message.pinned')));
  if (message.reply_to && !message.deleted_at) {
    row.append(el('button', { type: 'button', className: 'quote', 'data-jump': message.reply_to, 'data-testid': 'quote' }, quote(message.room ?? session.chat?.current?.id, message.reply_to)));
  }
  row.append(...body(message));
  if (message.state === 'waiting') row.append(el('p', { className: 'state' }, t(session.chat?.state === 'ready' ? 'message.sending' : 'message.waiting')));
  if (message.state === 'failed') row.append(failed(message));
  if (seen) row.append(el('p', { className: 'state seen' }, el('button', { type: 'button', className: 'link', 'data-action': 'readers', 'data-testid': 'seen' }, seen)));
  return row;
}
