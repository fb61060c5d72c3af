// An invite link is the page's own address with `#invite=CODE`. What follows the # goes to no server
// and into no `Referer`; it stays in the address until it is used, so that it outlives a reload.

import { api } from './api.js';
import { byId, isolated } from './dom.js';
import { t } from './i18n.js';
import { openInvitation } from './later.js';
import { session } from './session.js';
import { complain } from './toast.js';

const MARK = '#invite=';
/** The code that is being asked about: a link is not to be offered twice at once. */
let asking = null;

/** The code by which someone is invited here, if they are. */
export function invitedBy() {
  if (!location.hash.startsWith(MARK)) return null;
  try {
    return decodeURIComponent(location.hash.slice(MARK.length)) || null;
  } catch {
    return null;
  }
}

function forget() {
  asking = null;
  history.replaceState(null, '', location.pathname + location.search);
}

const said = (problem) => (problem.code === 'not_found' || problem.code === 'bad_request' ? new Error(t('invited.none')) : problem);

const named = async (code) => (await api.invitation(code)).name || t('room.unnamed');

/** Says to who has to log in first where they are invited to. */
export async function announceInvitation() {
  const place = byId('invited');
  const code = invitedBy();
  place.hidden = !code;
  place.textContent = '';
  if (!code) return;
  try {
    place.textContent = t('invited.banner', { name: isolated(await named(code)) });
  } catch (problem) {
    place.textContent = said(problem).message;
  }
}

/**
 * Comes in by the link of the address: at once for who was `told` where it leads and then logged in;
 * others are asked, for a link alone must take nobody anywhere.
 */
export async function takeInvitation(told) {
  const code = invitedBy();
  const { chat } = session;
  if (!code || code === asking || !chat) return;
  asking = code;
  const comeIn = async () => {
    const room = await chat.accept(code);
    forget();
    session.open(room);
  };
  try {
    if (told) await comeIn();
    else {
      const declined = () => {
        forget();
        session.open(chat.current?.id ?? null);
      };
      const opened = await openInvitation({ name: await named(code), action: comeIn, declined });
      if (!opened) declined();
    }
  } catch (problem) {
    forget();
    complain(said(problem));
  }
}
