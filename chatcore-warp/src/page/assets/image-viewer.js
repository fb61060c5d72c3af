// Pictures, one at a time and as large as there is room: arrows go on, Escape closes.

import { api } from './api.js';
import { el, iconButton, own } from './dom.js';
import { t } from './i18n.js';
import { isImage } from './message-view.js';

/** Shows the pictures among `files`, beginning with the one of this id. */
export function openViewer(files, id) {
  const images = files.filter(isImage);
  let at = Math.max(0, images.findIndex((file) => file.id === id));
  const picture = el('img', { className: 'viewed', 'data-testid': 'viewed-image' });
  const name = el('span', { className: 'viewer-name' });
  const download = el('a', { className: 'viewer-link', 'data-testid': 'viewer-download' }, t('image.download'));
  const show = (step) => {
    at = (at + step + images.length) % images.length;
    const file = images[at];
    picture.src = api.fileUrl(file);
    picture.alt = file.name;
    name.replaceChildren(own(file.name), images.length > 1 ? ` (${at + 1}/${images.length})` : '');
    download.href = api.fileUrl(file);
    download.download = file.name;
  };
  const dialog = el('dialog', { className: 'viewer', 'aria-label': t('image.viewer'), 'data-testid': 'viewer' });
  const several = images.length > 1;
  dialog.append(
    el('header', { className: 'viewer-head' }, name, download, iconButton('close', t('close'), () => dialog.close(), { 'data-testid': 'close-viewer', autofocus: true })),
    ...several ? [iconButton('left', t('image.previous'), () => show(-1), { className: 'icon-button turn previous' })] : [],
    picture,
    ...several ? [iconButton('right', t('image.next'), () => show(1), { className: 'icon-button turn next', 'data-testid': 'next-image' })] : [],
  );
  dialog.addEventListener('keydown', ({ key }) => {
    if (several && key === 'ArrowLeft') show(-1);
    if (several && key === 'ArrowRight') show(1);
  });
  dialog.addEventListener('click', ({ target }) => { if (target === dialog) dialog.close(); });
  dialog.addEventListener('close', () => dialog.remove());
  show(0);
  document.body.append(dialog);
  dialog.showModal();
}
