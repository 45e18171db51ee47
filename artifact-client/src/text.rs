//! Text from other parties, made safe for terminals.

/// The longest text that is kept, in characters.
const MAX_CHARS: usize = 500;

/// Replaces control and bidirectional characters and cuts the text at 500 characters.
pub(crate) fn printable(text: &str) -> String {
    let visible = |c: char| {
        if c.is_control() || is_bidi_control(c) {
            '\u{fffd}'
        } else {
            c
        }
    };
    text.chars().take(MAX_CHARS).map(visible).collect()
}

/// Returns whether the character reorders the text around it (Unicode Standard Annex 9).
pub(crate) fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
