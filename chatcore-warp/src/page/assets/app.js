// Where the page starts: it finds out whether there is a session, and shows one of two things.

import { api } from './api.js';
import { setUpAuth, showAuth } from './auth-view.js';
import { Chat } from './chat.js';
import { Composer } from './composer-view.js';
import { byId, calmly, iconButton } from './dom.js';
import { userAvatar, userName } from './elements.js';
import { problemText, t, translate } from './i18n.js';
import { announceInvitation, invitedBy, takeInvitation } from './invite.js';
import { setUpKeyboard } from './keyboard.js';
import { openAdmin, openHelp, openSearch, openSettings, openWrite } from './later.js';
import { drawMembers, membersHeard, setUpMembers, showMembers } from './members-view.js';
import { MessageActions } from './message-actions.js';
import { people } from './people.js';
import { forgetQuotes } from './quote.js';
import { drawHead, drawTyping, setUpRoom } from './room-view.js';
import { drawRooms, drawState, setUpRooms } from './rooms-view.js';
import { session } from './session.js';
import { applyTheme } from './settings.js';
import { drawSlow } from './slow-view.js';
import { Timeline } from './timeline-view.js';
import { attempt, complain, say } from './toast.js';

const LOOK_EVERY_MS = 30_000;
const ENDED = { 4001: 'ended.misunderstood', 4002: 'ended.expired', 4003: 'ended.revoked', 4007: 'ended.old' };

applyTheme();
translate(document.body);
const composer = new Composer();
const actions = new MessageActions(composer);
const timeline = new Timeline(actions);
let placed = false;
/** Whether where one is invited to was told before one logged in. */
let told = false;

session.open = (id) => {
  const shown = session.chat?.show(id);
  shown?.catch(() => {
    // The edge of the timeline says so, and offers to try again.
  });
};

session.jump = (room, message, seq) => {
  session.open(room);
  // The room is drawn before the next frame is.
  requestAnimationFrame(() => requestAnimationFrame(() => timeline.jump(message, seq)));
};

/** The room that the address names: a reload, another tab and the way back find it there. */
function addressed() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return '';
  }
}

function address(id) {
  // Where one is invited to stays there until it is settled.
  if (id === addressed() || invitedBy()) return;
  if (id) location.hash = encodeURIComponent(id);
  else history.replaceState(null, '', location.pathname + location.search);
}

/** Goes where the address says, once it is known which rooms there are. */
function follow() {
  const { chat } = session;
  const id = addressed();
  if (invitedBy()) {
    if (!chat) announceInvitation();
    else if (chat.known) {
      takeInvitation(told);
      told = false;
    }
    return;
  }
  if (!chat?.known || id === (chat.current?.id ?? '')) return;
  session.open(chat.rooms.has(id) ? id : null);
}

function drawRoom() {
  const room = session.chat.current;
  drawHead();
  drawTyping();
  showMembers(room);
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

/** Tells those who listen instead of looking what came in. */
function spoken(entry) {
  const { chat, me } = session;
  if (entry.kind !== 'message' || entry.user === me.id || entry.room !== chat.current?.id || chat.blocks.has(entry.user)) return;
  say(t('message.spoken', { name: people.name(entry.user), text: entry.text || t('message.file') }));
}

async function begin() {
  const me = await api.me();
  session.me = me;
  people.learn(me);
  byId('me').replaceChildren(userAvatar(me.id), userName(me.id));
  byId('admin').hidden = !me.admin;
  const chat = new Chat(me);
  session.chat = chat;
  placed = false;
  // An answer may come after the end.
  const on = (type, action) => chat.addEventListener(type, ({ detail }) => { if (session.chat === chat) action(detail); });
  on('rooms', drawRooms);
  on('room', drawRoom);
  on('items', (room) => {
    drawState();
    if (room !== chat.current?.id) return;
    drawSlow();
    timeline.draw();
  });
  // Whoever writes wants to see it, wherever they were reading.
  on('sent', (room) => { if (room === chat.current?.id) timeline.toNewest(); });
  on('entry', (entry) => {
    spoken(entry);
    membersHeard(entry);
  });
  on('signals', (room) => {
    if (room.kind === 'direct') drawRooms();
    if (room !== chat.current) return;
    drawTyping();
    drawMembers();
  });
  on('blocks', () => {
    forgetQuotes();
    drawHead();
    drawTyping();
    drawMembers();
    timeline.draw();
  });
  on('state', () => {
    drawState();
    timeline.draw();
  });
  on('end', (code) => end(t(ENDED[code] ?? ENDED[4002])));
  byId('loading').hidden = true;
  byId('auth').hidden = true;
  byId('chat').hidden = false;
  drawState();
  drawRooms();
  drawRoom();
  await chat.start().catch(complain);
}

session.end = end;

function end(message) {
  session.chat?.stop();
  session.chat = null;
  session.me = null;
  composer.clear();
  timeline.draw();
  people.clear();
  forgetQuotes();
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
  byId('loading').hidden = true;
  byId('chat').hidden = true;
  byId('chat').classList.remove('in-room');
  document.title = 'chatcore';
  showAuth(message);
}

async function logOut() {
  const { chat } = session;
  // Whoever logs out leaves nothing behind for the next one at this browser: also not these.
  if (chat.outbox.unsent > 0 && !confirm(t('log_out.unsent', { n: chat.outbox.unsent }))) return;
  const out = await attempt(() => api.logout().catch((problem) => {
    // Already logged out is logged out; anything else must not look like it.
    if (problem.status !== 401) throw problem;
  }));
  if (!out) return;
  chat.outbox.clear();
  address('');
  end();
}

setUpAuth(() => {
  told = Boolean(invitedBy());
  return begin();
});
setUpRooms();
setUpRoom();
setUpMembers();
setUpKeyboard({ timeline, composer });
byId('me').addEventListener('click', openSettings);
byId('write').addEventListener('click', openWrite);
byId('help').addEventListener('click', openHelp);
byId('search').replaceWith(iconButton('search', t('search'), openSearch, { id: 'search', 'data-testid': 'search' }));
byId('logout').replaceWith(iconButton('out', t('log_out'), logOut, { id: 'logout', 'data-testid': 'logout' }));
byId('admin').replaceWith(iconButton('shield', t('admin'), openAdmin, { id: 'admin', hidden: true, 'data-testid': 'admin' }));
byId('settings').replaceWith(iconButton('settings', t('settings'), openSettings, { id: 'settings', 'data-testid': 'settings' }));
people.addEventListener('named', calmly(drawRooms, 100));
addEventListener('hashchange', follow);

/** Of a new room nobody is told who is not in it: ask. */
function lookAround() {
  if (document.visibilityState === 'visible' && session.chat?.state === 'ready') session.chat.refresh().catch(() => {});
}

addEventListener('focus', () => {
  timeline.looked();
  lookAround();
});
setInterval(lookAround, LOOK_EVERY_MS);

begin().catch((problem) => {
  // Without a session there is nothing to say; without a server there is.
  end(problem.status === 401 ? undefined : problemText(problem));
});
