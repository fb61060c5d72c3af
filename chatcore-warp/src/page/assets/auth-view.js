// Log in, register, confirm an e-mail address, find the way back after a lost password.

import { api } from './api.js';
import { byId, onSubmit, showProblem } from './dom.js';
import { t } from './i18n.js';
import { announceInvitation } from './invite.js';
import { toast } from './toast.js';

const NAMES = ['login', 'register', 'confirm', 'forgot', 'reset'];
const forms = Object.fromEntries(NAMES.map((name) => [name, byId(`${name}-form`)]));

/** What is being confirmed: kept so that nobody types an address twice. */
let confirming = null;

function show(which) {
  for (const [name, form] of Object.entries(forms)) form.hidden = name !== which;
  const first = [...forms[which].elements].find((field) => field instanceof HTMLInputElement && !field.value);
  (first ?? forms[which].querySelector('input')).focus();
}

function clear() {
  confirming = null;
  for (const form of Object.values(forms)) {
    form.reset();
    showProblem(form, null);
  }
}

const value = (form, name) => form.elements[name].value.trim();

/** Calls `entered()` once there is a session. */
export function setUpAuth(entered) {
  for (const button of document.querySelectorAll('[data-show]')) {
    button.addEventListener('click', () => show(button.dataset.show));
  }

  onSubmit(forms.login, async (form) => {
    await api.login(value(form, 'login'), form.elements.password.value);
    await entered();
    clear();
  });

  onSubmit(forms.register, async (form) => {
    const account = { password: form.elements.password.value };
    for (const name of ['handle', 'email', 'display_name']) {
      if (value(form, name)) account[name] = value(form, name);
    }
    if (!account.handle && !account.email) {
      throw Object.assign(new Error(t('auth.handle_or_email')), { field: 'handle' });
    }
    const answer = await api.register(account);
    if (answer.confirm === 'email') {
      confirming = account.email;
      byId('confirm-email').textContent = account.email;
      show('confirm');
      return;
    }
    await entered();
    clear();
  });

  onSubmit(forms.confirm, async (form) => {
    await api.confirm(confirming, value(form, 'code'));
    await entered();
    clear();
  });

  onSubmit(forms.forgot, async (form) => {
    confirming = value(form, 'email');
    await api.requestReset(confirming);
    byId('reset-email').textContent = confirming;
    show('reset');
  });

  onSubmit(forms.reset, async (form) => {
    await api.reset(confirming, value(form, 'code'), form.elements.password.value);
    const login = confirming;
    clear();
    forms.login.elements.login.value = login;
    show('login');
    toast(t('auth.password_set'));
  });
}

export function showAuth(message) {
  byId('auth').hidden = false;
  show('login');
  announceInvitation();
  if (message) showProblem(forms.login, new Error(message));
}
