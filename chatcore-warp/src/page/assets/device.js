// What this browser calls itself: the same for its sessions and its connections, as long as it keeps
// anything at all.

const KEY = 'chatcore.device';

function made() {
  return `web-${crypto.getRandomValues(new Uint32Array(2)).join('-')}`;
}

function kept() {
  try {
    const id = localStorage.getItem(KEY) ?? made();
    localStorage.setItem(KEY, id);
    return id;
  } catch {
    // A private window may refuse to keep it.
    return made();
  }
}

export const device = kept();
