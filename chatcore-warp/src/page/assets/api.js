// The REST API, as far as the page needs it. Addresses are relative to this file, so that the page
// works under whatever path an application mounts it.

import { device } from './device.js';

const base = new URL('../api/v1/', import.meta.url);

/** An answer that says no: a problem document, or what stands in for one. */
export class Problem extends Error {
  constructor(status, { code, field, detail, title } = {}, retryAfterMs = 0) {
    super(detail || title || 'The server did not answer as expected.');
    this.status = status;
    this.code = code || (status === 401 ? 'unauthenticated' : 'internal');
    this.field = field;
    this.retryAfterMs = retryAfterMs;
  }
}

/** No answer at all: trying again may help. */
export class Unreachable extends Error {
  constructor() {
    super('The server cannot be reached.');
    this.code = 'unavailable';
  }
}

async function call(method, path, body) {
  const request = { method, headers: { accept: 'application/json' }, credentials: 'same-origin' };
  if (body instanceof FormData) {
    request.body = body;
  } else if (body !== undefined) {
    request.headers['content-type'] = 'application/json';
    request.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(new URL(path, base), request);
  } catch {
    throw new Unreachable();
  }
  const text = await response.text().catch(() => '');
  let answer = {};
  try {
    answer = text ? JSON.parse(text) : {};
  } catch {
    // Something between here and the server answered in its place; the status says enough.
  }
  if (!response.ok) {
    const seconds = Number(response.headers.get('retry-after')) || 0;
    throw new Problem(response.status, answer, seconds * 1000);
  }
  return answer;
}

const id = encodeURIComponent;

async function allRooms(filter) {
  const rooms = [];
  let after = '';
  do {
    const page = await call('GET', `rooms?filter=${filter}&limit=200${after && `&after=${id(after)}`}`);
    rooms.push(...page.rooms);
    after = page.next || '';
  } while (after && rooms.length < 2000);
  return rooms;
}

export const api = {
  me: () => call('GET', 'me'),
  register: (account) => call('POST', 'accounts', { ...account, device, cookie: true }),
  confirm: (email, code) => call('POST', 'accounts/confirm', { email, code, device, cookie: true }),
  login: (login, password) => call('POST', 'sessions', { login, password, device, cookie: true }),
  logout: () => call('DELETE', 'sessions/current'),
  user: (user) => call('GET', `users/${id(user)}`),

  joinedRooms: () => allRooms('joined'),
  visibleRooms: () => allRooms('visible'),
  room: (room) => call('GET', `rooms/${id(room)}`),
  createRoom: (room) => call('POST', 'rooms', room),
  enter: (room) => call('POST', `rooms/${id(room)}/enter`),
  invite: (room, user) => call('POST', `rooms/${id(room)}/members/${id(user)}`, { action: 'invite' }),
  leave: (room) => call('POST', `rooms/${id(room)}/leave`),
  /** Up to `limit` messages before the place `seq`, which is left out; oldest first. */
  messagesBefore: (room, seq, limit) =>
    call('GET', `rooms/${id(room)}/messages?before=${seq}&limit=${limit}`),

  upload: (file) => {
    const form = new FormData();
    form.append('file', file, file.name);
    return call('POST', 'attachments', form);
  },
  avatarUrl: (user) => new URL(`users/${id(user)}/avatar`, base).href,
  fileUrl: (file) => new URL(`attachments/${id(file.id)}/${id(file.name)}`, base).href,
};

export function socketUrl() {
  const url = new URL('ws', base);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url;
}
