// Files that are on their way to go with a message: each with its progress, and a picture if it is one.

import { api } from './api.js';
import { el, icon, iconButton, own } from './dom.js';
import { sizeText } from './format.js';
import { t } from './i18n.js';

const PREVIEWED = /^image\/(png|jpeg|gif|webp)$/;
export const MOST_FILES = 10;

/** One file. `taken`: by a message that waits for it. `removed`: nobody waits for it any more. */
export class Upload {
  progress = 0;
  uploaded = null;
  taken = false;
  removed = false;
  #abort = new AbortController();

  /** `told(problem?)` is called when something about it changed. */
  constructor(file, told) {
    this.name = file.name || 'file';
    this.size = file.size;
    this.preview = PREVIEWED.test(file.type) ? URL.createObjectURL(file) : null;
    const progress = (part) => {
      this.progress = part;
      this.bar?.setAttribute('value', String(part));
    };
    const sent = api.upload(file, { progress, signal: this.#abort.signal }).then(
      (uploaded) => {
        this.uploaded = uploaded;
        told();
      },
      (problem) => { if (!this.removed) told(problem); },
    );
    const removal = new Promise((resolve) => { this.remove = () => { this.removed = true; this.#abort.abort(); this.forget(); resolve(); }; });
    this.done = Promise.race([sent, removal]);
  }

  /** The picture is not shown any more. */
  forget() {
    if (this.preview) URL.revokeObjectURL(this.preview);
    this.preview = null;
  }

  row(away) {
    this.bar = this.uploaded ? null : el('progress', { max: 1, value: this.progress, 'aria-label': t('file.uploading', { name: this.name }) });
    return el(
      'li', { className: 'upload', 'data-testid': 'pending-file', 'data-state': this.uploaded ? 'uploaded' : 'uploading' },
      this.preview ? el('img', { src: this.preview, alt: '' }) : icon('file'),
      el('span', { className: 'upload-name' }, own(this.name), el('span', { className: 'hint' }, sizeText(this.size)), this.bar),
      iconButton('close', t('file.remove', { name: this.name }), away, { 'data-testid': 'remove-file' }),
    );
  }
}
