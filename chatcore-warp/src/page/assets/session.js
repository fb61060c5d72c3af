// Who is here and what is on their screen: what the parts of the page share.

/** @type {{me: object|null, chat: import('./chat.js').Chat|null, open: Function, end: Function, jump: Function}} */
export const session = {
  me: null,
  chat: null,
  /** Puts a room on the screen; null for none. Set, as the next, where the page begins. */
  open: () => {},
  /** Ends it here, saying why. */
  end: () => {},
  /** Goes to a message of a room, which is at this place. */
  jump: () => {},
};
