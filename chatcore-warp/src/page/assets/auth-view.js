// Log in, register, confirm an e-mail address.

import { api } from './api.js';
import { byId, onSubmit, showProblem } from './dom.js';

const forms = { login: byId('login-form'), register: byId('register-form'), confirm: byId('confirm-form') };

/** What is being confirmed: kept so that nobody types a password twice. */
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

/** Calls `entered()` once there is a session. */
export function setUpAuth(entered) {
  for (const button of document.querySelectorAll('[data-show]')) {
    button.addEventListener('click', () => show(button.dataset.show));
  }

  onSubmit(forms.login, async (form) => {
    await api.login(form.elements.login.value.trim(), form.elements.password.value);
    await entered();
    clear();
  });

  onSubmit(forms.register, async (form) => {
    const { handle, email, display_name: name, password } = form.elements;
    const account = { password: password.value };
    if (handle.value.trim()) account.handle = handle.value.trim();
    if (email.value.trim()) account.email = email.value.trim();
    if (name.value.trim()) account.display_name = name.value.trim();
    if (!account.handle && !account.email) {
      handle.focus();
      throw new Error('Choose a handle, or give an e-mail address.');
    }
    const answer = await api.register(account);
    if (answer.confirm === 'email') {
      confirming = account;
      byId('confirm-email').textContent = account.email;
      show('confirm');
      return;
    }
    await entered();
    clear();
  });

  onSubmit(forms.confirm, async (form) => {
    await api.confirm(confirming.email, form.elements.code.value.trim());
    await entered();
    clear();
  });
}

export function showAuth(message) {
  byId('auth').hidden = false;
  show('login');
  if (message) showProblem(forms.login, new Error(message));
}
