// Looking after the whole chat: numbers, people, rooms, reports, and what was done. For admins.

import { reports } from './admin-reports.js';
import { api } from './api.js';
import { auditList } from './audit-view.js';
import { askWhy, confirmThat, openDialog } from './dialog.js';
import { calmly, el, icon, own } from './dom.js';
import { userAvatar } from './elements.js';
import { dateText, numberText, shortText, sizeText } from './format.js';
import { t } from './i18n.js';
import { act, line, pagedList, row } from './list.js';
import { session } from './session.js';
import { attempt, toast } from './toast.js';

const SOON_MS = 250;

function figures(stats) {
  const shown = [
    ['rooms', numberText(stats.rooms)], ['users', numberText(stats.users)], ['sessions', numberText(stats.sessions)],
    ['connections', numberText(stats.connections)], ['messages', numberText(stats.messages)], ['files', sizeText(stats.file_bytes)],
    ...stats.store_bytes > 0 ? [['store', sizeText(stats.store_bytes)]] : [],
  ];
  return el('dl', { className: 'figures', 'data-testid': 'figures' }, ...shown.map(([name, value]) => el(
    'div', { className: 'figure' }, el('dt', {}, t(`admin.figure.${name}`)), el('dd', { 'data-testid': `figure-${name}` }, value),
  )));
}

/** Messages by day: bars for those who see, numbers for those who are read to. */
function days(counts) {
  const most = Math.max(1, ...counts.map(({ messages }) => messages));
  const bars = [...counts].reverse().map(({ day, messages }) => {
    const said = t('admin.day', { day: dateText(day), n: messages, count: numberText(messages) });
    const bar = el('span', { className: 'bar-of-day' });
    bar.style.blockSize = `${Math.max(messages > 0 ? 3 : 1, Math.round((messages / most) * 100))}%`;
    return el('li', { title: said }, bar, el('span', { className: 'unseen' }, said));
  });
  const ends = [counts.at(-1), counts[0]].map(({ day }) => el('span', {}, dateText(day)));
  return [
    el('h3', {}, t('admin.days')), el('ol', { className: 'days' }, ...bars),
    el('p', { className: 'hint days-foot', 'aria-hidden': 'true' }, ...counts.length > 1 ? ends : ends.slice(1)),
  ];
}

function numbers() {
  const place = el('div', {}, el('p', { className: 'hint', role: 'status' }, t('loading')));
  attempt(async () => {
    const stats = await api.admin.stats();
    place.replaceChildren(figures(stats), ...stats.days.length > 0 ? days(stats.days) : []);
  });
  return [place];
}

function users() {
  const input = el('input', { type: 'search', autocomplete: 'off', autocapitalize: 'none', spellcheck: false, placeholder: t('admin.find_user'), 'aria-label': t('admin.find_user'), 'data-testid': 'admin-find' });
  const reload = () => list.reload();
  const suspend = (user) => askWhy({
    title: t('admin.suspend_title', { name: user.display_name }), submit: t('admin.suspend'), testid: 'suspend',
    fields: [el('p', {}, t('admin.suspend_text'))],
    action: async (reason) => {
      await api.admin.suspend(user.id, true, reason);
      await reload();
    },
  });
  const endSessions = (user) => confirmThat({
    title: t('admin.end_sessions_title', { name: user.display_name }), text: t('admin.end_sessions_text'), submit: t('admin.end_sessions'), testid: 'end-sessions',
    action: async () => {
      await api.admin.endSessions(user.id);
      toast(t('admin.sessions_ended'));
    },
  });
  const list = pagedList({
    label: t('admin.users'), empty: t('admin.no_users'), testid: 'admin-users',
    read: async (after) => {
      const { users: items, next } = await api.admin.users(input.value.trim(), after);
      return { items, next };
    },
    row: (user) => row({
      testid: 'admin-user', 'data-user': user.id, before: userAvatar(user.id),
      title: [own(user.display_name), user.suspended ? el('span', { className: 'badge bad' }, t('admin.suspended')) : null],
      lines: [line([user.handle && `@${user.handle}`, user.email].filter(Boolean).join(' · ')), line(t('admin.since', { when: shortText(user.created_at) }), ' · ', el('code', {}, user.id))],
      actions: user.id === session.me.id ? [el('span', { className: 'hint' }, t('admin.you'))] : [
        act(t('admin.end_sessions'), () => endSessions(user), { testid: 'admin-end-sessions' }),
        user.suspended
          ? act(t('admin.unsuspend'), () => attempt(async () => {
            await api.admin.suspend(user.id, false);
            await reload();
          }), { testid: 'admin-unsuspend' })
          : act(t('admin.suspend'), () => suspend(user), { testid: 'admin-suspend', bad: true }),
      ],
    }),
  });
  input.addEventListener('input', calmly(reload, SOON_MS));
  return [el('div', { className: 'form' }, input), list];
}

function rooms() {
  const list = pagedList({
    label: t('admin.rooms'), empty: t('rooms.none_found'), testid: 'admin-rooms',
    read: async (after) => {
      const { rooms: items, next } = await api.admin.rooms(after);
      return { items, next };
    },
    row: (room) => {
      const name = room.name || t(room.kind === 'direct' ? 'room.direct' : 'room.unnamed');
      return row({
        testid: 'admin-room', 'data-room': room.room, before: el('span', { className: 'room-mark', 'aria-hidden': 'true' }, room.kind === 'public' ? '#' : icon('lock')),
        title: own(name),
        lines: [
          line(t('room.members', { n: room.members }), ' · ', t('admin.messages', { n: room.head_n, count: numberText(room.head_n) }), ' · ', t('admin.since', { when: shortText(room.created_at) })),
          line(el('code', {}, room.room)),
        ],
        actions: [act(t('admin.end_room'), () => askWhy({
          title: t('admin.end_room_title', { name }), submit: t('admin.end_room'), testid: 'end-room', fields: [el('p', {}, t('admin.end_room_text'))],
          action: async (reason) => {
            await api.admin.deleteRoom(room.room, reason);
            await list.reload();
          },
        }), { testid: 'admin-end-room', bad: true })],
      });
    },
  });
  return [list];
}

const PARTS = {
  numbers, users, rooms, reports, audit: () => [auditList({ read: api.admin.audit, where: true })],
};

/** Parts under tabs: the arrows go from one to the next. */
function tabs(parts) {
  const panel = el('div', { id: 'admin-panel', role: 'tabpanel', tabIndex: 0, className: 'panel' });
  const buttons = Object.entries(parts).map(([name, draw]) => {
    const tab = el('button', { type: 'button', id: `admin-${name}-tab`, role: 'tab', className: 'tab', 'aria-controls': 'admin-panel', 'data-testid': `admin-${name}` }, t(`admin.${name}`));
    tab.addEventListener('click', () => choose(tab, draw));
    return tab;
  });
  function choose(chosen, draw) {
    for (const tab of buttons) {
      tab.setAttribute('aria-selected', String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
    }
    panel.setAttribute('aria-labelledby', chosen.id);
    panel.replaceChildren(...draw());
  }
  const strip = el('div', { role: 'tablist', className: 'tabs', 'aria-label': t('admin') }, ...buttons);
  strip.addEventListener('keydown', ({ key }) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    const next = buttons[(buttons.indexOf(document.activeElement) + (step ?? 0) + buttons.length) % buttons.length];
    if (!step) return;
    next.focus();
    next.click();
  });
  choose(buttons[0], Object.values(parts)[0]);
  return [strip, panel];
}

export function openAdmin() {
  openDialog({ title: t('admin'), testid: 'admin-dialog', className: 'large', content: tabs(PARTS) });
}
