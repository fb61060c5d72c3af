// Dialogs about rooms: make one, describe it, ask someone in, write to someone, leave.

import { api } from './api.js';
import { confirmThat, choice, field, openForm } from './dialog.js';
import { t } from './i18n.js';
import { people } from './people.js';
import { session } from './session.js';
import { attempt, toast } from './toast.js';

const kinds = () => [
  { value: 'public', label: t('room.public'), testid: 'new-room-public' },
  { value: 'private', label: t('room.private'), testid: 'new-room-private' },
];

/** Who is meant by an id or by the handle of someone whom the page has come across. */
const meant = (typed) => {
  const name = typed.trim().replace(/^@/, '');
  return people.withHandle(name) ?? name;
};

export function openNewRoom() {
  openForm({
    title: t('rooms.new'), testid: 'new-room', submit: t('room.make'),
    fields: [
      field({ label: t('room.name'), name: 'name', required: true, maxLength: 100, testid: 'new-room-name' }),
      field({ label: t('room.topic'), hint: t('optional'), name: 'topic', maxLength: 1000, testid: 'new-room-topic' }),
      choice({ legend: t('room.who'), name: 'kind', options: kinds(), chosen: 'public' }),
    ],
    action: async ({ name, topic, kind }) => {
      const fields = { name: name.trim(), kind };
      if (topic.trim()) fields.topic = topic.trim();
      session.open(await session.chat.create(fields));
    },
  });
}

export function openDescribe(room) {
  openForm({
    title: t('room.describe'), testid: 'describe', submit: t('save'),
    fields: [
      field({ label: t('room.name'), name: 'name', value: room.givenName, required: true, maxLength: 100, testid: 'describe-name' }),
      field({ label: t('room.topic'), hint: t('optional'), name: 'topic', value: room.topic, maxLength: 1000, testid: 'describe-topic' }),
      choice({ legend: t('room.who'), name: 'kind', options: kinds(), chosen: room.kind }),
    ],
    action: ({ name, topic, kind }) => api.updateRoom(room.id, { name: name.trim(), topic: topic.trim(), kind }),
  });
}

export function openInvite(room) {
  openForm({
    title: t('room.invite'), testid: 'invite', submit: t('room.invite'),
    fields: [field({ label: t('person.id'), hint: t('person.id_hint'), name: 'user', required: true, autocapitalize: 'none', spellcheck: false, testid: 'invite-user' })],
    action: async ({ user }) => {
      await api.member(room.id, meant(user), { action: 'invite' });
      toast(t('room.was_invited'));
    },
  });
}

/** Opens the room of two with this one, which is made if there is none. */
export async function openDirect(user) {
  session.open(await session.chat.create({ kind: 'direct', members: [user] }));
}

export function openWrite() {
  openForm({
    title: t('direct.new'), testid: 'direct', submit: t('direct.write'),
    fields: [field({ label: t('person.id'), hint: t('person.id_hint'), name: 'user', required: true, autocapitalize: 'none', spellcheck: false, testid: 'direct-user' })],
    action: ({ user }) => openDirect(meant(user)),
  });
}

export function openLeave(room) {
  confirmThat({
    title: t('room.leave_title'), text: t('room.leave_text'), submit: t('room.leave'), testid: 'leave',
    action: () => session.chat.leave(room.id),
  });
}

/** Asks why, and does something to a member. */
export function openSanction(room, user, { title, action, testid }) {
  openForm({
    title, testid, submit: title, danger: true,
    fields: [field({ label: t('member.reason'), hint: t('optional'), name: 'reason', maxLength: 1000, testid: `${testid}-reason` })],
    action: ({ reason }) => api.member(room.id, user, { action, ...(reason.trim() ? { reason: reason.trim() } : {}) }),
  });
}

export const changeMember = (room, user, change) => attempt(() => api.member(room.id, user, change));
