//! Rooms: who may know of them, enter, rule and write.

mod blocks;
mod caps;
mod erasure;
mod hidden;
mod invites;
mod power;
mod races;
mod search;
