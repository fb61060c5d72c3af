// Writing: text, files, answers, changes; and what is wrong with any of them.

import { api } from './api.js';
import { Completion } from './completion.js';
import { byId, el, iconButton, isolated, showProblem } from './dom.js';
import { userName } from './elements.js';
import { EMOJI } from './emoji.js';
import { pieces, problemText, t } from './i18n.js';
import { openGrid } from './menu.js';
import { session } from './session.js';
import { pause } from './slow-view.js';
import { MOST_FILES, Upload } from './uploads.js';

const nothing = () => ({ text: '', files: [], about: null });

export class Composer {
  #form = byId('composer');
  #text = byId('text');
  #draft = nothing();
  #drafts = new Map();
  #room = null;
  #completion;
  /** By room, what was sent last: messages go in the order in which they were sent. */
  #sending = new Map();

  constructor() {
    const text = this.#text;
    this.#completion = new Completion(text, byId('completions'), () => this.#members());
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
    text.addEventListener('input', () => this.#typed());
    text.addEventListener('keydown', (event) => this.#pressed(event));
    byId('file').addEventListener('change', ({ target }) => {
      this.#add([...target.files]);
      target.value = '';
    });
    text.addEventListener('paste', (event) => {
      if (event.clipboardData.files.length === 0) return;
      event.preventDefault();
      this.#add([...event.clipboardData.files]);
    });
    const emoji = iconButton('smile', t('composer.emoji'), () => openGrid(emoji, { label: t('composer.emoji'), options: EMOJI, testid: 'emoji', action: (one) => this.#insert(one) }), { id: 'emoji', 'data-testid': 'composer-emoji' });
    byId('emoji').replaceWith(emoji);
    this.#takeDrops(byId('room'));
  }

  #takeDrops(room) {
    const files = (event) => event.dataTransfer?.types.includes('Files');
    let depth = 0;
    const over = (step) => (event) => {
      if (!files(event)) return;
      event.preventDefault();
      depth = Math.max(0, depth + step);
      room.classList.toggle('dropping', depth > 0);
    };
    room.addEventListener('dragenter', over(1));
    room.addEventListener('dragleave', over(-1));
    room.addEventListener('dragover', (event) => { if (files(event)) event.preventDefault(); });
    room.addEventListener('drop', (event) => {
      if (!files(event)) return;
      event.preventDefault();
      depth = 0;
      room.classList.remove('dropping');
      this.#add([...event.dataTransfer.files]);
      this.focus();
    });
  }

  #members() {
    const room = session.chat?.current;
    const found = new Set((room?.memberList ?? []).map(({ user }) => user));
    for (const { user } of room?.items ?? []) found.add(user);
    found.delete(session.me.id);
    return found;
  }

  /** Each room has its own draft. */
  show(room) {
    const id = room?.id ?? null;
    if (id === this.#room) return;
    if (this.#room) this.#keep();
    this.#room = id;
    this.#draft = this.#drafts.get(id) ?? nothing();
    this.#text.value = this.#draft.text;
    this.#completion.close();
    showProblem(this.#form, null);
    this.#drawAll();
    if (id && matchMedia('(pointer: fine)').matches) this.focus();
  }

  #keep() {
    this.#draft.text = this.#text.value;
    this.#drafts.set(this.#room, this.#draft);
  }

  focus() {
    this.#text.focus();
  }

  // What the next message is about

  reply(message) {
    this.#about({ replying: message });
  }

  edit(message) {
    this.#about({ editing: message, before: this.#draft.about?.before ?? this.#text.value });
    this.#text.value = message.text;
    this.#grow();
  }

  #about(about) {
    const { editing, before } = this.#draft.about ?? {};
    if (editing && !about?.editing) this.#text.value = before;
    this.#draft.about = about;
    this.#drawAll();
    this.focus();
  }

  #drawAll() {
    const { about } = this.#draft;
    const place = byId('about');
    place.hidden = !about;
    place.replaceChildren();
    if (about) {
      const { replying, editing } = about;
      place.append(
        el('span', { className: 'about-text' }, ...editing ? [t('composer.editing')] : pieces('composer.replying', { name: userName(replying.user) }), ' ', el('span', { className: 'hint', dir: 'auto' }, (editing ?? replying).text)),
        iconButton('close', t('cancel'), () => this.#about(null), { 'data-testid': 'cancel-about' }),
      );
    }
    this.#drawFiles();
    this.#grow();
  }

  // Keys and text

  #typed() {
    this.#grow();
    if (this.#room && !this.#draft.about?.editing) session.chat.signals.typing(this.#room, this.#text.value.trim() !== '');
  }

  #grow() {
    this.#text.style.height = 'auto';
    this.#text.style.height = `${this.#text.scrollHeight + 2}px`;
  }

  #insert(words) {
    this.focus();
    this.#text.setRangeText(words, this.#text.selectionStart, this.#text.selectionEnd, 'end');
    this.#typed();
  }

  #pressed(event) {
    // While an input method composes, all keys are its own.
    if (event.isComposing) return;
    const plain = !event.shiftKey && !event.ctrlKey && !event.altKey && !event.metaKey;
    if (plain && this.#completion.pressed(event)) event.preventDefault();
    else if (event.key === 'Enter' && plain) {
      event.preventDefault();
      this.#send();
    } else if (event.key === 'Escape' && this.#draft.about) {
      event.preventDefault();
      this.#about(null);
    } else if (event.key === 'ArrowUp' && plain && this.#text.value === '') {
      const last = session.chat.current?.items.findLast(({ kind, user, deleted_at: gone }) => kind === 'message' && user === session.me.id && !gone);
      if (!last) return;
      event.preventDefault();
      this.edit(last);
    }
  }

  // Files

  #add(files) {
    if (!this.#room || this.#draft.about?.editing) return;
    const list = this.#draft.files;
    if (list.length + files.length > MOST_FILES) {
      showProblem(this.#form, new Error(t('file.too_many', { n: MOST_FILES })));
      return;
    }
    for (const file of files) {
      const entry = new Upload(file, (problem) => {
        if (problem) {
          without(list, entry);
          entry.forget();
          showProblem(this.#form, new Error(t('file.failed', { name: isolated(entry.name), why: problemText(problem) })));
        }
        this.#drawFiles();
      });
      list.push(entry);
    }
    this.#drawFiles();
  }

  #drawFiles() {
    byId('files').replaceChildren(...this.#draft.files.map((entry) => entry.row(() => {
      without(this.#draft.files, entry);
      entry.remove();
      this.#drawFiles();
      this.focus();
    })));
  }

  // Sending

  /**
   * Sends what stands there at this moment. What is typed or chosen while its files are on their way
   * is the next message's.
   */
  #send() {
    const { chat } = session;
    const room = this.#room;
    if (!room || !chat) return;
    const text = this.#text.value;
    const { about, files: list } = this.#draft;
    showProblem(this.#form, null);
    if (about?.editing) {
      this.#change(room, about, text.trim());
      return;
    }
    const files = list.filter(({ taken }) => !taken);
    if ((!text.trim() && files.length === 0) || pause() > 0) return;
    for (const entry of files) entry.taken = true;
    this.#text.value = '';
    this.#draft.about = null;
    this.#drawAll();
    chat.signals.typing(room, false);
    const job = { chat, room, list, files, text, about };
    const before = this.#sending.get(room) ?? Promise.resolve();
    this.#sending.set(room, before.then(() => this.#finish(job)).catch((problem) => {
      this.#giveBack(job);
      showProblem(this.#form, problem);
    }));
  }

  async #change(room, about, text) {
    const { editing } = about;
    if (text === editing.text) {
      this.#about(null);
      return;
    }
    try {
      await api.edit(room, editing.message_id, text);
      if (this.#draft.about === about) this.#about(null);
    } catch (problem) {
      showProblem(this.#form, problem);
    }
  }

  async #finish(job) {
    const { chat, room, list, files, text, about } = job;
    // A file that is on its way goes with the message; if it does not arrive, neither goes.
    await Promise.all(files.map(({ done }) => done));
    if (chat !== session.chat || !chat.rooms.has(room)) return;
    const going = files.filter(({ removed }) => !removed);
    if (!going.every(({ uploaded }) => uploaded)) {
      this.#giveBack(job);
      return;
    }
    if (text.trim() || going.length > 0) {
      chat.send(room, { text: text.trim(), attachments: going.map(({ uploaded }) => uploaded), reply_to: about?.replying?.message_id });
    }
    for (const entry of going) {
      without(list, entry);
      entry.forget();
    }
    this.#drawFiles();
  }

  /** Puts a text that was not sent back before what was typed since. */
  #giveBack({ room, files, text, about }) {
    for (const entry of files) entry.taken = false;
    const joined = (later) => [text, later].filter((part) => part.trim()).join('\n');
    if (room === this.#room) {
      this.#text.value = joined(this.#text.value);
      this.#draft.about ??= about;
      this.#drawAll();
    } else {
      const draft = this.#drafts.get(room);
      if (draft) draft.text = joined(draft.text);
    }
  }

  /** Forgets everything, for whoever comes next. */
  clear() {
    for (const draft of [this.#draft, ...this.#drafts.values()]) for (const file of draft.files) file.remove();
    this.#drafts.clear();
    this.#sending.clear();
    this.#draft = nothing();
    this.#room = null;
    this.#text.value = '';
    this.#drawAll();
  }
}

function without(list, entry) {
  const at = list.indexOf(entry);
  if (at >= 0) list.splice(at, 1);
}
