//! The cursor against `serde_json`, which it has to agree with.

use proptest::prelude::*;
use rstest::rstest;
use serde_json::Value;

use super::*;

/// Takes the whole text as one value.
fn read(text: &str) -> Result<Json<'_>, Broken> {
    let mut cursor = Cursor::new(text);
    let value = cursor.value()?;
    cursor.end()?;
    Ok(value)
}

#[rstest]
#[case("null", Json::Null)]
#[case(" true ", Json::Bool(true))]
#[case("\r\n\tfalse", Json::Bool(false))]
#[case("-0.5e+3", Json::Number("-0.5e+3"))]
#[case("1e400", Json::Number("1e400"))]
#[case(r#""""#, Json::Plain(""))]
#[case(
    r#""plain and long enough for two words""#,
    Json::Plain("plain and long enough for two words")
)]
#[case(r#""ü€𝄞, longer than eight""#, Json::Plain("ü€𝄞, longer than eight"))]
#[case("\"\u{7f}\"", Json::Plain("\u{7f}"))]
#[case(r#""a\"b""#, Json::Escaped(r#""a\"b""#))]
#[case(r#""\ud800""#, Json::Escaped(r#""\ud800""#))]
#[case(r#" [1, {"a": "]"}] "#, Json::List(r#"[1, {"a": "]"}]"#))]
#[case("{}", Json::Object("{}"))]
fn a_value_is_a_slice_of_its_text(#[case] text: &str, #[case] value: Json<'_>) {
    assert_eq!(read(text), Ok(value));
}

#[rstest]
#[case("")]
#[case("nul")]
#[case("nulls")]
#[case("True")]
#[case("01")]
#[case("-")]
#[case("+1")]
#[case("1.")]
#[case(".5")]
#[case("1e")]
#[case("0x1")]
#[case("\"")]
#[case("\"\n\"")]
#[case("\"long enough for a word\u{1}\"")]
#[case(r#""\x""#)]
#[case(r#""\u12g4""#)]
#[case(r#""\"#)]
#[case("[1,]")]
#[case("[1")]
#[case(r#"{"a" 1}"#)]
#[case("{a: 1}")]
#[case("1 2")]
#[case("\u{a0}1")]
fn what_is_no_json_is_broken(#[case] text: &str) {
    assert_eq!(read(text), Err(Broken));
    assert!(serde_json::from_str::<&RawValue>(text).is_err());
}

#[test]
fn members_are_taken_one_by_one() {
    let mut cursor = Cursor::new(r#" { "a" : 1 , "b\n" :[ ] } "#);
    let mut taken = Vec::new();
    cursor
        .members(|key, cursor| {
            taken.push((key, cursor.value()?));
            Ok(())
        })
        .unwrap();
    assert_eq!(
        taken,
        [
            (Json::Plain("a"), Json::Number("1")),
            (Json::Escaped(r#""b\n""#), Json::List("[ ]"))
        ]
    );
    assert_eq!(cursor.end(), Ok(()));
}

/// Walks into everything by the cursor alone, and builds what `serde_json` would.
fn build(cursor: &mut Cursor<'_>) -> Result<Value, Broken> {
    match cursor.next_byte().1 {
        Some(b'{') => {
            let mut map = serde_json::Map::new();
            cursor.members(|key, cursor| {
                map.insert(key.text().ok_or(Broken)?.into_owned(), build(cursor)?);
                Ok(())
            })?;
            Ok(map.into())
        }
        Some(b'[') => {
            let mut list = Vec::new();
            cursor.items(|cursor| {
                list.push(build(cursor)?);
                Ok(())
            })?;
            Ok(list.into())
        }
        _ => match cursor.value()? {
            Json::Number(raw) => serde_json::from_str(raw).map_err(|_| Broken),
            Json::Bool(flag) => Ok(flag.into()),
            Json::Null => Ok(Value::Null),
            text => text.text().map(Into::into).ok_or(Broken),
        },
    }
}

fn json() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e300..1e300).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn json_is_read_as_serde_json_reads_it(value in json(), pretty in any::<bool>()) {
        let text = if pretty {
            serde_json::to_string_pretty(&value).unwrap()
        } else {
            value.to_string()
        };
        let mut cursor = Cursor::new(&text);
        let expected: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(build(&mut cursor), Ok(expected));
        prop_assert_eq!(cursor.end(), Ok(()));
    }

    #[test]
    fn a_text_is_accepted_exactly_when_serde_json_accepts_it(
        text in r#"[-+ 0-9.eEtrufalsn"\\u{}\[\],:/ad]{0,12}|"[ -~\\"]{0,12}"|[-+]?[0-9]{0,3}[.]?[0-9]{0,2}([eE][-+]?[0-9]{0,2})?"#
    ) {
        prop_assert_eq!(read(&text).is_ok(), serde_json::from_str::<&RawValue>(&text).is_ok(), "{}", text);
    }

    #[test]
    fn a_string_ends_where_it_does_byte_by_byte(text in any::<String>(), before in 0_usize..9) {
        let quoted = format!("{}{}", " ".repeat(before), Value::from(text.clone()));
        let read = read(&quoted).unwrap();
        prop_assert_eq!(read.text().unwrap(), text);
    }
}
