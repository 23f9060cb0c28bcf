//! Server-sent events, as far as the API's stream uses them: from bytes in any pieces to messages.
//!
//! Source: <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>

/// One message.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its kind; empty where the server names none.
    pub(crate) event: String,
    /// Its data; several lines are joined by line ends.
    pub(crate) data: String,
}

/// Reads a stream that arrives in pieces.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    unfinished: Vec<u8>,
    message: Message,
}

impl Reader {
    /// Takes the next piece; answers the messages that it completes.
    pub(crate) fn feed(&mut self, piece: &[u8]) -> Vec<Message> {
        self.unfinished.extend_from_slice(piece);
        let mut messages = Vec::new();
        while let Some(end) = self.unfinished.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unfinished.drain(..=end).collect();
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if let Some(message) = self.line(&String::from_utf8_lossy(line)) {
                messages.push(message);
            }
        }
        messages
    }

    /// Takes one line. Comments (`: alive`) and fields that mean nothing here are passed over.
    fn line(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            let message = std::mem::take(&mut self.message);
            return (!message.data.is_empty()).then_some(message);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.message.event),
            "data" if self.message.data.is_empty() => value.clone_into(&mut self.message.data),
            "data" => {
                self.message.data.push('\n');
                self.message.data.push_str(value);
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str =
        ": alive\n\nevent: transition\ndata: {\"a\":\"ä\"}\n\ndata: one\r\ndata:two\r\nid: 7\r\n\r\nevent: none\n\n";

    fn expected() -> Vec<Message> {
        let message = |event: &str, data: &str| Message { event: event.to_owned(), data: data.to_owned() };
        vec![message("transition", "{\"a\":\"ä\"}"), message("", "one\ntwo")]
    }

    #[test]
    fn stream_reads_the_same_in_whatever_pieces_it_comes() {
        for size in 1..=STREAM.len() {
            let mut reader = Reader::default();
            let messages: Vec<Message> = STREAM.as_bytes().chunks(size).flat_map(|piece| reader.feed(piece)).collect();
            assert_eq!(messages, expected(), "in pieces of {size} bytes");
        }
    }

    #[test]
    fn message_is_complete_only_at_its_empty_line() {
        let mut reader = Reader::default();
        assert!(reader.feed(b"data: x\n").is_empty());
        assert_eq!(reader.feed(b"\n").len(), 1);
    }
}
