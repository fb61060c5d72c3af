// The REST API, as far as the page needs it. Addresses are relative to this file, so that the page
// works under whatever path an application mounts it.

import { device } from './device.js';
import { t } from './i18n.js';

const base = new URL('../../api/v1/', import.meta.url);
const id = encodeURIComponent;

/** An answer that says no: a problem document, or what stands in for one. */
export class Problem extends Error {
  constructor(status, { code, field, detail, title } = {}, retryAfterMs = 0) {
    super(detail || title || t('problem.internal'));
    this.status = status;
    this.code = code || (status === 401 ? 'unauthenticated' : 'internal');
    this.field = field;
    this.retryAfterMs = retryAfterMs;
  }
}

/** No answer at all: trying again may help. */
export class Unreachable extends Error {
  constructor() {
    super(t('problem.unreachable'));
    this.code = 'unreachable';
  }
}

function read(status, text, retryAfter) {
  let answer = {};
  try {
    answer = text ? JSON.parse(text) : {};
  } catch {
    // Something between here and the server answered in its place; the status says enough.
  }
  if (status >= 200 && status < 300) return answer;
  throw new Problem(status, answer, (Number(retryAfter) || 0) * 1000);
}

/** What is being read. Whoever logs out no longer wants it, and may not have it any more. */
let reading = new AbortController();

async function call(method, path, body) {
  const request = { method, headers: { accept: 'application/json' }, credentials: 'same-origin' };
  if (method === 'GET') request.signal = reading.signal;
  if (body !== undefined) {
    request.headers['content-type'] = 'application/json';
    request.body = JSON.stringify(body);
  }
  let response;
  let text;
  try {
    response = await fetch(new URL(path, base), request);
    text = await response.text();
  } catch {
    throw new Unreachable();
  }
  return read(response.status, text, response.headers.get('retry-after'));
}

/** Sends a file; `progress` hears the part from 0 to 1 that has gone, `signal` ends it. */
function sendFile(method, path, file, { progress, signal } = {}) {
  return new Promise((resolve, reject) => {
    // `fetch` does not tell how much of a body has gone.
    const request = new XMLHttpRequest();
    request.open(method, new URL(path, base));
    request.setRequestHeader('accept', 'application/json');
    request.upload.addEventListener('progress', ({ loaded, total }) => progress?.(total ? loaded / total : 0));
    request.addEventListener('load', () => {
      try {
        resolve(read(request.status, request.responseText, request.getResponseHeader('retry-after')));
      } catch (problem) {
        reject(problem);
      }
    });
    for (const end of ['error', 'abort', 'timeout']) request.addEventListener(end, () => reject(new Unreachable()));
    signal?.addEventListener('abort', () => request.abort());
    const form = new FormData();
    form.append('file', file, file.name || 'file');
    request.send(form);
  });
}

/** A page of a list; `fields` that are not there are not asked for. */
function page(path, fields = {}) {
  const asked = Object.entries(fields).filter(([, value]) => value !== undefined && value !== '');
  return call('GET', asked.length > 0 ? `${path}?${new URLSearchParams(asked)}` : path);
}

/** All pages of a list, up to `most` items; `first` sees the first one. */
async function all(path, list, most, fields = {}, first = () => {}) {
  const found = [];
  let after;
  do {
    const read = await page(path, { ...fields, limit: 200, after });
    if (!after) first(read);
    found.push(...read[list]);
    after = read.next;
  } while (after && found.length < most);
  return found;
}

const room = (name, rest = '') => `rooms/${id(name)}${rest}`;
const message = (name, one, rest = '') => room(name, `/messages/${id(one)}${rest}`);
const clientMsgId = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('');

export const api = {
  me: () => call('GET', 'me'),
  register: (account) => call('POST', 'accounts', { ...account, device, cookie: true }),
  confirm: (email, code) => call('POST', 'accounts/confirm', { email, code, device, cookie: true }),
  login: (login, password) => call('POST', 'sessions', { login, password, device, cookie: true }),
  logout: () => {
    reading.abort();
    return call('DELETE', 'sessions/current').finally(() => { reading = new AbortController(); });
  },
  requestReset: (email) => call('POST', 'password-resets', { email }),
  reset: (email, code, password) => call('POST', 'password-resets/confirm', { email, code, password }),

  user: (user) => call('GET', `users/${id(user)}`),
  rename: (name) => call('PATCH', 'me', { display_name: name }),
  changePassword: (current, changed) => call('PUT', 'me/password', { current, new: changed }),
  setAvatar: (file) => sendFile('PUT', 'me/avatar', file),
  removeAvatar: () => call('DELETE', 'me/avatar'),
  sessions: async () => (await call('GET', 'sessions')).sessions,
  revoke: (session) => call('DELETE', `sessions/${id(session)}`),

  exportUrl: () => new URL('me/export', base).href,
  erase: (password) => call('DELETE', 'me', { password }),
  block: (user, on) => call(on ? 'PUT' : 'DELETE', `me/blocks/${id(user)}`),
  blocks: (after) => page('me/blocks', { after }),

  /** Rooms that one is in; `blocked` hears whom one blocks. */
  joinedRooms: (blocked) => all('rooms', 'rooms', 2000, { filter: 'joined' }, (first) => blocked(first.blocked ?? [])),
  visibleRooms: () => all('rooms', 'rooms', 2000, { filter: 'visible' }),
  room: (name) => call('GET', room(name)),
  createRoom: (fields) => call('POST', 'rooms', fields),
  updateRoom: (name, fields) => call('PATCH', room(name), fields),
  enter: (name) => call('POST', room(name, '/enter')),
  notify: (name, setting) => call('PUT', room(name, '/notifications'), setting),
  leave: (name) => call('POST', room(name, '/leave')),
  members: (name, most) => all(room(name, '/members'), 'members', most),
  member: (name, user, change) => call('POST', room(name, `/members/${id(user)}`), change),
  audit: (name, before) => page(room(name, '/audit'), { before }),

  links: async (name) => (await call('GET', room(name, '/invite-links'))).links,
  makeLink: (name, fields) => call('POST', room(name, '/invite-links'), fields),
  revokeLink: (name, link) => call('DELETE', room(name, `/invite-links/${id(link)}`)),
  invitation: (code) => call('POST', 'invites/show', { code }),
  accept: (code) => call('POST', 'invites/accept', { code }),

  /** A page of messages, oldest first; `anchor` is `before`, `after` or `around`. */
  history: (name, anchor, seq, limit) => call('GET', room(name, `/messages?${anchor}=${seq}&limit=${limit}`)),
  message: (name, one) => call('GET', message(name, one)),
  edit: (name, one, text) => call('PATCH', message(name, one), { client_msg_id: clientMsgId(), text }),
  remove: (name, one) => call('DELETE', message(name, one), { client_msg_id: clientMsgId() }),
  react: (name, one, emoji, on) => call(on ? 'PUT' : 'DELETE', message(name, one, `/reactions/${id(emoji)}`)),
  pin: (name, one, on) => call(on ? 'PUT' : 'DELETE', room(name, `/pins/${id(one)}`)),
  pins: (name, after) => page(room(name, '/pins'), { after }),
  readers: (name, one, after) => page(message(name, one, '/readers'), { after }),
  report: (name, one, reason) => call('POST', message(name, one, '/reports'), { reason }),

  search: (fields) => page('search', fields),

  admin: {
    stats: () => call('GET', 'admin/stats'),
    users: (name, after) => page('admin/users', { name, after }),
    suspend: (user, on, reason) => call(on ? 'PUT' : 'DELETE', `admin/users/${id(user)}/suspension`, { reason }),
    endSessions: (user) => call('DELETE', `admin/users/${id(user)}/sessions`),
    rooms: (after) => page('admin/rooms', { after }),
    deleteRoom: (name, reason) => call('DELETE', `admin/${room(name)}`, { reason }),
    reports: (settled, before) => page('admin/reports', { all: settled, before }),
    resolve: (report, reason) => call('POST', `admin/reports/${id(report)}/resolve`, { reason }),
    audit: (before) => page('admin/audit', { before }),
  },

  upload: (file, how) => sendFile('POST', 'attachments', file, how),
  avatarUrl: (user, version) => new URL(`users/${id(user)}/avatar?${version}`, base).href,
  thumbnailUrl: (file) => new URL(`thumbnails/${id(file.id)}`, base).href,
  fileUrl: (file) => new URL(`attachments/${id(file.id)}/${id(file.name)}`, base).href,
};

export { clientMsgId };

/** A link by which whoever has it comes in: the code is where no server sees it. */
export function invitationUrl(code) {
  const url = new URL(location.href);
  url.search = '';
  url.hash = `invite=${id(code)}`;
  return url.href;
}

export function socketUrl() {
  const url = new URL('ws', base);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url;
}
