//! Mail that the account module sends.
