// What is rarely opened. It is loaded when it is first asked for, with the words and the looks that it
// needs, so that whoever comes to chat does not wait for it.

import { Unreachable } from './api.js';
import { el } from './dom.js';
import { moreWords } from './i18n.js';
import { session } from './session.js';
import { attempt } from './toast.js';

let looks = null;

/** The style of dialogs, which is a file of its own. */
function styled() {
  looks ??= new Promise((resolve, reject) => {
    const link = el('link', { rel: 'stylesheet', href: new URL('dialogs.css', import.meta.url).href });
    link.addEventListener('load', resolve);
    link.addEventListener('error', () => {
      link.remove();
      looks = null;
      reject(new Unreachable());
    });
    document.head.append(link);
  });
  return looks;
}

/** A part that cannot be had is a server that cannot be reached. */
const fetched = (loading) => loading.catch((cause) => { throw Object.assign(new Unreachable(), { cause }); });

/** The function `name` of a part that is loaded when it is called; not twice by who presses twice. */
function later(part, name) {
  let opening = null;
  const open = async (about) => {
    const { me } = session;
    const [{ [name]: shown }] = await Promise.all([fetched(part()), styled(), fetched(moreWords())]);
    // Whoever logged out meanwhile does not want it any more.
    if (session.me === me) await shown(...about);
  };
  return (...about) => (opening ??= attempt(() => open(about)).finally(() => { opening = null; }));
}

const room = () => import('./room-dialogs.js');
const message = () => import('./message-dialogs.js');
const block = () => import('./block-dialogs.js');

export const openNewRoom = later(room, 'openNewRoom');
export const openDescribe = later(room, 'openDescribe');
export const openInvite = later(room, 'openInvite');
export const openWrite = later(room, 'openWrite');
export const openDirect = later(room, 'openDirect');
export const openNotify = later(room, 'openNotify');
export const openLeave = later(room, 'openLeave');
export const openSanction = later(room, 'openSanction');
export const openPins = later(message, 'openPins');
export const openReaders = later(message, 'openReaders');
export const openReport = later(message, 'openReport');
export const openDelete = later(message, 'openDelete');
export const openBlock = later(block, 'openBlock');
export const openLinks = later(() => import('./links-view.js'), 'openLinks');
export const openRoomAudit = later(() => import('./audit-view.js'), 'openRoomAudit');
export const openAdmin = later(() => import('./admin-view.js'), 'openAdmin');
export const openSettings = later(() => import('./settings-view.js'), 'openSettings');
export const openSearch = later(() => import('./search-view.js'), 'openSearch');
export const openHelp = later(() => import('./help-view.js'), 'openHelp');
export const openViewer = later(() => import('./image-viewer.js'), 'openViewer');
export const openInvitation = later(() => import('./invited-view.js'), 'openInvitation');
