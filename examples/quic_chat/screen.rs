//! The terminal: taken, and given back as it was, however the program ends.

use std::io::{self, Stdout, stdout};

use crossterm::cursor::Show;
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, SetTitle, disable_raw_mode, enable_raw_mode,
};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use crate::model::Model;
use crate::view;

/// The terminal while this value lives.
pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    unread: Option<u64>,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// A panic anywhere in the program gives it back first, is told there, and ends the program: a
    /// client that has lost one of its tasks would only seem to work.
    pub(crate) fn take() -> io::Result<Self> {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            hook(panic);
            std::process::exit(101);
        }));
        enable_raw_mode()?;
        let entered = execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste);
        let terminal = entered.and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        match terminal {
            Ok(terminal) => Ok(Self { terminal, unread: None }),
            Err(problem) => {
                give_back();
                Err(problem)
            }
        }
    }

    pub(crate) fn draw(&mut self, model: &Model) -> io::Result<()> {
        // No text of anybody's in the title: terminals do things with titles.
        let unread = model.unread();
        if self.unread.replace(unread) != Some(unread) {
            let title = if unread > 0 { format!("chatcore ({unread})") } else { "chatcore".into() };
            execute!(stdout(), SetTitle(title))?;
        }
        self.terminal.draw(|frame| view::draw(model, frame))?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn give_back() {
    // There is nobody left to tell of a failure.
    let _ = execute!(stdout(), DisableBracketedPaste, SetTitle(""), LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}
