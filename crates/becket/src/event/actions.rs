//! The macro that writes an event's actions: known ones by name, any other kept as it came.

/// Writes an enum of action words that reads every word and writes it back unchanged.
macro_rules! actions {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// An action that this version of Becket does not know, in GitHub's word.
            Unknown(String),
        }

        impl $name {
            /// GitHub's word for it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Unknown(word) => word,
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                match word.as_str() {
                    $($word => Self::$variant,)+
                    _ => Self::Unknown(word),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(Self::from)
            }
        }
    };
}

pub(super) use actions;

#[cfg(test)]
mod tests {
    use super::super::IssuesAction;

    #[test]
    fn unknown_action_keeps_its_word() {
        let action: IssuesAction = serde_json::from_str(r#""teleported""#).unwrap();
        assert_eq!(action, IssuesAction::Unknown("teleported".to_owned()));
        assert_eq!(serde_json::to_string(&action).unwrap(), r#""teleported""#);
    }

    #[test]
    fn known_action_is_written_as_it_was_read() {
        let action: IssuesAction = serde_json::from_str(r#""opened""#).unwrap();
        assert_eq!(action, IssuesAction::Opened);
        assert_eq!(action.to_string(), "opened");
    }
}
