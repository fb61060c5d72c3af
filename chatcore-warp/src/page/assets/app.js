// Where the page starts: it finds out whether there is a session, and shows one of two things.

import { api } from './api.js';
import { setUpAuth, showAuth } from './auth-view.js';
import { Chat } from './chat.js';
import { Composer } from './composer-view.js';
import { byId, el } from './dom.js';
import { People } from './people.js';
import { drawRooms, drawState, setUpInvitations, setUpRooms } from './rooms-view.js';
import { Timeline } from './timeline-view.js';

const LOOK_EVERY_MS = 30_000;

const ENDED = {
  4001: 'This page and the server do not understand each other. Please load the page again.',
  4002: 'Your session has ended. Please log in again.',
  4003: 'You were logged out.',
  4007: 'This page is too old for the server. Please load it again.',
};

let announced = 0;
let placed = false;

/** What is on the screen, and for whom. */
const session = {
  me: null,
  chat: null,
  people: new People(),

  open(id) {
    session.chat.show(id).then(settle, (problem) => announce(problem));
  },

  async enter(id) {
    try {
      await session.chat.enter(id);
      session.open(id);
    } catch (problem) {
      announce(problem);
      session.chat?.refresh().catch(() => {});
    }
  },
};

const timeline = new Timeline(session);
const composer = new Composer(session);

/** Says something that belongs to no form, where the connection's state stands. */
function announce(problem) {
  clearTimeout(announced);
  byId('connection').textContent = problem.message;
  announced = setTimeout(settle, 6_000);
}

/** What was announced does not hold any more. */
function settle() {
  clearTimeout(announced);
  if (session.chat) drawState(session.chat.state);
}

/** The room that the address names: a reload, another tab and the way back find it there. */
function addressed() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return '';
  }
}

function address(id) {
  if (id === addressed()) return;
  if (id) location.hash = encodeURIComponent(id);
  else history.replaceState(null, '', location.pathname + location.search);
}

/** Goes where the address says, once it is known which rooms there are. */
function follow() {
  const { chat } = session;
  const id = addressed();
  if (!chat?.known || id === (chat.current?.id ?? '')) return;
  session.open(chat.rooms.has(id) ? id : null);
}

function drawRoom() {
  const room = session.chat.current;
  byId('room').hidden = !room;
  byId('no-room').hidden = Boolean(room);
  byId('chat').classList.toggle('in-room', Boolean(room));
  byId('room-name').replaceChildren(el('bdi', {}, room?.name ?? ''));
  byId('room-topic').replaceChildren(el('bdi', {}, room?.topic ?? ''));
  byId('room-members').textContent = room?.members ? `${room.members} in the room` : '';
  byId('invite').hidden = !room?.invites;
  composer.show(room);
  timeline.draw();
  if (!session.chat.known) return;
  if (placed) {
    address(room?.id ?? '');
  } else {
    placed = true;
    follow();
  }
}

async function begin() {
  const me = await api.me();
  session.me = me;
  session.people.learn(me);
  byId('me').replaceChildren(el('bdi', {}, session.people.name(me.id)));
  byId('my-id').textContent = me.id;
  const chat = new Chat(me);
  session.chat = chat;
  placed = false;
  // An answer may come after the end.
  const on = (type, action) => chat.addEventListener(type, ({ detail }) => { if (session.chat === chat) action(detail); });
  on('rooms', () => drawRooms(session));
  on('room', drawRoom);
  on('items', (room) => { if (room === chat.current?.id) timeline.draw(); });
  on('state', drawState);
  on('end', (code) => end(ENDED[code] ?? ENDED[4002]));
  byId('loading').hidden = true;
  byId('auth').hidden = true;
  byId('chat').hidden = false;
  drawState(chat.state);
  drawRooms(session);
  drawRoom();
  await chat.start().then(settle, (problem) => announce(problem));
}

function end(message) {
  session.chat?.stop();
  session.chat = null;
  session.me = null;
  composer.clear();
  timeline.draw();
  byId('loading').hidden = true;
  byId('chat').hidden = true;
  byId('chat').classList.remove('in-room');
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
  document.title = 'chatcore';
  showAuth(message);
}

async function logOut() {
  const { chat } = session;
  const unsent = chat.outbox.all().filter(({ state }) => state !== 'sent').length;
  // Whoever logs out leaves nothing behind for the next one at this browser: also not these.
  if (unsent > 0 && !confirm(`Messages not sent yet: ${unsent}. Log out and lose them?`)) return undefined;
  try {
    await api.logout();
  } catch (problem) {
    // Already logged out is logged out; anything else must not look like it.
    if (problem.status !== 401) return announce(problem);
  }
  chat.outbox.clear();
  address('');
  return end();
}

session.people.addEventListener('named', () => timeline.draw());
setUpAuth(begin);
setUpRooms(session);
setUpInvitations(session);
byId('logout').addEventListener('click', logOut);
byId('back').addEventListener('click', () => {
  session.open(null);
});
byId('leave').addEventListener('click', () => byId('leave-dialog').showModal());
byId('leave-dialog').querySelector('form').addEventListener('submit', () => {
  const room = session.chat?.current;
  if (room) session.chat.leave(room.id).then(settle, (problem) => announce(problem));
});

addEventListener('hashchange', follow);

/** Of a new room nobody is told who is not in it: ask. */
function lookAround() {
  if (document.visibilityState === 'visible' && session.chat?.state === 'ready') session.chat.refresh().catch(() => {});
}

addEventListener('focus', lookAround);
setInterval(lookAround, LOOK_EVERY_MS);

begin().catch((problem) => {
  // Without a session there is nothing to say; without a server there is.
  end(problem.status === 401 ? undefined : problem.message);
});
