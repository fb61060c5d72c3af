// Dialogs about rooms: make one, describe it, ask someone in, write to someone, leave.

import { api } from './api.js';
import { askWhy, choice, confirmThat, field, openForm, select } from './dialog.js';
import { lengthText } from './format.js';
import { t } from './i18n.js';
import { people } from './people.js';
import { session } from './session.js';
import { toast } from './toast.js';

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const SLOW = [5, 10, 30, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR];
const RETENTION = [DAY, 7 * DAY, 30 * DAY, 90 * DAY, 365 * DAY];
const SNOOZE = [HOUR, 8 * HOUR, DAY, 7 * DAY];
const SANCTION = [10 * MINUTE, HOUR, DAY, 7 * DAY, 30 * DAY];

/** A choice of a length of time; 0 is `none`. One that is set and not among `lengths` stays a choice. */
function lengths({ among, none, chosen = 0, ...props }) {
  const offered = [...new Set([...among, chosen])].filter((seconds) => seconds > 0).sort((a, b) => a - b);
  return select({ ...props, chosen, options: [[0, none], ...offered.map((seconds) => [seconds, lengthText(seconds)])] });
}

const kinds = (chosen) => choice({
  legend: t('room.who'), name: 'kind', chosen,
  options: ['public', 'private'].map((kind) => ({ value: kind, label: t(kind === 'public' ? 'room.public' : 'room.private'), testid: `new-room-${kind}` })),
});

const description = (testid, { name = '', topic = '', kind = 'public' }) => [
  field({ label: t('room.name'), name: 'name', value: name, required: true, maxLength: 100, testid: `${testid}-name` }),
  field({ label: t('room.topic'), hint: t('optional'), name: 'topic', value: topic, maxLength: 1000, testid: `${testid}-topic` }),
  kinds(kind),
];

/** Whoever is meant: by an id, or by the handle of someone whom the page has come across. */
const person = (testid) => field({ label: t('person.id'), hint: t('person.id_hint'), name: 'user', required: true, autocapitalize: 'none', spellcheck: false, testid });

const meant = (typed) => {
  const name = typed.trim().replace(/^@/, '');
  return people.withHandle(name) ?? name;
};

export function openNewRoom() {
  openForm({
    title: t('rooms.new'), testid: 'new-room', submit: t('room.make'), fields: description('new-room', {}),
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
      ...description('describe', { name: room.givenName, topic: room.topic, kind: room.kind }),
      lengths({ label: t('room.slow'), hint: t('room.slow_hint'), name: 'slow', none: t('room.slow_off'), among: SLOW, chosen: room.slowMode, testid: 'describe-slow' }),
      lengths({ label: t('room.retention'), hint: t('room.retention_hint'), name: 'retention', none: t('room.retention_off'), among: RETENTION, chosen: room.retention, testid: 'describe-retention' }),
    ],
    action: ({ name, topic, kind, slow, retention }) => api.updateRoom(room.id, {
      name: name.trim(), topic: topic.trim(), kind, slow_mode: Number(slow), retention: Number(retention),
    }),
  });
}

export function openInvite(room) {
  openForm({
    title: t('room.invite'), testid: 'invite', submit: t('room.invite'), fields: [person('invite-user')],
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
    title: t('direct.new'), testid: 'direct', submit: t('direct.write'), fields: [person('direct-user')],
    action: ({ user }) => openDirect(meant(user)),
  });
}

/** What one wants to be told of, on all of one's devices. */
export function openNotify(room) {
  const { level, snooze_until: until } = room.notify;
  const left = Math.max(0, Math.ceil(((until ?? 0) - Date.now()) / 1000 / MINUTE) * MINUTE);
  openForm({
    title: t('notify'), testid: 'notify', submit: t('save'),
    fields: [
      choice({
        legend: t('notify.what'), name: 'level', chosen: level,
        options: [['all', t('notify.all')], ['mentions', t('notify.mentions')], ['none', t('notify.none')]].map(([value, label]) => ({ value, label, testid: `notify-${value}` })),
      }),
      lengths({ label: t('notify.snooze'), name: 'snooze', none: t('notify.awake'), among: SNOOZE, chosen: left, testid: 'notify-snooze' }),
    ],
    action: async ({ level: chosen, snooze }) => {
      const setting = { level: chosen };
      // What was not changed keeps its end to the millisecond.
      if (Number(snooze) > 0) setting.snooze_until = Number(snooze) === left ? until : Date.now() + Number(snooze) * 1000;
      await session.chat.notify(room, setting);
    },
  });
}

export function openLeave(room) {
  confirmThat({
    title: t('room.leave_title'), text: t('room.leave_text'), submit: t('room.leave'), testid: 'leave',
    action: () => session.chat.leave(room.id),
  });
}

/** Asks why and for how long, and does something to a member. */
export function openSanction(room, user, action) {
  const title = t(`member.${action}`);
  const testid = `member-${action}`;
  const until = lengths({ label: t('member.until'), name: 'length', none: t('member.until_lifted'), among: SANCTION, testid: `${testid}-until` });
  askWhy({
    title, testid, submit: title, fields: action === 'kick' ? [] : [until],
    action: (reason, { length = 0 }) => api.member(room.id, user, {
      action, reason, until: Number(length) > 0 ? Date.now() + Number(length) * 1000 : undefined,
    }),
  });
}
