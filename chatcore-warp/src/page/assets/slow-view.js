// Slow mode, at the place to write: how often one may, and how long it is until then.

import { byId } from './dom.js';
import { lengthText } from './format.js';
import { t } from './i18n.js';
import { session } from './session.js';
import { say } from './toast.js';

const EVERY_MS = 250;
let timer = 0;
let waited = false;

/** Milliseconds until one may write in the room on the screen. */
export const pause = () => session.chat?.current?.pause ?? 0;

/** Says it, and goes on saying it until the pause is over. */
export function drawSlow() {
  clearTimeout(timer);
  const room = session.chat?.current;
  const place = byId('slow');
  const left = pause();
  place.hidden = !room?.slowed;
  byId('send').setAttribute('aria-disabled', String(left > 0));
  place.classList.toggle('counting', left > 0);
  if (left > 0) {
    place.textContent = t('slow.wait', { time: lengthText(Math.ceil(left / 1000)) });
    timer = setTimeout(drawSlow, EVERY_MS);
  } else if (room?.slowed) {
    place.textContent = t('slow', { time: lengthText(room.slowMode) });
  }
  // Who listens hears of the end, not of each second.
  if (waited && left === 0 && room?.slowed) say(t('slow.over'));
  waited = left > 0;
}
