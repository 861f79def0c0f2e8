//! JSON from files and arguments: what is wrong is named by its field, and a misspelt name comes with the right one.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

type Parsed<T> = Result<T, String>;

/// The text of a file, without the byte order mark that some editors put in front.
pub fn text(bytes: &[u8]) -> Parsed<&str> {
    let wide = matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..]);
    if wide {
        return Err("it is UTF-16 or UTF-32: it must be UTF-8".into());
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("it must be UTF-8, which byte {} is not", error.valid_up_to()))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// A document. No object may have two members of one name: of two the last would count, without a word.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Parsed<T> {
    let text = text(bytes)?;
    read::<Unique>(text)?;
    read(text)
}

fn read<T: DeserializeOwned>(text: &str) -> Parsed<T> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| named(&error))?;
    deserializer.end().map_err(|error| error.to_string())?;
    Ok(value)
}

/// The same of a part of a document.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Parsed<T> {
    serde_path_to_error::deserialize(value).map_err(|error| named(&error))
}

fn named(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let (path, rule) = (error.path().to_string(), with_hint(&error.inner().to_string()));
    // Serde's words name an unknown field themselves.
    let unknown = rule.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    let place = unknown.and_then(|name| path.strip_suffix(name)).unwrap_or(&path).trim_end_matches('.');
    if place.is_empty() { rule } else { format!("{place}: {rule}") }
}

/// Serde's words for a name that it does not know, with the right one behind them.
pub fn with_hint(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let of_name = message.starts_with("unknown field `") || message.starts_with("unknown variant `");
    match names.next().filter(|_| of_name) {
        Some(wrong) => format!("{message}{}", did_you_mean(wrong, names)),
        None => message.into(),
    }
}

/// `; did you mean X?`, or nothing where no name is near.
pub fn did_you_mean<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wrong, names).map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

/// The name with the least edit distance, as long as half of the letters stay, or one of the two begins with the other.
fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let near = |name: &&str| {
        let distance = strsim::damerau_levenshtein(&wrong, name);
        let longer = wrong.chars().count().max(name.chars().count());
        // Three letters in common are no accident.
        let begins = wrong.len().min(name.len()) >= 3 && (name.starts_with(&wrong) || wrong.starts_with(*name));
        begins || 2 * distance <= longer + 1
    };
    names.into_iter().filter(near).min_by_key(|name| strsim::damerau_levenshtein(&wrong, name))
}

/// Any document whose objects have no two members of one name.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_unit<E>(self) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Unique, A::Error> {
        while items.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Unique, A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if names.contains(&name) {
                members.next_value::<IgnoredAny>()?;
                return Err(de::Error::custom(format!("{name:?} is there twice")));
            }
            members.next_value::<Unique>()?;
            names.insert(name);
        }
        Ok(Unique)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Layer {
        stride: usize,
        #[serde(default)]
        kind: Option<Kind>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Dense,
        Sparse,
    }

    #[test]
    fn a_misspelt_name_comes_with_the_nearest() {
        for (wrong, right) in [
            ("attributes", "attrs"),
            ("ATTR", "attrs"),
            ("output", "outputs"),
            ("ouptuts", "outputs"),
            ("rol", "rtol"),
            ("toleranc", "tolerance"),
        ] {
            assert_eq!(nearest(wrong, ["attrs", "outputs", "op", "atol", "rtol", "tolerance"]), Some(right), "{wrong}");
        }
        for wrong in ["", "colour", "x", "zzzzzzzzzz"] {
            assert_eq!(nearest(wrong, ["attrs", "outputs", "op"]), None, "{wrong}");
        }
        let error = |text: &str| parse::<Vec<Layer>>(text.as_bytes()).unwrap_err();
        let unknown = error("[{\"stride\": 1}, {\"strides\": 1}]");
        assert!(unknown.starts_with("[1]") && unknown.contains("`strides`"), "{unknown}");
        assert!(unknown.ends_with("; did you mean stride?"), "{unknown}");
        let variant = error("[{\"stride\": 1, \"kind\": \"dens\"}]");
        assert!(variant.starts_with("[0].kind: unknown variant `dens`"), "{variant}");
        assert!(variant.ends_with("; did you mean dense?"), "{variant}");
    }

    #[test]
    fn no_name_is_there_twice() {
        let twice = |text: &str| parse::<Value>(text.as_bytes()).unwrap_err();
        assert!(twice("{\"a\": 1, \"a\": 1}").starts_with("\"a\" is there twice"), "{}", twice("{\"a\": 1, \"a\": 1}"));
        let deep = twice("{\"a\": [{\"b\": {\"c\": 1, \"c\": {}}}]}");
        assert!(deep.starts_with("a[0].b") && deep.contains("\"c\" is there twice"), "{deep}");
        assert!(parse::<Value>(b"[{\"a\": 1}, {\"a\": 1.5, \"b\": [null, true, -1, \"x\"]}]").is_ok());
    }

    #[test]
    fn marks_are_skipped_and_other_encodings_named() {
        let text = "{\"stride\": 2}";
        let layer = |bytes: &[u8]| parse::<Layer>(bytes);
        assert_eq!(layer(&[&b"\xef\xbb\xbf"[..], text.as_bytes()].concat()), Ok(Layer { stride: 2, kind: None }));
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for wide in [[&b"\xff\xfe"[..], &little[..]].concat(), [&b"\xfe\xff"[..], &big[..]].concat(), little, big] {
            assert!(layer(&wide).unwrap_err().contains("UTF-16"), "{wide:?}");
        }
        assert_eq!(layer(b"{\"\xff").unwrap_err(), "it must be UTF-8, which byte 2 is not");
        for empty in [&b""[..], b"\xef\xbb\xbf", b" "] {
            assert!(layer(empty).unwrap_err().contains("EOF"));
        }
        assert!(parse::<Value>("[".repeat(100_000).as_bytes()).unwrap_err().contains("recursion limit"));
        assert!(parse::<Value>(b"1e400").unwrap_err().contains("number out of range"));
    }
}
