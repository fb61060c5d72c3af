// One's own account: profile, password, sessions; and how the page looks and speaks.

import { account } from './account-view.js';
import { api } from './api.js';
import { blockList } from './block-dialogs.js';
import { choice, field, form, openDialog, section } from './dialog.js';
import { el, isolated } from './dom.js';
import { userAvatar } from './elements.js';
import { shortText } from './format.js';
import { LANGUAGES, language, setLanguage, t } from './i18n.js';
import { act, line, pagedList, row } from './list.js';
import { people } from './people.js';
import { session } from './session.js';
import { setTheme, THEMES, theme } from './settings.js';
import { attempt, toast } from './toast.js';

function learn(me) {
  session.me = { ...session.me, ...me, avatar_url: me.avatar_url };
  people.learn(session.me);
}

function picture() {
  const chosen = el('input', { type: 'file', accept: 'image/png,image/jpeg,image/gif,image/webp', className: 'unseen', 'aria-label': t('profile.choose_picture'), 'data-testid': 'avatar-file' });
  chosen.addEventListener('change', () => attempt(async () => {
    if (chosen.files[0]) learn(await api.setAvatar(chosen.files[0]));
    chosen.value = '';
    toast(t('saved'));
  }));
  const remove = el('button', { type: 'button', className: 'quiet', 'data-testid': 'remove-avatar' }, t('profile.remove_picture'));
  remove.addEventListener('click', () => attempt(async () => learn(await api.removeAvatar())));
  return el('div', { className: 'picture-row' }, userAvatar(session.me.id), el('label', { className: 'quiet button' }, t('profile.choose_picture'), chosen), remove);
}

function profile() {
  const { me } = session;
  return [
    picture(),
    form({
      testid: 'profile', submit: t('save'),
      fields: [field({ label: t('auth.name'), name: 'name', value: me.display_name, required: true, maxLength: 100, testid: 'profile-name' })],
      action: async ({ name }) => {
        learn(await api.rename(name.trim()));
        toast(t('saved'));
      },
    }),
    el(
      'dl', { className: 'facts' },
      ...me.handle ? [el('dt', {}, t('auth.handle')), el('dd', {}, `@${me.handle}`)] : [],
      ...me.email ? [el('dt', {}, t('auth.email')), el('dd', {}, isolated(me.email))] : [],
      el('dt', {}, t('profile.id')), el('dd', {}, el('code', { id: 'my-id', 'data-testid': 'my-id' }, me.id)),
    ),
  ];
}

function password() {
  return form({
    testid: 'password', submit: t('password.change'),
    fields: [
      el('input', { type: 'text', autocomplete: 'username', value: session.me.handle ?? session.me.email ?? '', hidden: true }),
      field({ label: t('password.current'), name: 'current', type: 'password', autocomplete: 'current-password', required: true, testid: 'password-current' }),
      field({ label: t('password.new'), hint: t('auth.password_hint'), name: 'changed', type: 'password', autocomplete: 'new-password', minLength: 8, required: true, testid: 'password-new' }),
    ],
    action: async ({ current, changed }, made) => {
      await api.changePassword(current, changed);
      made.reset();
      toast(t('password.changed'));
    },
  });
}

/** The name of a browser and a system, of the many that each claims to be. */
function browserName(agent) {
  const browser = [['Edg/', 'Edge'], ['Firefox/', 'Firefox'], ['Chrome/', 'Chromium'], ['Safari/', 'Safari']].find(([mark]) => agent.includes(mark))?.[1];
  const system = ['Android', 'iPhone', 'iPad', 'Windows', 'Mac OS', 'Linux'].find((mark) => agent.includes(mark));
  return [browser ?? agent.split(/[ /]/)[0], system].filter(Boolean).join(' · ');
}

function sessions() {
  const list = pagedList({
    label: t('sessions'), empty: '', testid: 'sessions',
    read: async () => ({ items: await api.sessions() }),
    row: (one) => row({
      testid: 'session', title: one.current ? t('sessions.this') : one.user_agent ? browserName(one.user_agent) : one.device,
      lines: [line(t('sessions.about', { address: one.address ?? '', created: shortText(one.created_at), device: one.device }))],
      actions: [!one.current && act(t('sessions.end'), () => attempt(async () => {
        await api.revoke(one.id);
        await list.reload();
      }), { testid: 'revoke', bad: true })],
    }),
  });
  return list;
}

function appearance() {
  const themes = choice({ legend: t('theme'), name: 'theme', chosen: theme(), options: THEMES.map((name) => ({ value: name, label: t(`theme.${name}`), testid: `theme-${name}` })) });
  themes.addEventListener('change', ({ target }) => setTheme(target.value));
  const languages = choice({ legend: t('language'), name: 'language', chosen: language, options: Object.entries(LANGUAGES).map(([value, label]) => ({ value, label, testid: `language-${value}` })) });
  languages.addEventListener('change', ({ target }) => setLanguage(target.value));
  return el('form', { className: 'form' }, themes, languages);
}

export function openSettings() {
  openDialog({
    title: t('settings'), testid: 'settings-dialog', className: 'wide',
    content: [
      section(t('profile'), ...profile()), section(t('appearance'), appearance()),
      section(t('blocks'), blockList()), section(t('sessions'), sessions()), section(t('auth.password'), password()),
      section(t('account'), ...account()),
    ],
  });
}
