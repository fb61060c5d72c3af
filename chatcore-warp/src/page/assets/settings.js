// How the page shall look: what its reader chose, or what their system says.

import { keep, recall } from './storage.js';

export const THEMES = ['system', 'light', 'dark'];

export function theme() {
  const chosen = recall('theme');
  return THEMES.includes(chosen) ? chosen : 'system';
}

export function setTheme(name) {
  keep('theme', name);
  applyTheme();
}

export function applyTheme() {
  const chosen = theme();
  document.documentElement.style.colorScheme = chosen === 'system' ? 'light dark' : chosen;
}
