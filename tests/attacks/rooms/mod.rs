//! Rooms: who may know of them, enter, rule and write.

mod caps;
mod erasure;
mod hidden;
mod power;
mod races;
mod search;
