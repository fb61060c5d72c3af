// What rooms are called on the screen.

import { el } from './dom.js';
import { userName } from './elements.js';
import { people } from './people.js';

/** As text, for titles and sorting. */
export const roomTitle = (room) => (room.other ? people.name(room.other) : room.name);

/** As an element that learns the name of the other one of a direct room. */
export const roomName = (room) => (room.other ? userName(room.other) : el('bdi', {}, room.name));
