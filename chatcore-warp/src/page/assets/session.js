// Who is here and what is on their screen: what the parts of the page share.

/** @type {{me: object|null, chat: import('./chat.js').Chat|null}} */
export const session = {
  me: null,
  chat: null,
  /** Puts a room on the screen; null for none. Set, as the next, where the page begins. */
  open: () => {},
  /** Goes to a message of a room, which is at this place. */
  jump: () => {},
};
