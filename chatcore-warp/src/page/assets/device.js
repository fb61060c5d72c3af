// What this browser calls itself: the same for its sessions and its connections, as long as it keeps
// anything at all.

import { keep, recall } from './storage.js';

function named() {
  const known = recall('device');
  if (typeof known === 'string' && /^web-[0-9-]{3,40}$/.test(known)) return known;
  const made = `web-${crypto.getRandomValues(new Uint32Array(2)).join('-')}`;
  keep('device', made);
  return made;
}

export const device = named();
