// Writing: text, files, and what is wrong with either.

import { api } from './api.js';
import { byId, el, isolated, showProblem, size } from './dom.js';

const MOST_FILES = 10;

function without(list, entry) {
  const at = list.indexOf(entry);
  if (at >= 0) list.splice(at, 1);
}

export class Composer {
  #session;
  #form = byId('composer');
  #text = byId('text');
  #files = [];
  #drafts = new Map();
  #room = null;
  /** By room, what was sent last: messages go in the order in which they were sent. */
  #sending = new Map();

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
    this.#text.placeholder = room ? `Message ${isolated(room.name)}` : '';
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
    const count = this.#files.filter(({ taken }) => !taken).length + files.length;
    if (count > MOST_FILES) {
      showProblem(this.#form, new Error(`At most ${MOST_FILES} files in one message.`));
      return;
    }
    const list = this.#files;
    for (const file of files) {
      // `taken`: by a message that waits for it. `removed`: nobody waits for it any more.
      const entry = { name: file.name, size: file.size, uploaded: null, taken: false, removed: false };
      const removal = new Promise((resolve) => { entry.remove = resolve; });
      const upload = api.upload(file).then(
        (uploaded) => { entry.uploaded = uploaded; },
        (problem) => {
          if (entry.removed) return;
          without(list, entry);
          showProblem(this.#form, new Error(`Could not add ${isolated(file.name)}: ${problem.message}`));
        },
      ).then(() => this.#drawFiles());
      entry.done = Promise.race([upload, removal]);
      list.push(entry);
    }
    this.#drawFiles();
  }

  #drawFiles() {
    byId('files').replaceChildren(...this.#files.map((entry) => {
      const away = el('button', { type: 'button', className: 'quiet', 'aria-label': `Remove ${entry.name}` }, '×');
      away.addEventListener('click', () => {
        without(this.#files, entry);
        entry.removed = true;
        entry.remove();
        this.#drawFiles();
        this.#text.focus();
      });
      return el(
        'li', { 'data-testid': 'pending-file', 'data-state': entry.uploaded ? 'uploaded' : 'uploading' },
        el('bdi', {}, entry.name), ' ', el('span', { className: 'hint' }, entry.uploaded ? size(entry.size) : 'uploading…'), away,
      );
    }));
  }

  /**
   * Sends what stands there at this moment. What is typed or chosen while its files are on their way
   * is the next message's.
   */
  #send() {
    const { chat } = this.#session;
    const room = this.#room;
    if (!room || !chat) return;
    const list = this.#files;
    const files = list.filter(({ taken }) => !taken);
    const text = this.#text.value;
    if (!text.trim() && files.length === 0) return;
    for (const entry of files) entry.taken = true;
    this.#text.value = '';
    this.#grow();
    showProblem(this.#form, null);
    const before = this.#sending.get(room) ?? Promise.resolve();
    const sent = before.then(() => this.#finish({ chat, room, list, files, text })).catch((problem) => showProblem(this.#form, problem));
    this.#sending.set(room, sent);
  }

  async #finish({ chat, room, list, files, text }) {
    // A file that is on its way goes with the message; if it does not arrive, neither goes.
    await Promise.all(files.map(({ done }) => done));
    if (chat !== this.#session.chat || !chat.rooms.has(room)) return;
    const going = files.filter(({ removed }) => !removed);
    if (!going.every(({ uploaded }) => uploaded)) {
      for (const entry of files) entry.taken = false;
      this.#giveBack(room, text);
      return;
    }
    for (const entry of going) without(list, entry);
    if (text.trim() || going.length > 0) chat.send(room, text.trim(), going.map(({ uploaded }) => uploaded));
    this.#drawFiles();
  }

  /** Puts a text that was not sent back before what was typed since. */
  #giveBack(room, text) {
    const joined = (later) => [text, later].filter((part) => part.trim()).join('\n');
    if (room === this.#room) {
      this.#text.value = joined(this.#text.value);
      this.#grow();
    } else {
      const draft = this.#drafts.get(room);
      if (draft) draft.text = joined(draft.text);
    }
  }

  /** Forgets everything, for whoever comes next. */
  clear() {
    this.#drafts.clear();
    this.#sending.clear();
    this.#files = [];
    this.#room = null;
    this.#text.value = '';
    this.#drawFiles();
  }
}
