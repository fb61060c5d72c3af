//! HTTP, and who one is.

mod bodies;
mod credentials;
mod crowds;
mod origins;
mod races;
mod slow;
