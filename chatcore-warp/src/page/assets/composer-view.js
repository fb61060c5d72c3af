// Writing: text, files, and what is wrong with either.

import { api } from './api.js';
import { byId, el, showProblem, size } from './dom.js';

const MOST_FILES = 10;

export class Composer {
  #session;
  #form = byId('composer');
  #text = byId('text');
  #files = [];
  #drafts = new Map();
  #room = null;

  constructor(session) {
    this.#session = session;
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#text.addEventListener('input', () => this.#grow());
    this.#text.addEventListener('keydown', (event) => {
      // Enter sends, with Shift it breaks the line; while an input method composes, it is that one's.
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.#send();
      }
    });
    byId('file').addEventListener('change', ({ target }) => {
      this.#add([...target.files]);
      target.value = '';
    });
    this.#text.addEventListener('paste', (event) => {
      if (event.clipboardData.files.length === 0) return;
      event.preventDefault();
      this.#add([...event.clipboardData.files]);
    });
    const room = byId('room');
    room.addEventListener('dragover', (event) => event.preventDefault());
    room.addEventListener('drop', (event) => {
      event.preventDefault();
      this.#add([...event.dataTransfer.files]);
    });
  }

  /** Each room has its own draft. */
  show(room) {
    if (room?.id === this.#room) return;
    if (this.#room) this.#drafts.set(this.#room, { text: this.#text.value, files: this.#files });
    this.#room = room?.id ?? null;
    const draft = this.#drafts.get(this.#room) ?? { text: '', files: [] };
    this.#text.value = draft.text;
    this.#files = draft.files;
    this.#text.placeholder = room ? `Message ${room.name}` : '';
    showProblem(this.#form, null);
    this.#grow();
    this.#drawFiles();
    if (room && matchMedia('(hover: hover)').matches) this.#text.focus();
  }

  #grow() {
    const borders = this.#text.offsetHeight - this.#text.clientHeight;
    this.#text.style.height = 'auto';
    this.#text.style.height = `${this.#text.scrollHeight + borders}px`;
  }

  /** Uploads at once, so that sending need not wait for it. */
  #add(files) {
    showProblem(this.#form, null);
    const room = this.#files.length + files.length;
    if (room > MOST_FILES) {
      showProblem(this.#form, new Error(`At most ${MOST_FILES} files in one message.`));
      return;
    }
    const list = this.#files;
    for (const file of files) {
      const entry = { name: file.name, size: file.size, uploaded: null };
      entry.done = api.upload(file).then(
        (uploaded) => { entry.uploaded = uploaded; },
        (problem) => {
          list.splice(list.indexOf(entry), 1);
          showProblem(this.#form, new Error(`${file.name}: ${problem.message}`));
        },
      ).then(() => this.#drawFiles());
      list.push(entry);
    }
    this.#drawFiles();
  }

  #drawFiles() {
    byId('files').replaceChildren(...this.#files.map((entry) => {
      const away = el('button', { type: 'button', className: 'quiet', 'aria-label': `Remove ${entry.name}` }, '×');
      away.addEventListener('click', () => {
        this.#files.splice(this.#files.indexOf(entry), 1);
        this.#drawFiles();
        this.#text.focus();
      });
      return el(
        'li', { 'data-testid': 'pending-file', 'data-state': entry.uploaded ? 'uploaded' : 'uploading' },
        el('span', {}, entry.name), ' ', el('span', { className: 'hint' }, entry.uploaded ? size(entry.size) : 'uploading…'), away,
      );
    }));
  }

  async #send() {
    const room = this.#room;
    const files = [...this.#files];
    // A file that is on its way goes with the message; if it does not arrive, neither goes.
    await Promise.all(files.map(({ done }) => done));
    if (room !== this.#room || !this.#session.chat?.current) return;
    if (!files.every(({ uploaded }) => uploaded)) return;
    const text = this.#text.value.trim();
    const uploaded = this.#files.map((entry) => entry.uploaded);
    if (!text && uploaded.length === 0) return;
    this.#session.chat.send(text, uploaded);
    this.#text.value = '';
    this.#files.length = 0;
    this.#grow();
    this.#drawFiles();
  }

  /** Forgets everything, for whoever comes next. */
  clear() {
    this.#drafts.clear();
    this.#files = [];
    this.#room = null;
    this.#text.value = '';
    this.#drawFiles();
  }
}
