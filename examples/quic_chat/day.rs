//! Moments, as a calendar and a clock on the wall show them.

use chatcore::clock::Timestamp;
use chrono::{DateTime, Datelike as _, Local, NaiveDate, NaiveDateTime, Utc};

/// Whose clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zone {
    /// That of this machine.
    Local,
    /// The same everywhere, for tests.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests alone show the same hour everywhere"))]
    Utc,
}

impl Zone {
    fn at(self, moment: Timestamp) -> NaiveDateTime {
        let utc: DateTime<Utc> = DateTime::from_timestamp_millis(moment.0).unwrap_or_default();
        match self {
            Self::Local => utc.with_timezone(&Local).naive_local(),
            Self::Utc => utc.naive_utc(),
        }
    }

    pub(crate) fn day(self, moment: Timestamp) -> NaiveDate {
        self.at(moment).date()
    }

    /// Hours and minutes.
    pub(crate) fn time(self, moment: Timestamp) -> String {
        self.at(moment).format("%H:%M").to_string()
    }

    /// A day's name, as seen from `now`.
    pub(crate) fn name(self, moment: Timestamp, now: Timestamp) -> String {
        let (day, today) = (self.day(moment), self.day(now));
        if day == today {
            return "today".to_owned();
        }
        if Some(day) == today.pred_opt() {
            return "yesterday".to_owned();
        }
        let pattern = if day.year() == today.year() { "%A %-d %B" } else { "%A %-d %B %Y" };
        day.format(pattern).to_string()
    }
}
